//! System control port B (Intel 82371AB PIIX4, 290562-001, 4.2.5.1), port 0x61:
//! counter 2's gate and output, and the refresh toggle that old software times
//! itself by. There is no speaker.

use serde::{Deserialize, Serialize};

use super::Pit;
use super::bits::{REFRESH_PERIODS, port_b};
use crate::types::Ticks;

/// The port. It is its own snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SystemControlB {
    written: u8,
}

impl SystemControlB {
    /// After power-up: gate low.
    pub const fn new() -> Self {
        SystemControlB { written: 0 }
    }

    /// Reads the port.
    pub fn read(&self, pit: &mut Pit, now: Ticks) -> u8 {
        let refreshes = pit.clock(now).unsigned_abs() / REFRESH_PERIODS;
        let refresh = if refreshes & 1 != 0 { port_b::REFRESH } else { 0 };
        let output = if pit.output_2(now) { port_b::OUTPUT_2 } else { 0 };
        self.written & port_b::WRITABLE | refresh | output
    }

    /// Writes the port.
    pub fn write(&mut self, pit: &mut Pit, value: u8, now: Ticks) {
        self.written = value & port_b::WRITABLE;
        pit.set_gate_2(value & port_b::GATE_2 != 0, now);
    }
}
