//! The end that answers.

use super::error::Breach;
use super::wire::{Operation, RawRequest, RawResponse, Request, Status, capacity};
use super::{AttachError, Requests, Responses};
use crate::ring::{Exchange, Memory, Turn};
use shmem::{ReadWrite, Region};

/// The obligation to answer a request, once.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Ticket {
    turn: Turn,
    /// The client's name for it.
    id: u32,
}

/// The answering end of a connection of at most `N` slots. It may answer in any
/// order; the client sees the answers in the order of its requests (see the
/// module's head on restarts).
#[derive(Debug)]
pub struct Server<const N: usize, Q: Memory = Requests, A: Memory = Responses> {
    rings: Exchange<N, Q, A>,
    /// Requests answered without a look at what they wanted, ever.
    refused: u64,
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
        let requests = Requests::new(requests, slots).map_err(AttachError::Layout)?;
        let responses = Responses::new(responses, slots).map_err(AttachError::Layout)?;
        Server::attach(requests, responses)
    }
}

impl<const N: usize, Q, A> Server<N, Q, A>
where
    Q: Memory<Entry = RawRequest>,
    A: Memory<Entry = RawResponse>,
{
    /// Takes the answering end of two rings as they stand. What a predecessor
    /// left unanswered is taken again.
    ///
    /// # Errors
    /// They differ in capacity or have more than `N` slots, or what they hold
    /// makes no sense.
    pub fn attach(requests: Q, responses: A) -> Result<Self, AttachError> {
        match Exchange::attach(requests, responses) {
            Ok(rings) => Ok(Server { rings, refused: 0 }),
            Err(e) => Err(e.map(Breach::from)),
        }
    }

    /// Slots of the connection.
    pub fn capacity(&self) -> u32 {
        self.rings.capacity()
    }

    /// Takes the next request. One of an unknown kind, or a transfer of no
    /// blocks, is answered here.
    ///
    /// # Errors
    /// The client broke the protocol, now or earlier.
    pub fn take(&mut self) -> Result<Option<(Ticket, Request)>, Breach> {
        // Ends: nothing is given back here, so the ring runs dry.
        while let Some((turn, raw)) = self.rings.take()? {
            let ticket = Ticket { turn, id: raw.id };
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
        Ok(None)
    }

    /// Answers a request. The client sees it at a later [`Server::publish`].
    pub fn answer(&mut self, ticket: Ticket, status: Status, done: u16) {
        let Ticket { turn, id } = ticket;
        self.rings.answer(turn, RawResponse { status: status.code(), done, id });
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
        Ok(self.rings.publish()?)
    }

    /// Answers requests that there is no device for.
    ///
    /// # Returns
    /// Whether the client must be notified.
    ///
    /// # Errors
    /// As [`Server::take`].
    pub fn decline(&mut self) -> Result<bool, Breach> {
        // Ends: nothing is given back before the end, so the ring runs dry.
        while let Some((ticket, _)) = self.take()? {
            self.answer(ticket, Status::NoDevice, 0);
        }
        self.publish()
    }

    /// Requests that were taken and whose answers the client has not seen.
    pub fn held(&self) -> u32 {
        self.rings.held()
    }

    /// Whether there are requests to take.
    ///
    /// # Errors
    /// As [`Server::take`].
    pub fn has_requests(&mut self) -> Result<bool, Breach> {
        Ok(self.rings.has_more()?)
    }

    /// Requests that made no sense and were answered so, ever.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Breach> {
        self.rings.broken().map(Breach::from)
    }
}
