//! The other side, for tests on the host: memory in a vector, and an honest driver.

use std::vec::Vec;

use crate::config::{Area, Features, QueueConfig};
use crate::memory::{Memory, Outside};

/// RAM from guest-physical zero, in a vector.
#[derive(Clone, Debug)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Zeroed.
    pub fn new(size: usize) -> Self {
        Bytes(std::vec![0; size])
    }

    fn range(&self, address: u64, length: usize) -> Result<core::ops::Range<usize>, Outside> {
        let outside = Outside { address, length: length as u64 };
        let start = usize::try_from(address).map_err(|_| outside)?;
        let end = start.checked_add(length).filter(|end| *end <= self.0.len());
        Ok(start..end.ok_or(outside)?)
    }
}

macro_rules! word {
    ($read:ident, $write:ident, $ty:ty) => {
        fn $read(&self, address: u64) -> Result<$ty, Outside> {
            let mut word = [0; size_of::<$ty>()];
            self.read(address, &mut word)?;
            Ok(<$ty>::from_le_bytes(word))
        }

        fn $write(&mut self, address: u64, value: $ty) -> Result<(), Outside> {
            self.write(address, &value.to_le_bytes())
        }
    };
}

impl Memory for Bytes {
    fn contains(&self, address: u64, length: u64) -> bool {
        address.checked_add(length).is_some_and(|end| end <= self.0.len() as u64)
    }

    word!(read_u16, write_u16, u16);
    word!(read_u64, write_u64, u64);

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Outside> {
        into.copy_from_slice(&self.0[self.range(address, into.len())?]);
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Outside> {
        let range = self.range(address, from.len())?;
        self.0[range].copy_from_slice(from);
        Ok(())
    }

    fn fence(&self) {}
}

/// A buffer that the driver lends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Where it is.
    pub address: u64,
    /// Its length.
    pub length: u32,
    /// Whether the device may write it.
    pub writable: bool,
}

impl Buffer {
    /// One for the device to read.
    pub const fn read(address: u64, length: u32) -> Self {
        Buffer { address, length, writable: false }
    }

    /// One for the device to write.
    pub const fn write(address: u64, length: u32) -> Self {
        Buffer { address, length, writable: true }
    }
}

/// A driver that keeps to the specification, and writes raw descriptors when a test
/// wants it not to.
#[derive(Clone, Debug)]
pub struct Driver {
    /// What it would write into the transport's registers.
    pub config: QueueConfig,
    /// What was negotiated.
    pub features: Features,
    /// Chains ever made available.
    pub available: u16,
    /// The index at its last look whether to notify.
    notified: u16,
    /// Used elements ever taken.
    pub used: u16,
    /// Where indirect tables go, one for each descriptor.
    tables: u64,
    free: Vec<u16>,
    /// The descriptors of each chain in flight, by head.
    chains: Vec<Vec<u16>>,
}

impl Driver {
    /// A queue of `size` whose areas and tables begin at `base`, a multiple of 16.
    pub fn new(base: u64, size: u16, features: Features) -> Self {
        let round = |at: u64| at.next_multiple_of(16);
        let driver = round(base + Area::Descriptors.length(size));
        let device = round(driver + Area::Driver.length(size));
        let tables = round(device + Area::Device.length(size));
        let config = QueueConfig { size, most: size, descriptors: base, driver, device };
        Driver {
            config,
            features,
            available: 0,
            notified: 0,
            used: 0,
            tables,
            free: (0..size).rev().collect(),
            chains: std::vec![Vec::new(); size.into()],
        }
    }

    /// The first byte after all of it.
    pub fn end(&self) -> u64 {
        self.tables + Area::Descriptors.length(self.config.size) * u64::from(self.config.size)
    }

    /// Writes a descriptor as it is told to.
    pub fn descriptor(
        &self,
        memory: &mut impl Memory,
        table: u64,
        index: u16,
        (address, length, flags, next): (u64, u32, u16, u16),
    ) {
        let at = table + 16 * u64::from(index);
        let word = u64::from(length) | u64::from(flags) << 32 | u64::from(next) << 48;
        memory.write_u64(at, address).expect("the table is RAM");
        memory.write_u64(at + 8, word).expect("the table is RAM");
    }

    /// The table of indirect descriptors that belongs to a descriptor.
    pub fn table(&self, index: u16) -> u64 {
        self.tables + Area::Descriptors.length(self.config.size) * u64::from(index)
    }

    /// Lends buffers as one chain.
    ///
    /// # Returns
    /// The head, or nothing if there are not enough descriptors.
    pub fn add(&mut self, memory: &mut impl Memory, buffers: &[Buffer]) -> Option<u16> {
        if self.free.len() < buffers.len() || buffers.is_empty() {
            return None;
        }
        let own = self.free.split_off(self.free.len() - buffers.len());
        for (place, buffer) in buffers.iter().enumerate() {
            let next = own.get(place + 1).copied();
            let flags = u16::from(next.is_some()) | u16::from(buffer.writable) << 1;
            let descriptor = (buffer.address, buffer.length, flags, next.unwrap_or(0));
            self.descriptor(memory, self.config.descriptors, own[place], descriptor);
        }
        let head = own[0];
        self.chains[usize::from(head)] = own;
        self.offer(memory, head);
        Some(head)
    }

    /// Lends buffers as one indirect table.
    ///
    /// # Returns
    /// As [`Driver::add`].
    pub fn add_indirect(&mut self, memory: &mut impl Memory, buffers: &[Buffer]) -> Option<u16> {
        let head = self.free.pop()?;
        let table = self.table(head);
        for (place, buffer) in buffers.iter().enumerate() {
            let place = place as u16;
            let more = usize::from(place) + 1 < buffers.len();
            let flags = u16::from(more) | u16::from(buffer.writable) << 1;
            let next = if more { place + 1 } else { 0 };
            self.descriptor(memory, table, place, (buffer.address, buffer.length, flags, next));
        }
        let length = 16 * buffers.len() as u32;
        self.descriptor(memory, self.config.descriptors, head, (table, length, 4, 0));
        self.chains[usize::from(head)] = std::vec![head];
        self.offer(memory, head);
        Some(head)
    }

    /// Puts a head into the available ring and moves its index.
    pub fn offer(&mut self, memory: &mut impl Memory, head: u16) {
        let slot = self.available & (self.config.size - 1);
        let at = self.config.driver + 4 + 2 * u64::from(slot);
        memory.write_u16(at, head).expect("the ring is RAM");
        self.available = self.available.wrapping_add(1);
        self.set_index(memory, self.available);
    }

    /// Sets the available index, whatever it says.
    pub fn set_index(&self, memory: &mut impl Memory, index: u16) {
        memory.write_u16(self.config.driver + 2, index).expect("the ring is RAM");
    }

    /// Whether the device wants to be notified of what was added since it was last asked.
    pub fn must_notify(&mut self, memory: &impl Memory) -> bool {
        let (old, new) = (self.notified, self.available);
        self.notified = new;
        let read = |at: u64| memory.read_u16(self.config.device + at).expect("the ring is RAM");
        if self.features.event_index {
            let event = read(4 + 8 * u64::from(self.config.size));
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            new != old && read(0) & 1 == 0
        }
    }

    /// Takes the next used element: head and bytes written.
    ///
    /// # Panics
    /// The device gave back what it was not lent.
    pub fn take(&mut self, memory: &impl Memory) -> Option<(u16, u32)> {
        let index = memory.read_u16(self.config.device + 2).expect("the ring is RAM");
        if index == self.used {
            return None;
        }
        let slot = self.used & (self.config.size - 1);
        let at = self.config.device + 4 + 8 * u64::from(slot);
        let element = memory.read_u64(at).expect("the ring is RAM");
        self.used = self.used.wrapping_add(1);
        let head = u16::try_from(element & 0xffff_ffff).expect("a head");
        let mut own = std::mem::take(&mut self.chains[usize::from(head)]);
        assert!(!own.is_empty(), "descriptor {head} was not lent");
        self.free.append(&mut own);
        Some((head, (element >> 32) as u32))
    }

    /// With the event index: asks for an interrupt once the used index passes `index`.
    /// Without: for each or none.
    pub fn ask(&self, memory: &mut impl Memory, index: u16, wanted: bool) {
        let (at, word) = if self.features.event_index {
            (4 + 2 * u64::from(self.config.size), index)
        } else {
            (0, u16::from(!wanted))
        };
        memory.write_u16(self.config.driver + at, word).expect("the ring is RAM");
    }
}
