//! The PCI bus through configuration mechanism 1 (PCI Local Bus 3.0,
//! 3.2.2.3.2): an address register at 0xCF8, which only a whole dword reaches,
//! and a window onto the selected register at 0xCFC, of any width.
//!
//! Bus 0 is the only one: the host bridge, the virtio devices
//! ([`Device::number`]), and real devices that the guest drives itself
//! ([`crate::devices::passed`]). A function's registers are a [`space::ConfigSpace`].
//! What is absent reads all ones and ignores writes. The surprising fact: byte
//! and word accesses to 0xCF8-0xCFB are not the address register at all but
//! ordinary ports, and 0xCF9 is the reset control register.

pub mod msix;
pub mod space;

use serde::{Deserialize, Serialize};

use crate::devices::host_bridge;
use crate::devices::virtio::Device;
use crate::types::Width;
use crate::vm::Devices;
use space::Command;

/// Address register: configuration accesses are on.
const ENABLE: u32 = 1 << 31;
/// Address register: the bits that it keeps; 30:24 and 1:0 are zero.
const ADDRESS_MASK: u32 = ENABLE | 0x00FF_FFFC;

/// Type 0 header, dword registers (PCI Local Bus 3.0, figure 6-1).
const IDENTITY: u8 = 0x00;
const COMMAND: u8 = 0x04;
const CLASS: u8 = 0x08;
const SUBSYSTEM: u8 = 0x2C;

/// A function's place: bus, device, function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Bus.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

/// The constant part of a type 0 header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Base class.
    pub class: u8,
    /// Subclass.
    pub subclass: u8,
    /// Programming interface.
    pub interface: u8,
    /// Revision.
    pub revision: u8,
    /// Subsystem; its vendor is the device's.
    pub subsystem: u16,
}

impl Header {
    /// A dword of the header; registers that it does not fix are zero.
    pub fn read(&self, register: u8) -> u32 {
        match register {
            IDENTITY => u32::from(self.device) << 16 | u32::from(self.vendor),
            SUBSYSTEM => u32::from(self.subsystem) << 16 | u32::from(self.vendor),
            COMMAND => u32::from((Command::MEMORY | Command::MASTER).bits()),
            CLASS => u32::from_be_bytes([self.class, self.subclass, self.interface, self.revision]),
            _ => 0,
        }
    }
}

/// The functions on the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    /// The host bridge.
    HostBridge,
    /// A virtio device.
    Virtio(Device),
    /// A real device, by its place in the configuration.
    Passed(usize),
}

impl Function {
    /// What is at a place.
    fn at(devices: &mut Devices, place: Place) -> Option<Function> {
        match place {
            Place { bus: 0, device: 0, function: 0 } => Some(Function::HostBridge),
            Place { bus: 0, device, function: 0 } => match devices.passed.at(device) {
                Some(index) => Some(Function::Passed(index)),
                None => devices.virtio.configuration(device).map(Function::Virtio),
            },
            _ => None,
        }
    }
}

/// What a snapshot of the bus holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// The address register.
    pub address: u32,
}

/// The bus.
pub struct Pci {
    state: State,
}

impl Default for Pci {
    fn default() -> Self {
        Self::new()
    }
}

impl Pci {
    /// The bus after power-on.
    pub fn new() -> Self {
        Self::restore(State { address: 0 })
    }

    /// The bus as a snapshot recorded it.
    pub fn restore(state: State) -> Self {
        Pci { state }
    }

    /// What a snapshot holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reads the address register.
    pub fn address(&self) -> u32 {
        self.state.address
    }

    /// Writes the address register.
    pub fn set_address(&mut self, value: u32) {
        self.state.address = value & ADDRESS_MASK;
    }

    /// The place and the dword register that are selected, if configuration
    /// accesses are on.
    fn selected(&self) -> Option<(Place, u8)> {
        let address = self.state.address;
        if address & ENABLE == 0 {
            return None;
        }
        let [register, low, bus, _] = address.to_le_bytes();
        Some((Place { bus, device: low >> 3, function: low & 7 }, register))
    }
}

/// Reads part of the selected configuration dword; what is absent is all ones.
pub fn read(devices: &mut Devices, offset: u8, width: Width) -> u32 {
    let dword = read_dword(devices).unwrap_or(u32::MAX);
    (dword >> (8 * offset)) & width.mask() as u32
}

fn read_dword(devices: &mut Devices) -> Option<u32> {
    let (place, register) = devices.pci.selected()?;
    match Function::at(devices, place)? {
        Function::HostBridge => Some(host_bridge::HEADER.read(register)),
        Function::Virtio(device) => {
            devices.virtio.read_config(device, register, &mut devices.interrupts)
        }
        Function::Passed(index) => devices.passed.read(index, register),
    }
}

/// Writes part of the selected configuration dword, if anything is there.
pub fn write(devices: &mut Devices, offset: u8, width: Width, value: u32) {
    let shift = 8 * offset;
    let _ = write_dword(devices, value << shift, (width.mask() as u32) << shift);
}

fn write_dword(devices: &mut Devices, value: u32, mask: u32) -> Option<()> {
    let (place, register) = devices.pci.selected()?;
    match Function::at(devices, place)? {
        // Read-only throughout.
        Function::HostBridge => Some(()),
        Function::Virtio(device) => {
            devices.virtio.write_config(device, register, value, mask, &mut devices.interrupts)
        }
        Function::Passed(index) => devices.passed.write(index, register, value, mask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::pio::tests::Bench;
    use proptest::prelude::*;

    fn select(address: u32) -> Bench {
        let mut bench = Bench::new();
        bench.devices.pci.set_address(address);
        bench
    }

    fn read(address: u32) -> Option<u32> {
        read_dword(&mut select(address).devices)
    }

    #[test]
    fn linux_finds_the_host_bridge() {
        // arch/x86/pci/direct.c: the address reads back, and some device of
        // bus 0 has the class of a host bridge.
        let mut pci = Pci::new();
        pci.set_address(0x8000_0000);
        assert_eq!(pci.address(), 0x8000_0000);
        assert_eq!(read(0x8000_0008).unwrap() >> 16, 0x0600);
        // A single function, type 0 header.
        assert_eq!(read(0x8000_000C).unwrap() >> 16 & 0xFF, 0);
    }

    #[test]
    fn what_is_absent_does_not_answer() {
        for place in [0x8000_0100, 0x8000_0800, 0x8001_0000, 0x80FF_FF00] {
            assert_eq!(read(place), None, "{place:#x}");
        }
    }

    #[test]
    fn nothing_answers_while_accesses_are_off() {
        assert_eq!(read(0), None);
    }

    #[test]
    fn reserved_address_bits_read_zero() {
        let mut pci = Pci::new();
        pci.set_address(u32::MAX);
        assert_eq!(pci.address(), 0x80FF_FFFC);
    }

    proptest! {
        #[test]
        fn the_host_bridge_cannot_be_changed(register: u8, value: u32, mask: u32) {
            let devices = &mut select(ENABLE | u32::from(register)).devices;
            let before = read_dword(devices);
            prop_assert_eq!(write_dword(devices, value, mask), Some(()));
            prop_assert_eq!(read_dword(devices), before);
        }
    }
}
