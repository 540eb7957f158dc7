//! The block device (virtio 1.2, 5.2), a client of a block domain.
//!
//! The driver's requests become requests of sDDF's to the domain: each byte is copied
//! once, between the guest's buffer and the data region. A request that there is no
//! room for waits in the queue; none fails because it is large. How requests are cut,
//! and what a write of less than a block means, is in `pieces`.
//!
//! | asked                     | becomes                                               |
//! | ------------------------- | ----------------------------------------------------- |
//! | read, write               | reads and writes of whole blocks                      |
//! | write zeroes              | writes of zeroes; nothing is deallocated              |
//! | flush                     | flush                                                 |
//! | write with the cache off  | write, then flush, then the answer                    |
//! | serial number             | answered here                                         |
//! | discard, secure erase     | not offered: sDDF has no words for them               |
//!
//! The surprising fact is the reset. What the domain still works on for a driver that
//! is gone cannot be taken back: it may yet read and write those parts of the data
//! region. So its answers are waited for and dropped, and the next driver's requests
//! begin only then: no write of the former can land on one of the latter.
//!
//! If the domain breaks the protocol, the connection is closed for good, and every
//! request ends with an I/O error.

mod bits;
mod disk;
mod model;
mod pieces;
mod request;
mod store;
#[cfg(test)]
mod tests;

use core::fmt;

use sddf::block::{Breach, Client, InfoSource};
use shmem::{ReadWrite, Region};
use virtq::{Fault, Pending};

use super::memory::Guest;
use super::model::Queues;
use super::rate::Limiter;
use crate::memory::GuestMemory;
use crate::types::Ticks;
use bits::{feature, status};
use disk::Disk;
use pieces::{Issued, Path};
use request::{Job, Parsed};

pub use disk::{Options, SERIAL_MAX};
pub use store::Store;

/// Queues that a driver may use.
pub const QUEUES: usize = 4;
/// Their greatest size: two each request at most, where there are no indirect tables.
const QUEUE_SIZE: u16 = 128;
/// Requests of the guest's worked on at a time, of all queues.
pub const REQUESTS: usize = 32;
/// Pieces that the block domain has at a time.
pub const DEPTH: usize = 64;
/// Buffers of a request: header, status and 34 of data, so that 128 KiB in scattered
/// pages need one request. More would be memory that all requests of both disks have.
const PARTS: usize = 36;
/// Blocks of a piece at most: 256 KiB.
const PIECE_CELLS: u32 = 64;
/// Words of the map of the data region: 4,096 blocks, which is 16 MiB.
const CELL_WORDS: usize = 64;
/// Pieces on their way from which on the guest need not say that it has more: the
/// answers come soon enough.
const BUSY: usize = 4;
/// Requests taken at one go; a guest of several processors might never end.
const GO: usize = 256;
/// Looks at one go for what came before the driver knew that it has to say so.
const ROUNDS: usize = 4;

/// The token of a piece of a request; what a [`Client`] of a device carries.
pub type Token = pieces::Piece;

/// Why regions make no device. The fault is the description's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupError {
    /// The data region does not hold a block.
    Data {
        /// Its size in bytes.
        size: usize,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Data { size } => {
                write!(f, "the data region of a disk has {size} bytes, and a block is 4096")
            }
        }
    }
}

/// The device.
#[derive(Debug)]
pub struct Block<'s> {
    store: &'s mut Store,
    path: Path,
    info: InfoSource,
    options: Options,
    limiter: Limiter,
    disk: Disk,
    features: u64,
    writeback: bool,
    /// Which life of the device this is: a reset begins another.
    life: u32,
    /// Pieces that the peer still has of earlier lives.
    stale: usize,
    started: bool,
    /// The slot whose pieces did not all find room.
    blocked: Option<u8>,
    /// The queue that is looked at first.
    turn: usize,
    /// Something may wait that nobody will say again.
    look: bool,
    breach: Option<Breach>,
}

impl<'s> Block<'s> {
    /// A device whose requests go to `client`, through `data`.
    ///
    /// # Errors
    /// The regions are too small.
    pub fn new(
        store: &'s mut Store,
        client: Client<Token, DEPTH>,
        data: Region<ReadWrite>,
        info: InfoSource,
        options: Options,
        limiter: Limiter,
    ) -> Result<Self, SetupError> {
        let size = data.len();
        let path = Path::new(client, data);
        if path.cells() == 0 {
            return Err(SetupError::Data { size });
        }
        store.clear();
        let disk = Disk::new(info.read().as_ref(), &options);
        Ok(Block {
            store,
            path,
            info,
            options,
            limiter,
            disk,
            features: 0,
            writeback: true,
            life: 0,
            stale: 0,
            started: false,
            blocked: None,
            turn: 0,
            look: true,
            breach: None,
        })
    }

    /// Whether a disk is there, whose size and rights are known.
    pub fn ready(&self) -> bool {
        self.info.read().is_some()
    }

    /// The disk as it is said to be now.
    fn current(&self) -> Disk {
        Disk::new(self.info.read().as_ref(), &self.options)
    }

    /// Whether an answer to a write promises that it survives a loss of power
    /// (virtio 1.2, 5.2.5.2 and 5.2.6.2).
    fn writes_through(&self) -> bool {
        let has = |bit| self.features & bit != 0;
        !has(feature::FLUSH) || has(feature::CONFIG_WCE) && !self.writeback
    }

    /// Takes the answers that came.
    ///
    /// # Returns
    /// The queues in which something was completed, a bit each.
    fn take_answers(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory) -> u32 {
        let mut done = 0;
        loop {
            match self.path.client.next_completion() {
                Ok(None) => return done,
                Ok(Some(completion)) => {
                    let index = completion.token.slot;
                    let current = completion.token.life == self.life;
                    self.stale -= usize::from(!current && self.stale > 0);
                    let slot = self.store.slot(index.into()).filter(|_| current);
                    self.path.returned(completion, slot, memory);
                    if current {
                        done |= self.settle(index, queues, memory);
                    }
                }
                Err(breach) => {
                    self.breach = Some(breach);
                    return done | self.fail_all(queues, memory);
                }
            }
        }
    }

    /// Answers a request if all of it is done.
    fn settle(&mut self, index: u8, queues: &mut Queues, memory: &mut impl GuestMemory) -> u32 {
        let Some(slot) = self.store.slot(index.into()) else { return 0 };
        if slot.outstanding > 0 || slot.issued < slot.length {
            return 0;
        }
        if slot.flush_after && slot.status == status::OK {
            slot.flush_after = false;
            if self.path.flush(index, slot, self.life) == Issued::All {
                return 0;
            }
            // An honest peer has room: the last write was just answered.
            slot.status = status::IOERR;
        }
        if self.blocked == Some(index) {
            self.blocked = None;
        }
        let read = if slot.job == Job::Read { slot.length } else { 0 };
        self.answer(index, read, queues, memory)
    }

    /// Tells the guest of a request, of which so many bytes were read.
    fn answer(
        &mut self,
        index: u8,
        read: u32,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
    ) -> u32 {
        let Some(slot) = self.store.slot(index.into()) else { return 0 };
        let writable = slot.chain.writable();
        let mut written = 0;
        if let Some(last) = writable.len().checked_sub(1) {
            // It was RAM when the chain was taken, and RAM does not go away.
            let _gone = writable.write(&mut Guest(memory), last, &[slot.status]);
            // If it failed, what comes before the status was not written (2.7.8.2).
            let read = if slot.status == status::OK { read } else { 0 };
            written = if read == last { writable.len() } else { read };
        }
        let queue = usize::from(slot.queue);
        if let (Some(head), Some(queue)) = (slot.head, queues.get(queue)) {
            queue.complete(&mut Guest(memory), head, written);
        }
        self.store.give_back(index.into());
        1 << queue
    }

    /// The connection is closed: whatever was under way has failed.
    fn fail_all(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory) -> u32 {
        while self.path.client.abandon().is_some() {}
        self.stale = 0;
        self.blocked = None;
        let mut done = 0;
        for index in 0..REQUESTS as u8 {
            if let Some(slot) = self.store.slot(index.into()) {
                slot.status = status::IOERR;
                done |= self.answer(index, 0, queues, memory);
            }
        }
        done
    }

    /// Gives the rest of a request that waits for room to the peer.
    fn resume(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory) -> u32 {
        let Some(index) = self.blocked else { return 0 };
        let Some(slot) = self.store.slot(index.into()) else {
            self.blocked = None;
            return 0;
        };
        match self.path.issue(index, slot, self.life, memory) {
            Issued::Blocked => 0,
            Issued::All => {
                self.blocked = None;
                self.settle(index, queues, memory)
            }
        }
    }

    /// Takes new requests as long as there is room for them.
    ///
    /// # Returns
    /// The queues in which something was completed at once; and when to look again, if
    /// that is known.
    fn take_requests(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        now: Ticks,
    ) -> Result<(u32, Option<Ticks>), Fault> {
        let mut done = 0;
        // Queues that may hold something.
        let mut waiting = (1_u32 << QUEUES) - 1;
        for _ in 0..GO {
            if self.blocked.is_some() || self.path.client.is_draining() || self.stale > 0 {
                self.look = true;
                return Ok((done, None));
            }
            if waiting == 0 {
                self.look = false;
                return Ok((done, None));
            }
            let turn = self.turn;
            self.turn = (turn + 1) % QUEUES;
            if waiting & 1 << turn == 0 {
                continue;
            }
            if let Err(at) = self.limiter.admit(now) {
                self.look = true;
                let some = queues.get(turn).map(|queue| queue.has_next(&Guest(memory)));
                if some.transpose()? == Some(true) {
                    return Ok((done, Some(at)));
                }
                waiting &= !(1 << turn);
                continue;
            }
            let Some((index, slot)) = self.store.vacant() else {
                self.look = true;
                return Ok((done, None));
            };
            let Some(queue) = queues.get(turn) else {
                waiting &= !(1 << turn);
                continue;
            };
            let Some(head) = queue.pop(&Guest(memory), &mut slot.chain)? else {
                waiting &= !(1 << turn);
                continue;
            };
            slot.head = Some(head);
            slot.queue = turn as u8;
            self.store.take(index);
            done |= self.begin(index as u8, queues, memory, now)?;
        }
        self.look = true;
        Ok((done, Some(now)))
    }

    /// Begins a request that was just put into its slot.
    fn begin(
        &mut self,
        index: u8,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        now: Ticks,
    ) -> Result<u32, Fault> {
        let flush_after = self.writes_through();
        let Some(slot) = self.store.slot(index.into()) else { return Ok(0) };
        let parsed = if self.breach.is_some() {
            Parsed::Answer(status::IOERR, 0)
        } else {
            request::parse(&slot.chain, &self.disk, &mut Guest(memory)).map_err(Fault::Buffer)?
        };
        slot.outstanding = 0;
        slot.issued = 0;
        match parsed {
            Parsed::Answer(status, written) => {
                slot.status = status;
                self.limiter.take(written.into(), now);
                Ok(self.answer(index, written, queues, memory))
            }
            Parsed::Work(job, start, length) => {
                slot.status = status::OK;
                (slot.job, slot.start, slot.length) = (job, start, length);
                slot.flush_after = flush_after && job.writes();
                self.limiter.take(length.into(), now);
                if self.path.issue(index, slot, self.life, memory) == Issued::Blocked {
                    self.blocked = Some(index);
                }
                Ok(0)
            }
        }
    }

    /// Asks the driver to say when it has more, and looks whether it has already.
    fn arm(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory) -> Result<bool, Fault> {
        let mut more = false;
        for index in 0..QUEUES {
            if let Some(queue) = queues.get(index) {
                more |= queue.arm(&mut Guest(memory))? == Pending::More;
            }
        }
        Ok(more)
    }

    /// Does what there is to do for the driver.
    fn work(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        now: Ticks,
    ) -> Result<(u32, Option<Ticks>), Fault> {
        let mut done = 0;
        for _ in 0..ROUNDS {
            done |= self.resume(queues, memory);
            let (at_once, again) = self.take_requests(queues, memory, now)?;
            done |= at_once;
            if self.breach.is_none()
                && let Some(breach) = self.path.client.broken()
            {
                self.breach = Some(breach);
                done |= self.fail_all(queues, memory);
                continue;
            }
            let busy = self.breach.is_none() && self.path.client.outstanding() >= BUSY;
            if self.look || busy {
                // An answer or a deadline brings us back.
                self.look = true;
                for index in 0..QUEUES {
                    if let Some(queue) = queues.get(index) {
                        queue.disarm(&mut Guest(memory));
                    }
                }
                return Ok((done, again));
            }
            if !self.arm(queues, memory)? {
                return Ok((done, None));
            }
        }
        self.look = true;
        Ok((done, Some(now)))
    }
}
