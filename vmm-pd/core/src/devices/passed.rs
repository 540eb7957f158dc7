//! Real devices that the guest drives itself, as far as the VMM has a part in that:
//! their functions on the guest's PCI bus, and which ports and lines they may have.
//!
//! Their registers are the guest's: the processor lets its accesses to their ports and
//! memory pass, and none of it exits. Their interrupts arrive at the VMM, which drives
//! the guest's lines with them ([`crate::interrupts`]). The surprising fact: the guest
//! never reaches the device's configuration space. What it finds in its place is made
//! here, and its base address registers can be measured but not moved, for the machine's
//! are not.

use bulkhead_config::{PASSED_MAX, PassThrough};
use heapless::Vec;

use crate::bus::pci::Header;
use crate::bus::pci::space::{Bar, Command};
use crate::layout::numbers as n;
use crate::types::Gsi;

/// Most ports behind a base address register (PCI Local Bus 3.0, 6.2.5.1).
const BAR_PORTS_MAX: u16 = 256;

/// Least bytes behind one that is for memory (6.2.5.1).
const BAR_MEMORY_MIN: u32 = 16;

/// A base address register: its number, what is behind it, and where that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fixed {
    index: u8,
    bar: Bar,
    address: u32,
    /// Software has written ones, to measure it.
    measured: bool,
}

impl Fixed {
    fn read(&self) -> u32 {
        let kind = u32::from(matches!(self.bar, Bar::Ports(_)));
        kind | if self.measured { self.bar.mask() } else { self.address }
    }

    fn write(&mut self, value: u32, mask: u32) {
        let mask = mask & self.bar.mask();
        let written = self.read() & !mask | value & mask;
        self.measured = written & self.bar.mask() == self.bar.mask();
    }
}

/// A function on the guest's bus. Of a configuration space only what software can
/// change is kept: on a VMM's stack the whole of several is much.
#[derive(Debug)]
struct Function {
    header: Header,
    bars: Vec<Fixed, { 2 * bulkhead_config::PASSED_PARTS_MAX }>,
    command: Command,
    /// What software noted in the register of the interrupt line.
    line: u8,
}

impl Function {
    fn read(&self, register: u8) -> u32 {
        match register & !3 {
            COMMAND => self.command.bits().into(),
            INTERRUPT => PIN_A | u32::from(self.line),
            register @ FIRST_BAR..=LAST_BAR => {
                let index = (register - FIRST_BAR) / 4;
                self.bars.iter().find(|bar| bar.index == index).map_or(0, Fixed::read)
            }
            register => self.header.read(register),
        }
    }

    fn write(&mut self, register: u8, value: u32, mask: u32) {
        // Whether it masters the bus is settled before the guest starts.
        const WRITABLE: Command = Command::IO.union(Command::MEMORY).union(Command::NO_INTX);
        let merged = self.read(register) & !mask | value & mask;
        match register & !3 {
            COMMAND => self.command = Command::from_bits_truncate(merged as u16) & WRITABLE,
            INTERRUPT => self.line = merged as u8,
            register @ FIRST_BAR..=LAST_BAR => {
                let index = (register - FIRST_BAR) / 4;
                if let Some(bar) = self.bars.iter_mut().find(|bar| bar.index == index) {
                    bar.write(value, mask);
                }
            }
            _ => {}
        }
    }
}

/// Registers (PCI Local Bus 3.0, figure 6-1).
const COMMAND: u8 = 0x04;
const FIRST_BAR: u8 = 0x10;
const LAST_BAR: u8 = 0x24;
const INTERRUPT: u8 = 0x3C;
/// In INTERRUPT: the first pin.
const PIN_A: u32 = 1 << 8;

/// The functions of a machine.
#[derive(Debug, Default)]
pub struct Passed {
    functions: [Option<Function>; PASSED_MAX],
}

/// The interrupt line of the device in this place of the configuration, if it is on
/// PCI: a pin of its own, which the table that the guest gets says too
/// (`build/dsdt.rs`).
pub const fn line(index: usize) -> Gsi {
    Gsi(n::PASSED_FIRST_GSI + index as u8 % n::PCI_GSIS)
}

/// Whether a device that is passed through may drive this ISA line: none of the
/// machine's own devices does.
pub const fn may_drive(line: u8) -> bool {
    matches!(line, 3 | 5..=7 | 10..=15) && line != 13
}

impl Passed {
    /// Puts a device on the bus.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, index: usize, device: &PassThrough) -> Result<(), Unfit> {
        let Some(function) = device.pci else { return Ok(()) };
        let slot = self.functions.get_mut(index).ok_or(Unfit::Bar)?;
        let [_, class, subclass, interface] = function.class.to_be_bytes();
        let header = Header {
            vendor: function.vendor,
            device: function.device,
            class,
            subclass,
            interface,
            revision: 0,
            subsystem: 0,
        };
        let ports = device.ports.iter().filter_map(|ports| {
            let fits = ports.count.is_power_of_two() && (4..=BAR_PORTS_MAX).contains(&ports.count);
            let bar = fits.then_some(Bar::Ports(ports.count.into()));
            ports.bar.map(|index| (index, bar, u32::from(ports.first), u32::from(ports.count)))
        });
        let memory = device.memory.iter().filter_map(|memory| {
            let fits = memory.size.is_power_of_two() && memory.size >= BAR_MEMORY_MIN;
            let bar = fits.then_some(Bar::Memory(memory.size));
            memory.bar.map(|index| (index, bar, memory.address, memory.size))
        });
        let mut bars: Vec<Fixed, { 2 * bulkhead_config::PASSED_PARTS_MAX }> = Vec::new();
        for (index, bar, address, size) in ports.chain(memory) {
            let bar = bar.ok_or(Unfit::Bar)?;
            let taken = bars.iter().any(|other| other.index == index);
            if index > 5 || taken || !address.is_multiple_of(size) {
                return Err(Unfit::Bar);
            }
            let fixed = Fixed { index, bar, address, measured: false };
            bars.push(fixed).map_err(|_| Unfit::Bar)?;
        }
        *slot = Some(Function { header, bars, command: Command::empty(), line: 0 });
        Ok(())
    }

    /// Takes a device from the bus, if it is there.
    pub fn remove(&mut self, index: usize) {
        if let Some(slot) = self.functions.get_mut(index) {
            *slot = None;
        }
    }

    /// As after power-on.
    pub fn restart(&mut self) {
        for Function { header: _, bars, command, line } in self.functions.iter_mut().flatten() {
            bars.iter_mut().for_each(|bar| bar.measured = false);
            *command = Command::empty();
            *line = 0;
        }
    }

    /// Which of them has a device number.
    pub fn at(&self, number: u8) -> Option<usize> {
        let index = usize::from(number.checked_sub(n::PASSED_FIRST_DEVICE)?);
        self.functions.get(index)?.as_ref().map(|_| index)
    }

    /// Reads a dword of configuration space.
    pub fn read(&self, index: usize, register: u8) -> Option<u32> {
        Some(self.functions.get(index)?.as_ref()?.read(register))
    }

    /// Writes those bits of one that are ones in `mask`.
    pub fn write(&mut self, index: usize, register: u8, value: u32, mask: u32) -> Option<()> {
        self.functions.get_mut(index)?.as_mut()?.write(register, value, mask);
        Some(())
    }
}

/// Why a device cannot be passed through as it is described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// A base address register that cannot be.
    Bar,
}

impl core::fmt::Display for Unfit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Unfit::Bar => f.write_str(
                "a base address register is 0 to 5, holds 4 to 256 ports or at least 16 bytes, a power of two of them, at a multiple of that",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
