//! The end that dequeues.

use core::fmt;

use shmem::{Read, ReadWrite};

use crate::peer::{Culprit, PeerError};

use super::memory::{Header, Shared, Source, Word};
use super::producer::Producer;

/// The consuming end of a serial queue.
///
/// Invariant: `tail` is at most the capacity after `head`, modulo 2^32.
#[derive(Debug)]
pub struct Consumer<M = Shared<Read>> {
    memory: M,
    head: u32,
    /// The producer's index when last accepted.
    tail: u32,
    broken: Option<PeerError>,
}

/// Which of the two queues of a transfer failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferError {
    /// The one that bytes came from.
    Source(PeerError),
    /// The one that bytes went to.
    Sink(PeerError),
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::Source(e) | TransferError::Sink(e) => e.fmt(f),
        }
    }
}

impl<M: Header> Consumer<M> {
    /// Takes the consuming end of a queue as it stands: empty when new, with
    /// bytes in flight after a restart.
    ///
    /// # Errors
    /// The indices are further apart than the capacity.
    pub fn attach(memory: M) -> Result<Self, PeerError> {
        let head = memory.load(Word::Head);
        let mut consumer = Consumer { memory, head, tail: head, broken: None };
        consumer.refresh()?;
        Ok(consumer)
    }

    /// Bytes that the queue can hold.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.memory.capacity()
    }

    /// Bytes that wait to be dequeued.
    ///
    /// # Errors
    /// The producer broke the protocol, now or earlier.
    #[inline]
    pub fn len(&mut self) -> Result<u32, PeerError> {
        self.refresh()?;
        Ok(self.known_len())
    }

    /// Whether nothing waits.
    ///
    /// # Errors
    /// As [`Consumer::len`].
    #[inline]
    pub fn is_empty(&mut self) -> Result<bool, PeerError> {
        Ok(self.len()? == 0)
    }

    /// Gives up to `count` bytes back to the producer, without a look at them.
    /// Ask [`Consumer::producer_waits`] afterwards.
    ///
    /// # Returns
    /// How many it was.
    ///
    /// # Errors
    /// As [`Consumer::len`].
    pub fn consume(&mut self, count: u32) -> Result<u32, PeerError> {
        if self.known_len() < count || self.broken.is_some() {
            self.refresh()?;
        }
        let count = count.min(self.known_len());
        if count > 0 {
            self.advance(count);
        }
        Ok(count)
    }

    /// Whether the producer waits for space and must be notified. To be asked
    /// after every batch: a producer whose wish is overlooked waits for ever.
    #[must_use]
    pub fn producer_waits(&mut self) -> bool {
        // Our index must be visible before the flag is read: else the producer
        // could miss the one while we miss the other.
        self.memory.fence();
        if self.broken.is_some() || self.memory.load(Word::ProducerSignalled) != 0 {
            return false;
        }
        self.memory.store(Word::ProducerSignalled, 1);
        true
    }

    fn known_len(&self) -> u32 {
        self.tail.wrapping_sub(self.head)
    }

    fn advance(&mut self, count: u32) {
        self.head = self.head.wrapping_add(count);
        self.memory.store(Word::Head, self.head);
    }

    /// Reads the producer's index. It may advance as far as there was room.
    fn refresh(&mut self) -> Result<(), PeerError> {
        if let Some(e) = self.broken {
            return Err(e);
        }
        let found = self.memory.load(Word::Tail);
        let room = self.capacity() - self.known_len();
        if found.wrapping_sub(self.tail) > room {
            let e = PeerError { culprit: Culprit::Producer, found, from: self.tail, room };
            self.broken = Some(e);
            return Err(e);
        }
        self.tail = found;
        Ok(())
    }
}

impl<M: Source> Consumer<M> {
    /// Copies out the oldest bytes, as many as there are and fit, and leaves
    /// them in the queue.
    ///
    /// # Returns
    /// How many were copied.
    ///
    /// # Errors
    /// As [`Consumer::len`].
    pub fn peek(&mut self, into: &mut [u8]) -> Result<usize, PeerError> {
        if (self.known_len() as usize) < into.len() || self.broken.is_some() {
            self.refresh()?;
        }
        let count = into.len().min(self.known_len() as usize);
        let (into, _) = into.split_at_mut(count);
        let at = self.head & (self.capacity() - 1);
        let (first, wrapped) = into.split_at_mut(count.min((self.capacity() - at) as usize));
        self.memory.copy_out(at, first);
        if !wrapped.is_empty() {
            self.memory.copy_out(0, wrapped);
        }
        Ok(count)
    }

    /// Takes the oldest bytes, as many as there are and fit. Ask
    /// [`Consumer::producer_waits`] after the last.
    ///
    /// # Returns
    /// How many were taken.
    ///
    /// # Errors
    /// As [`Consumer::len`].
    pub fn dequeue(&mut self, into: &mut [u8]) -> Result<usize, PeerError> {
        let count = self.peek(into)?;
        if count > 0 {
            self.advance(count as u32);
        }
        Ok(count)
    }
}

impl Consumer<Shared<Read>> {
    /// Moves up to `limit` bytes into another queue and publishes them there;
    /// each byte is copied once, from region to region. Notify the sink's
    /// consumer unless it was none, and ask [`Consumer::producer_waits`].
    ///
    /// # Returns
    /// How many were moved: fewer than `limit` if the source holds fewer or
    /// the sink has less room.
    ///
    /// # Errors
    /// Either peer broke its protocol. Nothing was then taken from the source.
    pub fn transfer(
        &mut self,
        sink: &mut Producer<Shared<ReadWrite>>,
        limit: u32,
    ) -> Result<u32, TransferError> {
        let length = self.len().map_err(TransferError::Source)?.min(limit);
        let mut moved = 0;
        // Each side wraps at most once, so three pieces are the most.
        while moved < length {
            let (to, piece) = sink.gap(length - moved).map_err(TransferError::Sink)?;
            let from = self.head.wrapping_add(moved) & (self.capacity() - 1);
            let piece = piece.min(self.capacity() - from);
            if piece == 0 {
                break;
            }
            let copied = sink.memory().data.copy_from(
                to as usize,
                &self.memory.data,
                from as usize,
                piece as usize,
            );
            debug_assert!(copied.is_ok(), "the ends keep to the capacity");
            sink.staged(piece);
            moved += piece;
        }
        if moved > 0 {
            sink.publish();
            self.advance(moved);
        }
        Ok(moved)
    }
}
