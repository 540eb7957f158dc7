//! The memory of a queue, as the two ends see it. The traits exist so that the
//! protocol can be model-checked over other memory than [`Shared`].

use shmem::{Read, ReadWrite, Region, Rights};

use super::error::LayoutError;

/// A word of the queue region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Bytes ever enqueued.
    Tail,
    /// Bytes ever dequeued.
    Head,
    /// Zero while the producer waits for space.
    ProducerSignalled,
}

impl Word {
    /// Its offset in the queue region (sDDF 0.7, `struct serial_queue`).
    pub const fn offset(self) -> usize {
        match self {
            Word::Tail => 0,
            Word::Head => 4,
            Word::ProducerSignalled => 8,
        }
    }
}

/// The queue region.
pub trait Header {
    /// Loads a word; for an index, an acquire.
    fn load(&self, word: Word) -> u32;

    /// Stores a word; for an index, a release.
    fn store(&self, word: Word, value: u32);

    /// Keeps earlier stores before later loads.
    fn fence(&self);

    /// Bytes that the data region holds: a power of two up to 2^31.
    fn capacity(&self) -> u32;
}

/// The data region as a consumer sees it.
pub trait Source: Header {
    /// Copies bytes out. `offset + into.len()` is at most the capacity.
    fn copy_out(&self, offset: u32, into: &mut [u8]);
}

/// The data region as a producer sees it.
pub trait Sink: Header {
    /// Copies bytes in. `offset + from.len()` is at most the capacity.
    fn copy_in(&self, offset: u32, from: &[u8]);
}

/// A queue in two shared regions.
///
/// Holding one proves that they have the size and alignment of a queue, not
/// that the indices make sense.
#[derive(Clone, Debug)]
pub struct Shared<R: Rights> {
    tail: shmem::Word32<ReadWrite>,
    head: shmem::Word32<ReadWrite>,
    producer_signalled: shmem::Word32<ReadWrite>,
    pub(super) data: Region<R>,
    capacity: u32,
}

impl<R: Rights> Shared<R> {
    /// A queue over its two regions.
    ///
    /// # Errors
    /// They cannot be one; see [`LayoutError`].
    pub fn new(queue: &Region<ReadWrite>, data: Region<R>) -> Result<Self, LayoutError> {
        let size = data.len();
        let capacity = u32::try_from(size)
            .ok()
            .filter(|c| c.is_power_of_two())
            .ok_or(LayoutError::Capacity { size })?;
        Ok(Shared {
            tail: queue.word32(Word::Tail.offset())?,
            head: queue.word32(Word::Head.offset())?,
            producer_signalled: queue.word32(Word::ProducerSignalled.offset())?,
            data,
            capacity,
        })
    }

    fn word(&self, word: Word) -> &shmem::Word32<ReadWrite> {
        match word {
            Word::Tail => &self.tail,
            Word::Head => &self.head,
            Word::ProducerSignalled => &self.producer_signalled,
        }
    }
}

impl<R: Rights> Header for Shared<R> {
    #[inline]
    fn load(&self, word: Word) -> u32 {
        self.word(word).load()
    }

    #[inline]
    fn store(&self, word: Word, value: u32) {
        self.word(word).store(value);
    }

    #[inline]
    fn fence(&self) {
        shmem::fence();
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.capacity
    }
}

impl Source for Shared<Read> {
    #[inline]
    fn copy_out(&self, offset: u32, into: &mut [u8]) {
        let copied = self.data.read(offset as usize, into);
        debug_assert!(copied.is_ok(), "the ends keep to the capacity");
    }
}

impl Sink for Shared<ReadWrite> {
    #[inline]
    fn copy_in(&self, offset: u32, from: &[u8]) {
        let copied = self.data.write(offset as usize, from);
        debug_assert!(copied.is_ok(), "the ends keep to the capacity");
    }
}
