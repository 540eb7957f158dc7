//! A driver of the 82540EM ("e1000"), as Bochs and QEMU emulate it and many old
//! cards are.
//!
//! Not here: PCI, channels, regions' symbols. No offloads, no frames longer than
//! 1,518 bytes, no VLAN tags: what sDDF's queue cannot carry.
//!
//! What surprises: the card receives everything there is (it is promiscuous), for
//! its clients have addresses of their own and the virtualiser is a switch. And the
//! driver does not map frames: buffers are I/O addresses, which the queue's end
//! holds against the driver's own configuration.
#![no_std]
#![forbid(unsafe_code)]

mod bits;
mod driver;
mod ring;

pub use bits::Register;
pub use driver::{Driver, Network, StartError, Turn};
pub use ring::{RING, RINGS_SIZE, RingError, Rings};

/// The card's registers.
pub trait Registers {
    /// Reads one.
    fn read(&mut self, register: Register) -> u32;
    /// Writes one.
    fn write(&mut self, register: Register, value: u32);
}
