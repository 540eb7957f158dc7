//! The end that answers.

use super::error::{AttachError, Breach};
use super::wire::{Operation, RawRequest, RawResponse, Request, Status, capacity};
use super::{Requests, Responses};
use crate::ring::{Consumer, Memory, Producer};
use shmem::{ReadWrite, Region};

/// The obligation to answer a request, once.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Ticket {
    /// The request's index in its ring.
    index: u32,
}

/// What became of a request that was taken.
#[derive(Clone, Copy, Debug)]
enum Taken {
    /// It is worked on.
    Pending,
    /// Its answer waits for its turn.
    Answered { status: Status, done: u16 },
}

/// The answering end of a connection of at most `N` slots. It may answer in any
/// order; the client sees the answers in the order of its requests (see the
/// module's head on restarts).
#[derive(Debug)]
pub struct Server<const N: usize, Q = Requests, A = Responses> {
    requests: Consumer<Q>,
    responses: Producer<A>,
    /// By index, modulo `N`; of meaning between the ring's head and next index.
    taken: [(u32, Taken); N],
    /// Requests answered without a look at what they wanted, ever.
    refused: u64,
    broken: Option<Breach>,
}

impl<const N: usize> Server<N> {
    /// Attaches to the rings in two regions, with as many slots as both hold.
    ///
    /// # Errors
    /// As [`Server::attach`].
    pub fn new(
        requests: &Region<ReadWrite>,
        responses: &Region<ReadWrite>,
    ) -> Result<Self, AttachError> {
        let slots = capacity(requests.len(), responses.len());
        Server::attach(Requests::new(requests, slots)?, Responses::new(responses, slots)?)
    }
}

impl<const N: usize, Q, A> Server<N, Q, A>
where
    Q: Memory<Entry = RawRequest>,
    A: Memory<Entry = RawResponse>,
{
    const SLOTS: () = assert!(N.is_power_of_two(), "an index wraps where its slot does");

    /// Takes the answering end of two rings as they stand. What a predecessor
    /// left unanswered is taken again.
    ///
    /// # Errors
    /// They differ in capacity or have more than `N` slots, or what they hold
    /// makes no sense.
    pub fn attach(requests: Q, responses: A) -> Result<Self, AttachError> {
        const { Self::SLOTS };
        let (asked, answered) = (requests.capacity(), responses.capacity());
        if asked != answered || asked as usize > N {
            let most = N as u32;
            return Err(AttachError::Capacity { requests: asked, responses: answered, most });
        }
        let mut requests = Consumer::attach(requests).map_err(Breach::Requests)?;
        let responses = Producer::attach(responses).map_err(Breach::Responses)?;
        // Answers are published before their requests are given back. Whoever
        // failed between the two left requests that are answered already.
        let done = responses.tail().wrapping_sub(requests.head());
        let waiting = requests.len().map_err(Breach::Requests)?;
        if done > waiting {
            return Err(Breach::Unbalanced { outstanding: done, most: waiting }.into());
        }
        for _ in 0..done {
            requests.take().map_err(Breach::Requests)?;
        }
        requests.release(done);
        Ok(Server {
            requests,
            responses,
            taken: [(0, Taken::Pending); N],
            refused: 0,
            broken: None,
        })
    }

    /// Slots of the connection.
    pub fn capacity(&self) -> u32 {
        self.requests.capacity()
    }

    /// Takes the next request. One of an unknown kind, or a transfer of no
    /// blocks, is answered here.
    ///
    /// # Errors
    /// The client broke the protocol, now or earlier.
    pub fn take(&mut self) -> Result<Option<(Ticket, Request)>, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        // Ends: nothing is given back here, so the ring runs dry.
        loop {
            let index = self.requests.next_index();
            let raw = match self.requests.take() {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(None),
                Err(e) => return Err(self.fail(Breach::Requests(e))),
            };
            *self.slot(index) = (raw.id, Taken::Pending);
            let ticket = Ticket { index };
            match Operation::from_code(raw.code) {
                Some(operation) if raw.count > 0 || !operation.transfers() => {
                    let RawRequest { buffer, block, count, .. } = raw;
                    return Ok(Some((ticket, Request { operation, buffer, block, count })));
                }
                Some(_) | None => {
                    self.refused = self.refused.saturating_add(1);
                    self.answer(ticket, Status::InvalidParameter, 0);
                }
            }
        }
    }

    /// Answers a request. The client sees it at a later [`Server::publish`].
    pub fn answer(&mut self, ticket: Ticket, status: Status, done: u16) {
        self.slot(ticket.index).1 = Taken::Answered { status, done };
    }

    /// Lets the client see the answers whose turn it is. To be called after
    /// every batch, and when the client notifies.
    ///
    /// # Returns
    /// Whether it must be notified.
    ///
    /// # Errors
    /// As [`Server::take`].
    pub fn publish(&mut self) -> Result<bool, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut count = 0;
        while count < self.requests.held() {
            let (id, taken) = *self.slot(self.requests.head().wrapping_add(count));
            let Taken::Answered { status, done } = taken else { break };
            // No room: the client takes no answers. It will notify if it does.
            match self.responses.stage(&RawResponse { status: status.code(), done, id }) {
                Ok(true) => count += 1,
                Ok(false) => break,
                Err(e) => return Err(self.fail(Breach::Responses(e))),
            }
        }
        let notify = self.responses.publish();
        self.requests.release(count);
        Ok(notify)
    }

    /// Requests that were taken and whose answers the client has not seen.
    pub fn held(&self) -> u32 {
        self.requests.held()
    }

    /// Whether there are requests to take.
    ///
    /// # Errors
    /// As [`Server::take`].
    pub fn has_requests(&mut self) -> Result<bool, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        match self.requests.is_empty() {
            Ok(empty) => Ok(!empty),
            Err(e) => Err(self.fail(Breach::Requests(e))),
        }
    }

    /// Requests that made no sense and were answered so, ever.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Breach> {
        self.broken
    }

    fn slot(&mut self, index: u32) -> &mut (u32, Taken) {
        // `N` is a power of two, so the mask keeps the index in range.
        &mut self.taken[index as usize & (N - 1)]
    }

    fn fail(&mut self, breach: Breach) -> Breach {
        self.broken = Some(breach);
        breach
    }
}
