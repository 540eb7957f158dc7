//! The device's side of split virtqueues (virtio 1.2, 2.7), with indirect
//! descriptors and the event index, against a driver that may do anything.
//!
//! A [`QueueConfig`] is what the driver wrote into the transport's registers;
//! only [`QueueConfig::activate`] makes a [`Queue`], so there is none that was
//! not checked. [`Queue::pop`] copies one descriptor chain out of the guest's
//! memory, each descriptor once, and checks the copy: what a [`Chain`] says
//! holds whatever the driver writes afterwards. A breach of the specification is
//! a [`Fault`] that cites its section; the queue is then closed for good, and the
//! device is to say `DEVICE_NEEDS_RESET` (2.1.1).
//!
//! The surprising fact: a driver that reuses descriptors which the device still
//! has is not found out unless it hands out more chains than the queue has
//! entries. It hurts only its own buffers, and to notice would cost a table of
//! all descriptors in flight.
//!
//! Not here: packed queues, what a buffer means, registers, interrupts. Nothing
//! here panics on a driver's input; all loops end at the queue's size.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "testing")]
extern crate std;

mod chain;
mod config;
mod fault;
mod memory;
mod parts;
mod queue;
#[cfg(feature = "testing")]
pub mod testing;

pub use chain::{Chain, Head};
pub use config::{Area, ConfigError, Features, QueueConfig, SIZE_MAX};
pub use fault::Fault;
pub use memory::{Memory, Outside};
pub use parts::{Part, Parts};
pub use queue::{Pending, Queue};
