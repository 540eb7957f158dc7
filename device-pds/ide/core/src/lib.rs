//! A driver of a disk on a PIIX's IDE channel, device 0, by bus-master DMA.
//!
//! Not here: ports, channels, regions' symbols. Timing modes neither: the firmware
//! has set them. One command at a time; the channel knows no more.
//!
//! What surprises: the driver does not map the data that it moves. A request names
//! an I/O address, which is held against the regions of the driver's own
//! configuration and then goes to the controller as it is.
//!
//! Nothing waits in a loop for the device: every step that takes time has a
//! deadline, and the caller is told when to look again.
#![no_std]
#![forbid(unsafe_code)]

mod bits;
mod channel;
mod driver;
mod identify;
mod table;

use deadline::{Frequency, Tsc};

pub use bits::Register;
pub use channel::Failure;
pub use driver::{Driver, Trouble, Turn};
pub use table::{Table, TableError};

/// The controller's ports, and the time.
pub trait Ports {
    /// Reads a register of 8 bits.
    fn read(&mut self, register: Register) -> u8;
    /// Writes one.
    fn write(&mut self, register: Register, value: u8);
    /// Reads the data register, 16 bits.
    fn read_data(&mut self) -> u16;
    /// Tells the bus master where the table is.
    fn write_table(&mut self, address: u32);
    /// What time it is.
    fn now(&mut self) -> Tsc;
}

/// Durations in ticks of a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub Frequency);

impl Clock {
    /// So many microseconds later.
    fn after(self, from: Tsc, microseconds: u64) -> Tsc {
        // A frequency of 2^37 at most, times 31 s in microseconds, is below 2^62.
        let ticks = self.0.hz().saturating_mul(microseconds) / 1_000_000;
        Tsc(from.0.saturating_add(ticks))
    }
}
