//! What drivers of virtio devices stand on: the crate `virtio-drivers`, whose queues
//! and negotiation these are, held to what this system grants a driver.
//!
//! - A [`Pool`] is the one region that the device reads and writes. Rings are in it,
//!   and a copy of every buffer that the device has: the crate wants slices, and no
//!   slice may be memory that somebody else writes. So each byte is copied twice.
//! - A [`Queue`] owns the buffers that the device has and checks what it says of
//!   them: a chain that it does not have, more bytes than it was given, a word that
//!   changes between two looks. That is a [`Lie`], and the queue is done with.
//! - A [`Transport`] is the device's registers, at the places that the domain `pci`
//!   found, each within the region that the driver was granted.
//!
//! The surprising fact: of the crate's own device drivers none is used. Its disk can
//! be flushed only by looking at the used ring until the device has answered, which
//! a device need never do. What is above the queues is small: a header.
//!
//! Two things that the crate does not do are done here. Between an entry that is
//! made available and the look whether the device wants to hear of it there must be
//! a fence (virtio 1.2, 2.7.13.4.1), or both sides wait. And a device is reset, and
//! asked whether it is, before anything else (3.1.1).
//!
//! What the crate does that cannot be helped from here: it reads the used ring with
//! plain loads, which race with the device. Each value is checked after it was read,
//! so a torn or stale one is at most a [`Lie`].
//!
//! Not here: what a request means, interrupts, channels. Nothing waits for the
//! device but its reset, which has a limit.
#![no_std]

#[cfg(any(test, feature = "testing"))]
extern crate std;

mod pool;
mod queue;
mod start;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;

pub use pool::{Bounce, Buffer, Pool, PoolError, Pooled};
pub use queue::{Done, Lie, Queue, Rejected};
pub use start::{StartError, VERSION_1, begin, finish, stop};
pub use transport::{Registers, Transport};
pub use virtio_drivers::{
    Error as CrateError,
    transport::{DeviceStatus, DeviceType, InterruptStatus},
};
