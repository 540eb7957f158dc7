//! The end that requests.

use super::error::Breach;
use super::wire::{RawRequest, RawResponse, Request, Status, capacity};
use super::{AttachError, Requests, Responses};
use crate::ring::{Consumer, Memory, Producer};
use shmem::{ReadWrite, Region};

/// A request that was made and not answered.
#[derive(Debug)]
struct Lent<T> {
    request: Request,
    token: T,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done.
    Done,
    /// Not done, or not all of it.
    Failed {
        /// Why; never [`Status::Ok`].
        status: Status,
        /// The blocks moved before it failed.
        done: u16,
    },
}

/// A request that was answered.
#[derive(Debug)]
pub struct Completion<T> {
    /// As it was submitted.
    pub request: Request,
    /// As it was submitted.
    pub token: T,
    /// How it ended.
    pub outcome: Outcome,
}

/// Whether a request was taken.
#[derive(Debug)]
#[must_use]
pub enum Submitted<T> {
    /// It will be answered.
    Yes,
    /// There is no room before another was answered (or, after a restart, before
    /// all that the predecessor requested were); here is the token back.
    Full(T),
}

/// The requesting end of a connection, which keeps account of at most `N`
/// requests, each with a token of its owner's. Ids are its own: a peer sees
/// numbers below `N`.
#[derive(Debug)]
pub struct Client<T, const N: usize, Q = Requests, A = Responses> {
    requests: Producer<Q>,
    responses: Consumer<A>,
    lent: [Option<Lent<T>>; N],
    /// The first `N - outstanding` are the ids that are free.
    free: [u16; N],
    outstanding: usize,
    /// Responses to a predecessor's requests that are still to come.
    stale: u32,
    broken: Option<Breach>,
}

impl<T, const N: usize> Client<T, N> {
    /// Attaches to the rings in two regions, with as many slots as both hold.
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub fn new(
        requests: &Region<ReadWrite>,
        responses: &Region<ReadWrite>,
    ) -> Result<Self, AttachError> {
        let slots = capacity(requests.len(), responses.len());
        let requests = Requests::new(requests, slots).map_err(AttachError::Layout)?;
        let responses = Responses::new(responses, slots).map_err(AttachError::Layout)?;
        Client::attach(requests, responses)
    }
}

impl<T, const N: usize, Q, A> Client<T, N, Q, A>
where
    Q: Memory<Entry = RawRequest>,
    A: Memory<Entry = RawResponse>,
{
    const IDS: () = assert!(N > 0 && N <= 1 << 16, "an id is kept in sixteen bits");

    /// Takes the requesting end of two rings as they stand.
    ///
    /// # Errors
    /// They differ in capacity, or what they hold makes no sense.
    pub fn attach(requests: Q, responses: A) -> Result<Self, AttachError> {
        const { Self::IDS };
        let most = requests.capacity();
        if most != responses.capacity() {
            return Err(AttachError::Capacity { out: most, back: responses.capacity(), most });
        }
        let requests = Producer::attach(requests).map_err(Breach::Requests)?;
        let responses = Consumer::attach(responses).map_err(Breach::Responses)?;
        let stale = requests.tail().wrapping_sub(responses.head());
        if stale > most {
            return Err(Breach::Unbalanced { outstanding: stale, most }.into());
        }
        Ok(Client {
            requests,
            responses,
            lent: [const { None }; N],
            free: core::array::from_fn(|id| id as u16),
            outstanding: 0,
            stale,
            broken: None,
        })
    }

    /// The most requests that can be outstanding.
    pub fn capacity(&self) -> usize {
        N.min(self.requests.capacity() as usize)
    }

    /// Requests that were not answered yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether a request would be taken now.
    pub fn has_room(&self) -> bool {
        self.broken.is_none() && self.stale == 0 && self.outstanding < self.capacity()
    }

    /// Whether responses to a predecessor's requests are still to come. Until
    /// then nothing can be submitted, and the data region is not ours alone.
    pub fn is_draining(&self) -> bool {
        self.stale > 0
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Breach> {
        self.broken
    }

    /// Puts a request into the ring, unseen by the server before
    /// [`Client::publish`]. If this finds that the server broke the protocol,
    /// the token comes back as from a full ring, and [`Client::broken`] says so.
    ///
    /// # Errors
    /// It was known before that the server broke the protocol. The token is
    /// dropped.
    pub fn submit(&mut self, request: Request, token: T) -> Result<Submitted<T>, Breach> {
        self.unbroken()?;
        if !self.has_room() {
            return Ok(Submitted::Full(token));
        }
        let unused = N - self.outstanding;
        let Some(&id) = unused.checked_sub(1).and_then(|last| self.free.get(last)) else {
            return Ok(Submitted::Full(token));
        };
        let raw = RawRequest {
            code: request.operation.code(),
            buffer: request.buffer,
            block: request.block,
            count: request.count,
            id: u32::from(id),
        };
        match self.requests.stage(&raw) {
            Ok(true) => {}
            // An honest server gives a request back no later than it answers.
            Ok(false) => return Ok(Submitted::Full(token)),
            Err(e) => {
                self.fail(Breach::Requests(e));
                return Ok(Submitted::Full(token));
            }
        }
        self.lent[usize::from(id)] = Some(Lent { request, token });
        self.outstanding += 1;
        Ok(Submitted::Yes)
    }

    /// Lets the server see what was submitted.
    ///
    /// # Returns
    /// Whether it must be notified.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        self.broken.is_none() && self.requests.publish()
    }

    /// Takes the next response. Call until there is none.
    ///
    /// # Errors
    /// The server broke the protocol, now or earlier.
    pub fn next_completion(&mut self) -> Result<Option<Completion<T>>, Breach> {
        self.unbroken()?;
        loop {
            let raw = match self.responses.take() {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(None),
                Err(e) => return Err(self.fail(Breach::Responses(e))),
            };
            // Taken, whatever it says: a response of nobody's must not stay.
            self.responses.release(1);
            if self.stale > 0 {
                self.stale -= 1;
                continue;
            }
            return match self.accept(&raw) {
                Ok(completion) => Ok(Some(completion)),
                Err(breach) => Err(self.fail(breach)),
            };
        }
    }

    /// Takes back every request that is outstanding, for instance to fail them
    /// when the connection is [`Client::broken`]. While it is not, the server
    /// may still use their buffers; so nothing is taken back then.
    pub fn abandon(&mut self) -> Option<(Request, T)> {
        self.broken?;
        let lent = self.lent.iter_mut().find_map(Option::take)?;
        Some((lent.request, lent.token))
    }

    /// Checks a response against what was lent.
    fn accept(&mut self, raw: &RawResponse) -> Result<Completion<T>, Breach> {
        let RawResponse { status, done, id } = *raw;
        let lent = usize::try_from(id).ok().and_then(|slot| self.lent.get_mut(slot));
        let Some(entry) = lent else { return Err(Breach::NotLent { id }) };
        let Some(count) = entry.as_ref().map(|lent| lent.request.count) else {
            return Err(Breach::NotLent { id });
        };
        let status = Status::from_code(status).ok_or(Breach::Status { id, status })?;
        let outcome = match status {
            Status::Ok if done == count => Outcome::Done,
            Status::Unspecified | Status::InvalidParameter | Status::Io | Status::NoDevice
                if done <= count =>
            {
                Outcome::Failed { status, done }
            }
            Status::Ok
            | Status::Unspecified
            | Status::InvalidParameter
            | Status::Io
            | Status::NoDevice => return Err(Breach::Count { id, done, count, status }),
        };
        let Some(Lent { request, token }) = entry.take() else {
            return Err(Breach::NotLent { id });
        };
        self.outstanding -= 1;
        self.free[N - self.outstanding - 1] = id as u16;
        Ok(Completion { request, token, outcome })
    }

    fn unbroken(&self) -> Result<(), Breach> {
        match self.broken {
            Some(breach) => Err(breach),
            None => Ok(()),
        }
    }

    fn fail(&mut self, breach: Breach) -> Breach {
        self.broken = Some(breach);
        breach
    }
}
