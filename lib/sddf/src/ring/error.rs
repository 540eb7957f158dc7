//! Why a region cannot be a ring. The fault is the description's.

use core::fmt;

use shmem::WordError;

/// The region that the system description gave cannot hold the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutError {
    /// Its header does not fit or is not aligned.
    Header(WordError),
    /// The number of slots is not a power of two that the indices can count.
    Capacity {
        /// The number wanted.
        slots: u32,
        /// The most that the indices can tell apart.
        most: u32,
    },
    /// The slots do not fit.
    Size {
        /// Bytes of the region.
        size: usize,
        /// The number wanted.
        slots: u32,
        /// Bytes that they need, the header included.
        needed: usize,
    },
}

impl From<WordError> for LayoutError {
    fn from(e: WordError) -> Self {
        LayoutError::Header(e)
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Header(e) => write!(f, "the region cannot hold a queue: {e}"),
            LayoutError::Capacity { slots, most } => {
                write!(f, "a queue of {slots} slots: it must be a power of two up to {most}")
            }
            LayoutError::Size { size, slots, needed } => write!(
                f,
                "a queue of {slots} slots takes {needed:#x} bytes, and its region has {size:#x}; make the region larger"
            ),
        }
    }
}
