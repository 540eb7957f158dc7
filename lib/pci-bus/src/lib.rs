//! What the PCI domain and drivers share: where a device is, the word by which a
//! driver learns that its device is set up, and where a virtio device's structures
//! are.
//!
//! Not here: configuration space, which only the domain `pci` reaches. A driver
//! never waits in a loop: while the word says nothing it waits for a notification.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod place;
mod status;
pub mod virtio;

pub use place::Place;
pub use status::{Refusal, Status, StatusSink, StatusSource};
