//! The end that dequeues.

use super::memory::{Index, Memory};
use crate::peer::{Culprit, PeerError};

/// The consuming end of a ring.
///
/// Invariant: `head`, `next` and `tail` follow each other in this order, modulo
/// the width of an index, with at most the capacity from first to last.
#[derive(Debug)]
pub struct Consumer<M> {
    memory: M,
    /// Given back up to here.
    head: u32,
    /// Taken up to here.
    next: u32,
    /// The producer's index when last accepted.
    tail: u32,
    broken: Option<PeerError>,
}

impl<M: Memory> Consumer<M> {
    /// Takes the consuming end of a ring as it stands: empty when new; after a
    /// restart with all that the predecessor did not give back.
    ///
    /// # Errors
    /// The indices are further apart than the capacity.
    pub fn attach(memory: M) -> Result<Self, PeerError> {
        let head = memory.load(Index::Head);
        let mut consumer = Consumer { memory, head, next: head, tail: head, broken: None };
        consumer.refresh()?;
        Ok(consumer)
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

    /// The index of the oldest entry that was not given back.
    #[inline]
    pub fn head(&self) -> u32 {
        self.head
    }

    /// The index of the entry that [`Consumer::take`] would return next.
    #[inline]
    pub fn next_index(&self) -> u32 {
        self.next
    }

    /// Entries that were not taken yet.
    ///
    /// # Errors
    /// The producer broke the protocol, now or earlier.
    #[inline]
    pub fn len(&mut self) -> Result<u32, PeerError> {
        self.refresh()?;
        Ok(self.known_len())
    }

    /// Whether everything was taken.
    ///
    /// # Errors
    /// As [`Consumer::len`].
    #[inline]
    pub fn is_empty(&mut self) -> Result<bool, PeerError> {
        Ok(self.len()? == 0)
    }

    /// Copies out the oldest entry not taken yet. Its slot stays ours until
    /// [`Consumer::release`].
    ///
    /// # Errors
    /// As [`Consumer::len`].
    pub fn take(&mut self) -> Result<Option<M::Entry>, PeerError> {
        if self.known_len() == 0 || self.broken.is_some() {
            self.refresh()?;
            if self.known_len() == 0 {
                return Ok(None);
            }
        }
        let entry = self.memory.read(self.next & (self.capacity() - 1));
        self.next = self.next.wrapping_add(1) & M::MASK;
        Ok(Some(entry))
    }

    /// Gives back the oldest `count` of what was taken, or all of it if that is
    /// less.
    ///
    /// # Returns
    /// Whether there was anything.
    pub fn release(&mut self, count: u32) -> bool {
        let count = count.min(self.held());
        if count == 0 || self.broken.is_some() {
            return false;
        }
        self.head = self.head.wrapping_add(count) & M::MASK;
        self.memory.store(Index::Head, self.head);
        true
    }

    /// Entries that were taken and not given back.
    #[inline]
    pub fn held(&self) -> u32 {
        self.next.wrapping_sub(self.head) & M::MASK
    }

    fn known_len(&self) -> u32 {
        self.tail.wrapping_sub(self.next) & M::MASK
    }

    /// Reads the producer's index. It may advance as far as there was room.
    fn refresh(&mut self) -> Result<(), PeerError> {
        if let Some(e) = self.broken {
            return Err(e);
        }
        let found = self.memory.load(Index::Tail);
        let used = self.tail.wrapping_sub(self.head) & M::MASK;
        let room = self.capacity().wrapping_sub(used);
        if found.wrapping_sub(self.tail) & M::MASK > room {
            let e = PeerError { culprit: Culprit::Producer, found, from: self.tail, room };
            self.broken = Some(e);
            return Err(e);
        }
        self.tail = found;
        Ok(())
    }
}
