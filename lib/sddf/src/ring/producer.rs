//! The end that enqueues.

use super::memory::{Index, Memory};
use crate::peer::{Culprit, PeerError};

/// The producing end of a ring.
///
/// Invariants: `head`, `published` and `tail` follow each other in this order,
/// modulo the width of an index, with at most the capacity from first to last.
#[derive(Debug)]
pub struct Producer<M> {
    memory: M,
    /// Staged up to here.
    tail: u32,
    /// Visible to the consumer up to here.
    published: u32,
    /// The consumer's index when last accepted.
    head: u32,
    broken: Option<PeerError>,
}

impl<M: Memory> Producer<M> {
    /// Takes the producing end of a ring as it stands: empty when new, with
    /// entries in flight after a restart.
    ///
    /// # Errors
    /// The indices are further apart than the capacity.
    pub fn attach(memory: M) -> Result<Self, PeerError> {
        let tail = memory.load(Index::Tail);
        let head = memory.load(Index::Head);
        let capacity = memory.capacity();
        if tail.wrapping_sub(head) & M::MASK > capacity {
            return Err(PeerError {
                culprit: Culprit::Consumer,
                found: head,
                from: tail.wrapping_sub(capacity) & M::MASK,
                room: capacity,
            });
        }
        Ok(Producer { memory, tail, published: tail, head, broken: None })
    }

    /// The ring's memory, for the words beside its indices.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Entries that the ring can hold.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.memory.capacity()
    }

    /// The index that the next entry will have.
    #[inline]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Entries for which there is room now.
    ///
    /// # Errors
    /// The consumer broke the protocol, now or earlier.
    #[inline]
    pub fn free(&mut self) -> Result<u32, PeerError> {
        self.refresh()?;
        Ok(self.known_free())
    }

    /// Puts an entry into the ring, unseen by the consumer before
    /// [`Producer::publish`].
    ///
    /// # Returns
    /// Whether there was room.
    ///
    /// # Errors
    /// As [`Producer::free`].
    pub fn stage(&mut self, entry: &M::Entry) -> Result<bool, PeerError> {
        // The index as last seen often suffices; the consumer's cache line is
        // touched only when it does not.
        if self.known_free() == 0 || self.broken.is_some() {
            self.refresh()?;
            if self.known_free() == 0 {
                return Ok(false);
            }
        }
        self.memory.write(self.tail & (self.capacity() - 1), entry);
        self.tail = self.tail.wrapping_add(1) & M::MASK;
        Ok(true)
    }

    /// Lets the consumer see what was staged.
    ///
    /// # Returns
    /// Whether there was anything.
    pub fn publish(&mut self) -> bool {
        if self.broken.is_some() || self.published == self.tail {
            return false;
        }
        self.memory.store(Index::Tail, self.tail);
        self.published = self.tail;
        true
    }

    fn known_free(&self) -> u32 {
        self.memory.capacity().wrapping_sub(self.tail.wrapping_sub(self.head) & M::MASK)
    }

    /// Reads the consumer's index. It may advance up to what was published.
    fn refresh(&mut self) -> Result<(), PeerError> {
        if let Some(e) = self.broken {
            return Err(e);
        }
        let found = self.memory.load(Index::Head);
        let room = self.published.wrapping_sub(self.head) & M::MASK;
        if found.wrapping_sub(self.head) & M::MASK > room {
            let e = PeerError { culprit: Culprit::Consumer, found, from: self.head, room };
            self.broken = Some(e);
            return Err(e);
        }
        self.head = found;
        Ok(())
    }
}
