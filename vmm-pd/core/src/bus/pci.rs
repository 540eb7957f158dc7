//! The PCI bus through configuration mechanism 1 (PCI Local Bus 3.0,
//! 3.2.2.3.2): an address register at 0xCF8, which only a whole dword reaches,
//! and a window onto the selected register at 0xCFC, of any width.
//!
//! Devices are variants of [`Function`]; one static match says which is where.
//! What is absent reads all ones and ignores writes. The surprising fact: byte
//! and word accesses to 0xCF8-0xCFB are not the address register at all but
//! ordinary ports, and 0xCF9 is the reset control register.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::devices::host_bridge;

bitflags! {
    /// Command register, what is fixed of it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Command: u16 {
        /// Answers memory accesses.
        const MEMORY = 1 << 1;
        /// Masters the bus.
        const MASTER = 1 << 2;
    }
}

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
}

impl Header {
    /// A dword of the header; registers that it does not fix are zero.
    pub fn read(&self, register: u8) -> u32 {
        let identity = u32::from(self.device) << 16 | u32::from(self.vendor);
        match register {
            IDENTITY | SUBSYSTEM => identity,
            COMMAND => u32::from((Command::MEMORY | Command::MASTER).bits()),
            CLASS => u32::from_be_bytes([self.class, self.subclass, self.interface, self.revision]),
            _ => 0,
        }
    }
}

/// The functions on the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// The host bridge.
    HostBridge,
}

impl Function {
    /// What is at a place.
    fn at(place: Place) -> Option<Function> {
        match place {
            Place { bus: 0, device: 0, function: 0 } => Some(Function::HostBridge),
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

    /// Reads the selected dword.
    ///
    /// # Returns
    /// Nothing if configuration accesses are off or nothing is there.
    pub fn read(&self) -> Option<u32> {
        let (function, register) = self.selected()?;
        Some(match function {
            Function::HostBridge => host_bridge::HEADER.read(register),
        })
    }

    /// Writes those bytes of the selected dword that are ones in `mask`.
    ///
    /// # Returns
    /// Nothing if configuration accesses are off or nothing is there.
    pub fn write(&mut self, _value: u32, _mask: u32) -> Option<()> {
        match self.selected()?.0 {
            // Read-only throughout.
            Function::HostBridge => Some(()),
        }
    }

    fn selected(&self) -> Option<(Function, u8)> {
        let address = self.state.address;
        if address & ENABLE == 0 {
            return None;
        }
        let [register, low, bus, _] = address.to_le_bytes();
        let function = Function::at(Place { bus, device: low >> 3, function: low & 7 })?;
        Some((function, register))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(address: u32) -> Option<u32> {
        let mut pci = Pci::new();
        pci.set_address(address);
        pci.read()
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
            let mut pci = Pci::new();
            pci.set_address(ENABLE | u32::from(register));
            let before = pci.read();
            prop_assert_eq!(pci.write(value, mask), Some(()));
            prop_assert_eq!(pci.read(), before);
        }
    }
}
