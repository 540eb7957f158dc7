//! The end of a pair of rings that takes entries from one and gives back one
//! entry for each in the other.
//!
//! Entries are given back in the order in which they were taken, and a slot is
//! released only once its answer is published. So whoever attaches again finds
//! exactly the entries that were not answered, and nothing else has to be
//! remembered anywhere.

use super::consumer::Consumer;
use super::error::AttachError;
use super::memory::Memory;
use super::producer::Producer;
use crate::peer::PeerError;

/// The peer of an exchange broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// By an index of the ring that entries come in by.
    Incoming(PeerError),
    /// By an index of the ring that they leave by.
    Outgoing(PeerError),
    /// The rings disagree on what was answered: one was written by the wrong
    /// side.
    Unbalanced {
        /// Entries that the one ring says are outstanding.
        outstanding: u32,
        /// The most that there can be.
        most: u32,
    },
}

/// The obligation to answer an entry, once.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Turn(u32);

/// The answering end of two rings of at most `N` slots each.
#[derive(Debug)]
pub struct Exchange<const N: usize, Q: Memory, A: Memory> {
    incoming: Consumer<Q>,
    outgoing: Producer<A>,
    /// Answers by index, modulo `N`; of meaning between the incoming ring's head
    /// and next index.
    answers: [Option<A::Entry>; N],
    broken: Option<Lie>,
}

impl<const N: usize, Q: Memory, A: Memory> Exchange<N, Q, A> {
    const SLOTS: () = assert!(N.is_power_of_two(), "an index wraps where its slot does");

    /// Takes the answering end of two rings as they stand. What a predecessor
    /// left unanswered is taken again.
    ///
    /// # Errors
    /// They differ in capacity or have more than `N` slots, or what they hold
    /// makes no sense.
    pub fn attach(incoming: Q, outgoing: A) -> Result<Self, AttachError<Lie>> {
        const { Self::SLOTS };
        let (taking, giving) = (incoming.capacity(), outgoing.capacity());
        if taking != giving || taking as usize > N {
            let most = N as u32;
            return Err(AttachError::Capacity { out: giving, back: taking, most });
        }
        let mut incoming = Consumer::attach(incoming).map_err(Lie::Incoming)?;
        let outgoing = Producer::attach(outgoing).map_err(Lie::Outgoing)?;
        // Whoever failed between publishing answers and releasing their slots
        // left entries that are answered already.
        let done = outgoing.tail().wrapping_sub(incoming.head()) & Q::MASK & A::MASK;
        let waiting = incoming.len().map_err(Lie::Incoming)?;
        if done > waiting {
            return Err(Lie::Unbalanced { outstanding: done, most: waiting }.into());
        }
        for _ in 0..done {
            incoming.take().map_err(Lie::Incoming)?;
        }
        incoming.release(done);
        Ok(Exchange { incoming, outgoing, answers: [None; N], broken: None })
    }

    /// The ring that entries come in by.
    pub fn incoming(&self) -> &Q {
        self.incoming.memory()
    }

    /// The ring that they leave by.
    pub fn outgoing(&self) -> &A {
        self.outgoing.memory()
    }

    /// Slots of each ring.
    pub fn capacity(&self) -> u32 {
        self.incoming.capacity()
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// The peer broke the protocol, now or earlier.
    pub fn take(&mut self) -> Result<Option<(Turn, Q::Entry)>, Lie> {
        self.unbroken()?;
        let index = self.incoming.next_index();
        match self.incoming.take() {
            Ok(Some(entry)) => {
                *self.answer_at(index) = None;
                Ok(Some((Turn(index), entry)))
            }
            Ok(None) => Ok(None),
            Err(e) => Err(self.fail(Lie::Incoming(e))),
        }
    }

    /// Answers an entry. The peer sees it at a later [`Exchange::publish`].
    pub fn answer(&mut self, turn: Turn, answer: A::Entry) {
        *self.answer_at(turn.0) = Some(answer);
    }

    /// Lets the peer see the answers whose turn it is. To be called after every
    /// batch, and when the peer notifies.
    ///
    /// # Returns
    /// Whether there were any.
    ///
    /// # Errors
    /// As [`Exchange::take`].
    pub fn publish(&mut self) -> Result<bool, Lie> {
        self.unbroken()?;
        let mut count = 0;
        while count < self.incoming.held() {
            let Some(answer) = *self.answer_at(self.incoming.head().wrapping_add(count)) else {
                break;
            };
            // No room: the peer takes no answers. It will notify if it does.
            match self.outgoing.stage(&answer) {
                Ok(true) => count += 1,
                Ok(false) => break,
                Err(e) => return Err(self.fail(Lie::Outgoing(e))),
            }
        }
        let published = self.outgoing.publish();
        self.incoming.release(count);
        Ok(published)
    }

    /// Entries that were taken and whose answers the peer has not seen.
    pub fn held(&self) -> u32 {
        self.incoming.held()
    }

    /// Whether there is an entry to take.
    ///
    /// # Errors
    /// As [`Exchange::take`].
    pub fn has_more(&mut self) -> Result<bool, Lie> {
        self.unbroken()?;
        match self.incoming.is_empty() {
            Ok(empty) => Ok(!empty),
            Err(e) => Err(self.fail(Lie::Incoming(e))),
        }
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Lie> {
        self.broken
    }

    fn answer_at(&mut self, index: u32) -> &mut Option<A::Entry> {
        // `N` is a power of two, so the mask keeps the index in range, and no
        // larger than what the indices count.
        &mut self.answers[index as usize & (N - 1)]
    }

    fn unbroken(&self) -> Result<(), Lie> {
        match self.broken {
            Some(lie) => Err(lie),
            None => Ok(()),
        }
    }

    fn fail(&mut self, lie: Lie) -> Lie {
        self.broken = Some(lie);
        lie
    }
}
