//! What can be wrong with the regions of a queue.

use core::fmt;

use shmem::WordError;

/// The regions that the system description gave cannot be a queue. The fault
/// is the description's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutError {
    /// The queue region does not hold the three words.
    Queue(WordError),
    /// The data region's size is not a power of two up to 2^31; give it one.
    Capacity {
        /// Its size in bytes.
        size: usize,
    },
}

impl From<WordError> for LayoutError {
    fn from(e: WordError) -> Self {
        LayoutError::Queue(e)
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Queue(e) => write!(f, "the region cannot hold a serial queue: {e}"),
            LayoutError::Capacity { size } => {
                write!(
                    f,
                    "the data region of a serial queue has {size:#x} bytes, which is not a power of two up to 2^31"
                )
            }
        }
    }
}
