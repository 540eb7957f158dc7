//! What the slots hold.

use shmem::{ReadWrite, Region, Word16};

use crate::ring::{Layout, Shared};

/// Bytes of a buffer (sDDF 0.7, `NET_BUFFER_SIZE`).
pub const BUFFER_SIZE: usize = 2048;

/// A slot: any value in any field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Where the buffer begins: an offset, or an I/O address.
    pub buffer: u64,
    /// Bytes of the frame in it.
    pub length: u16,
}

/// The layout of `struct net_queue`.
#[derive(Debug)]
pub enum NetLayout {}

impl Layout for NetLayout {
    type Entry = Descriptor;
    type Word = Word16<ReadWrite>;
    const TAIL: usize = 0;
    const HEAD: usize = 2;
    const SLOTS: usize = 8;
    const STRIDE: usize = 16;

    // A slot lies within the region of the slots, so no access fails.
    fn read(slots: &Region<ReadWrite>, at: usize) -> Descriptor {
        Descriptor {
            buffer: slots.read_u64(at).unwrap_or_default(),
            length: slots.read_u16(at + 8).unwrap_or_default(),
        }
    }

    fn write(slots: &Region<ReadWrite>, at: usize, entry: &Descriptor) {
        let written = slots
            .write_u64(at, entry.buffer)
            .and_then(|()| slots.write_u16(at + 8, entry.length))
            .and_then(|()| slots.write_u8(at + 10, 0));
        debug_assert!(written.is_ok(), "the ends keep to the capacity");
    }
}

/// The slots of a connection whose rings lie in regions of these sizes: as many
/// as both hold, a power of two.
pub const fn capacity(free: usize, active: usize) -> u32 {
    let (free, active) = (Shared::<NetLayout>::fitting(free), Shared::<NetLayout>::fitting(active));
    if free < active { free } else { active }
}
