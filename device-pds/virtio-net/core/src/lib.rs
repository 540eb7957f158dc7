//! A driver of virtio network cards (virtio 1.2, 5.1).
//!
//! Its queues, its memory and the device's registers are `virtio-hal`'s; here is what
//! a frame is, and which goes where. Not here: PCI, channels, regions' symbols. No
//! offloads, no frames longer than 1,518 bytes, no VLAN tags: what sDDF's queue cannot
//! carry.
//!
//! What surprises: the device receives everything there is. A driver that does not
//! ask for filters (`VIRTIO_NET_F_CTRL_RX`) gets none in QEMU; a device that filters
//! all the same serves its own address only. And it never sees a client's memory: it
//! has copies in the driver's own region, so a frame that is sent can be given back
//! as soon as it is copied.
#![no_std]
#![forbid(unsafe_code)]

mod bits;
mod driver;

pub use bits::HEADER;
pub use driver::{BUFFER, Buffers, Driver, EACH, Network, RING_PAGES, Trouble, Turn};
