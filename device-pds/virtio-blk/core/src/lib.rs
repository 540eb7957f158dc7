//! A driver of virtio disks (virtio 1.2, 5.2).
//!
//! Its queue, its memory and the device's registers are `virtio-hal`'s; here is what
//! a request is, and which comes next. Not here: PCI, channels, regions' symbols.
//! Nothing has a time limit: virtio gives a device as long as it wants, and a request
//! that it never answers keeps its place.
//!
//! What surprises: the device never sees a client's memory. It reads and writes
//! copies in the driver's own region, so what it is told of, and could misuse, is
//! that alone. Each byte is copied twice for it (see `virtio-hal`).
#![no_std]
#![forbid(unsafe_code)]

mod bits;
mod driver;

pub use bits::HEADER;
pub use driver::{BUFFER, CHUNK, Driver, Memory, RING_PAGES, SLOTS, Trouble, Turn};
