//! A device's registers, through PCI (virtio 1.2, 4.1).

use core::fmt;

use pci_bus::virtio::{Span, Structures};
use shmem::{ReadWrite, Region};
use virtio_drivers::{
    Error, PhysAddr,
    transport::{DeviceStatus, DeviceType, InterruptStatus, Transport as Registered},
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::StartError;

/// Registers in memory. Offsets that were not checked read as all ones, as on a bus
/// where nobody answers.
pub trait Registers {
    /// Reads one byte.
    fn read_8(&self, offset: usize) -> u8;
    /// Reads two bytes in one access.
    fn read_16(&self, offset: usize) -> u16;
    /// Reads four bytes in one access.
    fn read_32(&self, offset: usize) -> u32;
    /// Writes one byte.
    fn write_8(&self, offset: usize, value: u8);
    /// Writes two bytes in one access.
    fn write_16(&self, offset: usize, value: u16);
    /// Writes four bytes in one access.
    fn write_32(&self, offset: usize, value: u32);
}

impl Registers for Region<ReadWrite> {
    fn read_8(&self, offset: usize) -> u8 {
        self.read_u8(offset).unwrap_or(u8::MAX)
    }

    fn read_16(&self, offset: usize) -> u16 {
        self.read_u16(offset).unwrap_or(u16::MAX)
    }

    fn read_32(&self, offset: usize) -> u32 {
        self.read_u32(offset).unwrap_or(u32::MAX)
    }

    fn write_8(&self, offset: usize, value: u8) {
        let _ = self.write_u8(offset, value);
    }

    fn write_16(&self, offset: usize, value: u16) {
        let _ = self.write_u16(offset, value);
    }

    fn write_32(&self, offset: usize, value: u32) {
        let _ = self.write_u32(offset, value);
    }
}

/// Registers of the common configuration (4.1.4.3).
mod common {
    pub const DEVICE_FEATURE_SELECT: usize = 0;
    pub const DEVICE_FEATURE: usize = 4;
    pub const DRIVER_FEATURE_SELECT: usize = 8;
    pub const DRIVER_FEATURE: usize = 12;
    pub const DEVICE_STATUS: usize = 20;
    pub const CONFIG_GENERATION: usize = 21;
    pub const QUEUE_SELECT: usize = 22;
    pub const QUEUE_SIZE: usize = 24;
    pub const QUEUE_ENABLE: usize = 28;
    pub const QUEUE_NOTIFY_OFF: usize = 30;
    pub const QUEUE_DESC: usize = 32;
    pub const QUEUE_DRIVER: usize = 40;
    pub const QUEUE_DEVICE: usize = 48;
    pub const SIZE: usize = 56;
}

/// Most queues of a device that is driven here.
const QUEUES: usize = 4;

/// How often a configuration is read that changes meanwhile, before that counts as
/// a device that cannot be used.
const TRIES: usize = 16;

/// A structure within the registers.
#[derive(Clone, Copy, Debug)]
struct Part {
    offset: usize,
    size: usize,
}

/// A device's registers.
pub struct Transport<R> {
    registers: R,
    kind: DeviceType,
    common: Part,
    notify: Part,
    notify_multiplier: u32,
    isr: Part,
    device: Part,
    /// Where each queue's notifications go.
    doorbells: [Option<usize>; QUEUES],
}

impl<R> fmt::Debug for Transport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<R: Registers> Transport<R> {
    /// Registers of so many bytes, whose first is at the physical address `base`,
    /// with the structures where `pci` found them.
    ///
    /// # Errors
    /// A structure is not within them, is too small or not aligned.
    pub fn new(
        kind: DeviceType,
        registers: R,
        base: u64,
        size: usize,
        structures: &Structures,
    ) -> Result<Self, StartError> {
        let part = |name, span: Span, least: usize, alignment: usize| {
            let elsewhere = StartError::Structure { name, span };
            let offset = u64::from(span.address).checked_sub(base).ok_or(elsewhere)?;
            let offset = usize::try_from(offset).map_err(|_| elsewhere)?;
            let length = span.size as usize;
            let end = offset.checked_add(length).ok_or(elsewhere)?;
            if end > size || length < least || !offset.is_multiple_of(alignment) {
                return Err(elsewhere);
            }
            Ok(Part { offset, size: length })
        };
        let Structures { common, notify, notify_multiplier, isr, device } = *structures;
        Ok(Transport {
            registers,
            kind,
            common: part("common configuration", common, common::SIZE, 4)?,
            notify: part("notification area", notify, 2, 2)?,
            notify_multiplier,
            isr: part("interrupt status", isr, 1, 1)?,
            device: part("configuration", device, 1, 4)?,
            doorbells: [None; QUEUES],
        })
    }

    /// Where the device wants to be notified of a queue (4.1.4.4).
    ///
    /// # Errors
    /// Outside the notification area.
    pub(crate) fn doorbell(&self, queue: u16) -> Result<usize, StartError> {
        self.select(queue);
        let step = self.registers.read_16(self.common(common::QUEUE_NOTIFY_OFF));
        // Both are of the device's choice; a product of 48 bits at most.
        let offset = u64::from(step) * u64::from(self.notify_multiplier);
        let fits = |&offset: &usize| {
            let end = offset.checked_add(2);
            offset.is_multiple_of(2) && end.is_some_and(|end| end <= self.notify.size)
        };
        match usize::try_from(offset).ok().filter(fits) {
            Some(place) if usize::from(queue) < QUEUES => Ok(self.notify.offset + place),
            Some(_) | None => Err(StartError::Doorbell { queue, offset }),
        }
    }

    fn common(&self, register: usize) -> usize {
        self.common.offset + register
    }

    fn select(&self, queue: u16) {
        self.registers.write_16(self.common(common::QUEUE_SELECT), queue);
    }

    /// An address goes in two halves (4.1.3.1).
    fn write_address(&self, register: usize, address: PhysAddr) {
        self.registers.write_32(self.common(register), address as u32);
        self.registers.write_32(self.common(register + 4), (address >> 32) as u32);
    }

    /// Where a value of the device's configuration is.
    fn value(&self, offset: usize, size: usize) -> Result<usize, Error> {
        match offset.checked_add(size) {
            Some(end) if end <= self.device.size => Ok(self.device.offset + offset),
            Some(_) | None => Err(Error::ConfigSpaceTooSmall),
        }
    }
}

impl<R: Registers> Registered for Transport<R> {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |half: u32| {
            self.registers.write_32(self.common(common::DEVICE_FEATURE_SELECT), half);
            u64::from(self.registers.read_32(self.common(common::DEVICE_FEATURE)))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (half, value) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.registers.write_32(self.common(common::DRIVER_FEATURE_SELECT), half);
            self.registers.write_32(self.common(common::DRIVER_FEATURE), value);
        }
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.select(queue);
        self.registers.read_16(self.common(common::QUEUE_SIZE)).into()
    }

    fn notify(&mut self, queue: u16) {
        if let Some(&Some(place)) = self.doorbells.get(usize::from(queue)) {
            self.registers.write_16(place, queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        let status = self.registers.read_8(self.common(common::DEVICE_STATUS));
        DeviceStatus::from_bits_retain(status.into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        // Its bits are those of a byte.
        self.registers.write_8(self.common(common::DEVICE_STATUS), status.bits() as u8);
    }

    /// Of no meaning here (4.2.4 only).
    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        // Without a place the device is never notified; a `Queue` is not made then.
        let place = self.doorbell(queue).ok();
        if let Some(slot) = self.doorbells.get_mut(usize::from(queue)) {
            *slot = place;
        }
        self.select(queue);
        // The crate's sizes are of 16 bits.
        self.registers.write_16(self.common(common::QUEUE_SIZE), size as u16);
        self.write_address(common::QUEUE_DESC, descriptors);
        self.write_address(common::QUEUE_DRIVER, driver_area);
        self.write_address(common::QUEUE_DEVICE, device_area);
        self.registers.write_16(self.common(common::QUEUE_ENABLE), 1);
    }

    /// Only a reset of the device ends a queue (4.1.4.3.2).
    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.select(queue);
        self.registers.read_16(self.common(common::QUEUE_ENABLE)) != 0
    }

    /// Reading it takes the interrupt back.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::from_bits_truncate(self.registers.read_8(self.isr.offset).into())
    }

    fn read_config_generation(&self) -> u32 {
        self.registers.read_8(self.common(common::CONFIG_GENERATION)).into()
    }

    /// Numbers in one access of their size, everything else by bytes (4.1.3.1).
    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        let at = self.value(offset, size_of::<T>())?;
        let mut value = T::new_zeroed();
        match value.as_mut_bytes() {
            bytes if bytes.len() == 2 && at.is_multiple_of(2) => {
                bytes.copy_from_slice(&self.registers.read_16(at).to_le_bytes());
            }
            bytes if bytes.len() == 4 && at.is_multiple_of(4) => {
                bytes.copy_from_slice(&self.registers.read_32(at).to_le_bytes());
            }
            bytes => {
                for (place, byte) in bytes.iter_mut().enumerate() {
                    *byte = self.registers.read_8(at + place);
                }
            }
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> Result<(), Error> {
        let at = self.value(offset, size_of::<T>())?;
        match *value.as_bytes() {
            [a, b] if at.is_multiple_of(2) => {
                self.registers.write_16(at, u16::from_le_bytes([a, b]));
            }
            [a, b, c, d] if at.is_multiple_of(4) => {
                self.registers.write_32(at, u32::from_le_bytes([a, b, c, d]));
            }
            ref bytes => {
                for (place, &byte) in bytes.iter().enumerate() {
                    self.registers.write_8(at + place, byte);
                }
            }
        }
        Ok(())
    }

    /// As the crate's, but a device whose configuration never comes to rest is
    /// given up.
    fn read_consistent<T>(&self, read: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        for _ in 0..TRIES {
            let before = self.read_config_generation();
            let result = read();
            if self.read_config_generation() == before {
                return result;
            }
        }
        Err(Error::NotReady)
    }
}
