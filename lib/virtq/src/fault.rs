//! How a driver can break a queue.

use core::fmt;

use crate::memory::Outside;

/// The guest's driver broke a rule of the queue: it is defective or hostile. The
/// queue is closed, its device needs a reset. Sections are those of virtio 1.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The available ring's index went back, or so far ahead that more chains would
    /// be in the device's hands than the queue has entries (2.7.6.1, 2.7.13.3.1).
    Index {
        /// The index found.
        found: u16,
        /// The index last accepted.
        from: u16,
        /// By how much it could advance.
        room: u16,
    },
    /// An entry of the available ring names a descriptor beyond the table (2.7.6).
    Head(u16),
    /// A descriptor's `next` is beyond its table (2.7.5, 2.7.5.3).
    Next(u16),
    /// A chain is longer than the queue, as one that loops is (2.7.5.2, 2.7.5.3.1).
    TooLong {
        /// Descriptors that a chain may have: the queue's size.
        most: u16,
    },
    /// A chain has more buffers than the device takes, though the queue has room for
    /// them. The device tells its limit in its configuration space (`seg_max`).
    TooManyParts {
        /// What the device takes.
        most: u16,
    },
    /// A buffer that the device may only read follows one that it may write (2.7.4.2).
    ReadableAfterWritable,
    /// A buffer of no bytes. The specification has no use for one; other devices
    /// refuse it too.
    Empty,
    /// A buffer is not all RAM (2.7.5: `addr` is guest-physical memory).
    Buffer(Outside),
    /// A chain of 2^32 bytes or more (2.7.5.2).
    TooManyBytes,
    /// An indirect table without `VIRTIO_F_INDIRECT_DESC` (2.7.5.3.1).
    IndirectNotNegotiated,
    /// An indirect table in an indirect table (2.7.5.3.1).
    IndirectNested,
    /// A descriptor with both `INDIRECT` and `NEXT` (2.7.5.3.1).
    IndirectWithNext,
    /// The length of an indirect table is no multiple of 16, zero, or more than the
    /// 2^16 entries that `next` can reach (2.7.5.3).
    IndirectSize(u32),
    /// An indirect table is not all RAM (2.7.5.3).
    IndirectTable(Outside),
    /// An area of the queue is not RAM any more. It was when the queue was made: the
    /// culprit is whoever changed the guest's memory.
    Area(Outside),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Index { found, from, room } => write!(
                f,
                "the available index {found:#x} is not within {room} after {from:#x} (virtio 1.2, 2.7.6.1)"
            ),
            Fault::Head(head) => {
                write!(
                    f,
                    "the available ring names descriptor {head}, which there is not (virtio 1.2, 2.7.6)"
                )
            }
            Fault::Next(next) => {
                write!(f, "a descriptor's next is {next}, beyond its table (virtio 1.2, 2.7.5)")
            }
            Fault::TooLong { most } => write!(
                f,
                "a descriptor chain is longer than the queue's {most} or loops (virtio 1.2, 2.7.5.2)"
            ),
            Fault::TooManyParts { most } => {
                write!(
                    f,
                    "a descriptor chain has more than the {most} buffers that the device takes"
                )
            }
            Fault::ReadableAfterWritable => {
                write!(f, "a buffer to be read follows one to be written (virtio 1.2, 2.7.4.2)")
            }
            Fault::Empty => write!(f, "a buffer has no bytes"),
            Fault::Buffer(e) => write!(f, "a buffer: {e} (virtio 1.2, 2.7.5)"),
            Fault::TooManyBytes => {
                write!(f, "a descriptor chain has 2^32 bytes or more (virtio 1.2, 2.7.5.2)")
            }
            Fault::IndirectNotNegotiated => {
                write!(f, "an indirect table that was not negotiated (virtio 1.2, 2.7.5.3.1)")
            }
            Fault::IndirectNested => {
                write!(f, "an indirect table within another (virtio 1.2, 2.7.5.3.1)")
            }
            Fault::IndirectWithNext => {
                write!(f, "a descriptor is indirect and has a next one (virtio 1.2, 2.7.5.3.1)")
            }
            Fault::IndirectSize(length) => write!(
                f,
                "an indirect table of {length:#x} bytes is not 1 to 65536 descriptors (virtio 1.2, 2.7.5.3)"
            ),
            Fault::IndirectTable(e) => write!(f, "an indirect table: {e} (virtio 1.2, 2.7.5.3)"),
            Fault::Area(e) => write!(f, "an area of the queue: {e}, but it was when it was made"),
        }
    }
}

impl core::error::Error for Fault {}
