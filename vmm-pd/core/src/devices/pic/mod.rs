//! The two cascaded 8259A interrupt controllers of a PC (Intel 8259A data
//! sheet, 231468-003), with the edge/level control registers that PCI brought.
//!
//! Not modelled: the 8080's vectors, buffered mode, more than one slave. The
//! surprising fact: an edge-triggered request that falls before it is
//! acknowledged is lost, and an acknowledgement that finds nothing answers with
//! line 7 without marking it in service: the spurious interrupt.

pub mod bits;
mod chip;
pub mod state;
#[cfg(test)]
mod tests;

use crate::types::Vector;
use bits::{MASTER_ELCR, SLAVE_ELCR};
use state::{ChipState, PicState};

/// The master's input that the slave drives.
const CASCADE: u8 = 2;

/// What a data bus reads that nobody drives.
const FLOATING: u8 = 0xFF;

/// The pair's registers, by their usual ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// 0x20: ICW1, OCW2, OCW3; IRR, ISR.
    MasterCommand,
    /// 0x21: ICW2 to ICW4, interrupt mask.
    MasterData,
    /// 0xA0.
    SlaveCommand,
    /// 0xA1.
    SlaveData,
    /// 0x4D0: which of lines 0 to 7 are level-triggered.
    MasterElcr,
    /// 0x4D1: which of lines 8 to 15 are level-triggered.
    SlaveElcr,
}

/// The pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pic {
    state: PicState,
    /// The slave's INT, as a request of the master: bit [`CASCADE`] or nothing.
    slave_request: u8,
    /// The master's INT.
    output: bool,
}

impl Default for Pic {
    fn default() -> Self {
        Pic::new()
    }
}

impl Pic {
    /// At power-up: everything masked.
    pub const fn new() -> Self {
        let master = ChipState::new(1 << CASCADE);
        let slave = ChipState::new(CASCADE);
        Pic { state: PicState { master, slave }, slave_request: 0, output: false }
    }

    /// For a snapshot.
    pub fn state(&self) -> &PicState {
        &self.state
    }

    /// From a snapshot.
    pub fn from_state(state: PicState) -> Self {
        let master = state.master.checked(MASTER_ELCR);
        let slave = state.slave.checked(SLAVE_ELCR);
        let mut pic = Pic { state: PicState { master, slave }, slave_request: 0, output: false };
        pic.settle();
        pic
    }

    /// Whether the pair asks the processor for an interrupt.
    pub fn output(&self) -> bool {
        self.output
    }

    /// Lines whose interrupt the processor has taken and not ended, a bit each.
    pub fn in_service(&self) -> u16 {
        u16::from_le_bytes([self.state.master.in_service, self.state.slave.in_service])
    }

    /// Lines whose interrupts end as they are taken, a bit each.
    pub fn auto_eoi(&self) -> u16 {
        let of = |chip: &state::ChipState| if chip.auto_eoi { 0xFF } else { 0 };
        u16::from_le_bytes([of(&self.state.master), of(&self.state.slave)])
    }

    /// Sets the level of line `line`, 0 to 15. Line 2 is the cascade and has no
    /// pin: it is ignored.
    pub fn set_line(&mut self, line: u8, level: bool) {
        match line {
            CASCADE => return,
            0..=7 => self.state.master.set_line(line, level),
            8..=15 => self.state.slave.set_line(line - 8, level),
            _ => return,
        }
        self.settle();
    }

    /// The processor's interrupt acknowledge cycle.
    ///
    /// # Returns
    /// The vector; that of a spurious interrupt if nothing is pending.
    pub fn acknowledge(&mut self) -> Vector {
        let line = self.state.master.acknowledge(self.slave_request);
        let vector = match line {
            Some(CASCADE) if self.cascades() => {
                // The slave answers only to its own identity (ICW3).
                if self.state.slave.cascade & bits::LINE == CASCADE {
                    let line = self.state.slave.acknowledge(0);
                    self.state.slave.vector(line)
                } else {
                    FLOATING
                }
            }
            line => self.state.master.vector(line),
        };
        self.settle();
        Vector(vector)
    }

    /// Reads a register. A poll takes an interrupt, as the chip does.
    pub fn read(&mut self, register: Register) -> u8 {
        let state = &mut self.state;
        match register {
            Register::MasterCommand | Register::MasterData if state.master.poll => {
                let answer = state.master.poll(self.slave_request);
                self.settle();
                answer
            }
            Register::SlaveCommand | Register::SlaveData if state.slave.poll => {
                let answer = state.slave.poll(0);
                self.settle();
                answer
            }
            Register::MasterCommand => state.master.read_command(self.slave_request),
            Register::MasterData => state.master.mask,
            Register::SlaveCommand => state.slave.read_command(0),
            Register::SlaveData => state.slave.mask,
            Register::MasterElcr => state.master.level_triggered,
            Register::SlaveElcr => state.slave.level_triggered,
        }
    }

    /// Writes a register.
    pub fn write(&mut self, register: Register, value: u8) {
        let state = &mut self.state;
        match register {
            Register::MasterCommand => state.master.write_command(value),
            Register::MasterData => state.master.write_data(value),
            Register::SlaveCommand => state.slave.write_command(value),
            Register::SlaveData => state.slave.write_data(value),
            Register::MasterElcr => state.master.level_triggered = value & MASTER_ELCR,
            Register::SlaveElcr => state.slave.level_triggered = value & SLAVE_ELCR,
        }
        self.settle();
    }

    /// Whether the master lets the slave speak.
    fn cascades(&self) -> bool {
        !self.state.master.single && self.state.master.cascade & (1 << CASCADE) != 0
    }

    /// Computes the two INT outputs anew.
    fn settle(&mut self) {
        let slave = self.state.slave.pending(0).is_some();
        self.slave_request = if slave { 1 << CASCADE } else { 0 };
        self.output = self.state.master.pending(self.slave_request).is_some();
    }
}
