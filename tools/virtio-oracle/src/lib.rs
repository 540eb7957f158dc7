//! Somebody else's virtio drivers, those of the crate `virtio-drivers`, on the VMM's
//! own devices: what both sides were written for without knowing each other must fit.
//!
//! A [`Machine`] has devices behind PCI, as a guest finds them: through configuration
//! space, capabilities and registers. The guest's memory is a region of this process;
//! what serves the devices outside is a [`Peer`] of the test's.
//!
//! What surprises: the crate's drivers wait for a device by looking, and nobody else
//! runs. So the machine does all that a notification brings about, until nobody has
//! anything left, before the notification's write returns.

mod machine;
mod memory;
pub mod peers;

pub use machine::{Machine, Peer, Registers};
pub use memory::GuestHal;

/// The transport of a device of ours.
pub type Transport = virtio_hal::Transport<Registers>;
