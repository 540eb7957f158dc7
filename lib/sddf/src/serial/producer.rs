//! The end that enqueues.

use shmem::ReadWrite;

use crate::peer::{Culprit, PeerError};

use super::memory::{Header, Shared, Sink, Word};

/// Whether a producer may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// There is room now.
    Available,
    /// There is not; the consumer will notify when it has made some.
    Wait,
}

/// The producing end of a serial queue.
///
/// Invariants: `head`, `published` and `tail` follow each other in this order,
/// modulo 2^32, with at most the capacity from first to last.
#[derive(Debug)]
pub struct Producer<M = Shared<ReadWrite>> {
    memory: M,
    /// Staged up to here.
    tail: u32,
    /// Visible to the consumer up to here.
    published: u32,
    /// The consumer's index when last accepted.
    head: u32,
    broken: Option<PeerError>,
}

impl<M: Header> Producer<M> {
    /// Takes the producing end of a queue as it stands: empty when new, with
    /// bytes in flight after a restart.
    ///
    /// # Errors
    /// The indices are further apart than the capacity.
    pub fn attach(memory: M) -> Result<Self, PeerError> {
        let tail = memory.load(Word::Tail);
        let head = memory.load(Word::Head);
        let capacity = memory.capacity();
        if tail.wrapping_sub(head) > capacity {
            return Err(PeerError {
                culprit: Culprit::Consumer,
                found: head,
                from: tail.wrapping_sub(capacity),
                room: capacity,
            });
        }
        memory.store(Word::ProducerSignalled, 1);
        Ok(Producer { memory, tail, published: tail, head, broken: None })
    }

    /// Bytes that the queue can hold.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.memory.capacity()
    }

    /// Bytes for which there is room now.
    ///
    /// # Errors
    /// The consumer broke the protocol, now or earlier.
    #[inline]
    pub fn free(&mut self) -> Result<u32, PeerError> {
        self.refresh()?;
        Ok(self.known_free())
    }

    /// Bytes that the consumer has not taken yet, staged ones included.
    ///
    /// # Errors
    /// As [`Producer::free`].
    pub fn pending(&mut self) -> Result<u32, PeerError> {
        self.refresh()?;
        Ok(self.tail.wrapping_sub(self.head))
    }

    /// Lets the consumer see what was staged. Notify it afterwards.
    #[inline]
    pub fn publish(&mut self) {
        if self.broken.is_none() {
            self.memory.store(Word::Tail, self.tail);
            self.published = self.tail;
        }
    }

    /// Asks the consumer to notify as soon as it takes bytes, unless there is
    /// room for `wanted` bytes (or, if the queue is smaller, for all it holds)
    /// already. A notification means that there may be more room than before,
    /// not that there is enough: ask again.
    ///
    /// # Errors
    /// As [`Producer::free`].
    pub fn wait_for_space(&mut self, wanted: u32) -> Result<Space, PeerError> {
        let wanted = wanted.min(self.capacity());
        if self.free()? >= wanted {
            return Ok(Space::Available);
        }
        self.memory.store(Word::ProducerSignalled, 0);
        // The flag must be visible before the second look: else the consumer
        // could miss the one while we miss its bytes.
        self.memory.fence();
        if self.free()? >= wanted {
            self.memory.store(Word::ProducerSignalled, 1);
            return Ok(Space::Available);
        }
        Ok(Space::Wait)
    }

    fn known_free(&self) -> u32 {
        self.memory.capacity().wrapping_sub(self.tail.wrapping_sub(self.head))
    }

    /// Reads the consumer's index. It may advance up to what was published.
    fn refresh(&mut self) -> Result<(), PeerError> {
        if let Some(e) = self.broken {
            return Err(e);
        }
        let found = self.memory.load(Word::Head);
        let room = self.published.wrapping_sub(self.head);
        if found.wrapping_sub(self.head) > room {
            let e = PeerError { culprit: Culprit::Consumer, found, from: self.head, room };
            self.broken = Some(e);
            return Err(e);
        }
        self.head = found;
        Ok(())
    }
}

impl<M: Sink> Producer<M> {
    /// Copies as many bytes as fit, in order, and publishes them. Notify the
    /// consumer unless it was none.
    ///
    /// # Returns
    /// How many were taken.
    ///
    /// # Errors
    /// As [`Producer::free`].
    pub fn enqueue(&mut self, bytes: &[u8]) -> Result<usize, PeerError> {
        let taken = self.stage(bytes)?;
        if taken > 0 {
            self.publish();
        }
        Ok(taken)
    }

    /// Copies as many bytes as fit without letting the consumer see them
    /// before [`Producer::publish`].
    ///
    /// # Returns
    /// How many were taken.
    ///
    /// # Errors
    /// As [`Producer::free`].
    pub fn stage(&mut self, bytes: &[u8]) -> Result<usize, PeerError> {
        // The index as last seen often suffices; the consumer's cache line is
        // touched only when it does not.
        if (self.known_free() as usize) < bytes.len() || self.broken.is_some() {
            self.refresh()?;
        }
        let count = bytes.len().min(self.known_free() as usize);
        let (bytes, _) = bytes.split_at(count);
        let at = self.tail & (self.capacity() - 1);
        let (first, wrapped) = bytes.split_at(count.min((self.capacity() - at) as usize));
        self.memory.copy_in(at, first);
        if !wrapped.is_empty() {
            self.memory.copy_in(0, wrapped);
        }
        self.tail = self.tail.wrapping_add(count as u32);
        Ok(count)
    }
}

impl Producer<Shared<ReadWrite>> {
    /// Room for bytes that lie in one piece from the place returned on, at
    /// most `length`. For copies straight from another region.
    pub(super) fn gap(&mut self, length: u32) -> Result<(u32, u32), PeerError> {
        if self.known_free() < length || self.broken.is_some() {
            self.refresh()?;
        }
        let at = self.tail & (self.capacity() - 1);
        Ok((at, length.min(self.known_free()).min(self.capacity() - at)))
    }

    pub(super) fn memory(&self) -> &Shared<ReadWrite> {
        &self.memory
    }

    /// Counts bytes that were copied into the gap.
    pub(super) fn staged(&mut self, count: u32) {
        self.tail = self.tail.wrapping_add(count);
    }
}
