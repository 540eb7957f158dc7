//! The serial driver domain without its shell: a 16550 on one side, the two
//! sDDF queues of the virtualiser on the other.
//!
//! Interrupts do all the work. A byte that the virtualiser gives is written at
//! once if the transmitter is empty, else when it interrupts for being empty,
//! sixteen at a time; bytes that arrive are taken when the receiver
//! interrupts. Nothing here waits.
//!
//! `embedded-io`'s `Read` and `Write` are not implemented: they block until a
//! byte has moved, which is what an interrupt-driven domain must never do.
#![no_std]
#![forbid(unsafe_code)]

mod driver;
#[cfg(feature = "io-ports")]
pub mod ports;
pub mod uart;

pub use driver::{Complaint, Counters, Driver, Outcome};
