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

/// Why an end of a pair of rings cannot be attached. `B` is what the protocol
/// calls a breach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachError<B> {
    /// The rings differ in capacity, or have more slots than this end keeps
    /// account of. The fault is the description's.
    Capacity {
        /// Slots of the ring that this end fills.
        out: u32,
        /// Slots of the ring that this end empties.
        back: u32,
        /// The most that this end keeps account of.
        most: u32,
    },
    /// A region cannot hold its ring. The fault is the description's.
    Layout(LayoutError),
    /// The peer left rings that make no sense.
    Breach(B),
}

impl<B> AttachError<B> {
    /// The same in the words of another protocol.
    pub fn map<C>(self, breach: impl FnOnce(B) -> C) -> AttachError<C> {
        match self {
            AttachError::Capacity { out, back, most } => AttachError::Capacity { out, back, most },
            AttachError::Layout(e) => AttachError::Layout(e),
            AttachError::Breach(b) => AttachError::Breach(breach(b)),
        }
    }
}

impl<B> From<B> for AttachError<B> {
    fn from(breach: B) -> Self {
        AttachError::Breach(breach)
    }
}

impl<B: fmt::Display> fmt::Display for AttachError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::Capacity { out, back, most } => write!(
                f,
                "a pair of queues of {out} and {back} slots: they must be equal and at most {most}; size their regions alike"
            ),
            AttachError::Layout(e) => e.fmt(f),
            AttachError::Breach(e) => e.fmt(f),
        }
    }
}
