//! Requests into commands, one after the other, and answers.

use core::fmt;

use deadline::Tsc;
use heapless::Vec;
use sddf::{
    block::{
        Breach, InfoSink, Operation, RawRequest, RawResponse, Request, Server, Status, Ticket,
        Window,
    },
    ring::Memory,
};

use crate::{
    Clock, Ports, Table,
    channel::{Channel, Command, Direction, Failure, Poll},
    identify::{Disk, SECTOR, SECTORS_A_BLOCK},
    table::TRANSFER_MAX,
};

/// Most data regions.
pub const WINDOWS_MAX: usize = 8;

/// Sectors of one command, where the device numbers them with 48 bits, and where
/// with 28.
const CHUNK_EXTENDED: u64 = TRANSFER_MAX / SECTOR;
const CHUNK: u64 = 256;

/// Tries of a command that failed for a reason that may pass.
const TRIES: u8 = 2;

/// What the caller has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The other end of the queue must be notified.
    pub notify: bool,
    /// When to look again, if nothing else happens.
    pub wake: Option<Tsc>,
}

/// What went wrong last, for a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// A command was not done.
    Failed(Failure),
    /// The device is no disk that can be driven.
    NoDisk,
    /// The virtualiser asked for memory or blocks that are not this driver's to
    /// touch.
    Refused(Request),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Failed(failure) => write!(f, "{failure}"),
            Trouble::NoDisk => f.write_str(
                "the device is no disk with DMA, block addresses and sectors of 512 bytes",
            ),
            Trouble::Refused(Request { buffer, block, count, .. }) => write!(
                f,
                "the virtualiser asked for {count} blocks from {block} with memory at \
                 {buffer:#x}, outside the disk or this driver's data regions"
            ),
        }
    }
}

/// A request that is worked on.
#[derive(Debug)]
struct Current {
    ticket: Ticket,
    request: Request,
    /// Sectors done.
    done: u64,
    /// Of the command under way; 0 if none is.
    chunk: u32,
    /// Tries left of the next command.
    tries: u8,
}

#[derive(Debug)]
enum Phase {
    /// The disk is being asked what it is.
    Asking { tries: u8 },
    /// It is known.
    Ready(Disk),
    /// There is none.
    Gone,
}

/// The driver.
#[derive(Debug)]
pub struct Driver<P> {
    channel: Channel<P>,
    windows: Vec<Window, WINDOWS_MAX>,
    phase: Phase,
    current: Option<Current>,
    trouble: Option<Trouble>,
}

impl<P: Ports> Driver<P> {
    /// Takes the channel over. Buffers are accepted in these ranges of I/O
    /// addresses only.
    pub fn new(ports: P, clock: Clock, table: Table, windows: Vec<Window, WINDOWS_MAX>) -> Self {
        Driver {
            channel: Channel::new(ports, clock, table),
            windows,
            phase: Phase::Asking { tries: TRIES },
            current: None,
            trouble: None,
        }
    }

    /// What went wrong since this was last asked; of several, the last.
    pub fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Does what can be done now: to be called when the device interrupts, when
    /// the other end notifies, and when the time for it has come. Finishes no more
    /// than a queue's worth of requests.
    ///
    /// # Errors
    /// The other end broke the protocol. Nothing is moved for it any more.
    pub fn serve<const N: usize, Q, A>(
        &mut self,
        server: &mut Server<N, Q, A>,
        info: &InfoSink,
    ) -> Result<Turn, Breach>
    where
        Q: Memory<Entry = RawRequest>,
        A: Memory<Entry = RawResponse>,
    {
        let turn = self.turn(server, info);
        if turn.is_err() && self.current.take().is_some() {
            self.channel.reset();
        }
        turn
    }

    fn turn<const N: usize, Q, A>(
        &mut self,
        server: &mut Server<N, Q, A>,
        info: &InfoSink,
    ) -> Result<Turn, Breach>
    where
        Q: Memory<Entry = RawRequest>,
        A: Memory<Entry = RawResponse>,
    {
        let mut notify = false;
        let mut answered = 0;
        let wake = loop {
            let polled = self.channel.poll();
            if matches!(polled, Poll::Busy) {
                break self.channel.wake();
            }
            if polled == Poll::Gone && !matches!(self.phase, Phase::Gone) {
                self.gone(Trouble::Failed(Failure::Gone), info);
                notify = true;
            }
            if let Phase::Asking { tries } = self.phase {
                notify |= self.ask(polled, tries, info);
                continue;
            }
            if let Some((ticket, status, done)) = self.advance(polled) {
                server.answer(ticket, status, done);
                answered += 1;
                if answered == N {
                    // The other end refills as fast as this empties: others first.
                    break Some(self.channel.now());
                }
            }
            if self.current.is_none() {
                match server.take()? {
                    Some((ticket, request)) => self.current = Some(Current::new(ticket, request)),
                    None => break None,
                }
            }
        };
        notify |= server.publish()?;
        Ok(Turn { notify, wake })
    }

    /// Goes on with asking what the device is. Ends: every failure takes a try.
    ///
    /// # Returns
    /// Whether it is known now, one way or the other.
    fn ask(&mut self, polled: Poll, tries: u8, info: &InfoSink) -> bool {
        match polled {
            Poll::Done(Ok(())) => match Disk::parse(&self.channel.identity) {
                Some(disk) => {
                    info.publish(&disk.info());
                    self.phase = Phase::Ready(disk);
                }
                None => self.gone(Trouble::NoDisk, info),
            },
            Poll::Done(Err(failure)) => return self.asked_in_vain(failure, tries, info),
            Poll::Idle => {
                if let Err(failure) = self.channel.begin(Command::Identify) {
                    return self.asked_in_vain(failure, tries, info);
                }
                return false;
            }
            Poll::Busy | Poll::Gone => return false,
        }
        true
    }

    fn asked_in_vain(&mut self, failure: Failure, tries: u8, info: &InfoSink) -> bool {
        let tries = tries.saturating_sub(1);
        if tries == 0 {
            self.gone(Trouble::Failed(failure), info);
            return true;
        }
        self.trouble = Some(Trouble::Failed(failure));
        self.phase = Phase::Asking { tries };
        false
    }

    fn gone(&mut self, why: Trouble, info: &InfoSink) {
        self.trouble = Some(why);
        self.phase = Phase::Gone;
        info.withdraw();
    }

    /// Goes on with the request that is worked on.
    ///
    /// # Returns
    /// Its answer, if it is done.
    fn advance(&mut self, polled: Poll) -> Option<(Ticket, Status, u16)> {
        let mut current = self.current.take()?;
        let disk = match self.phase {
            Phase::Ready(disk) => disk,
            Phase::Asking { .. } | Phase::Gone => return Some(current.answer(Status::NoDevice)),
        };
        if let Poll::Done(result) = polled {
            let chunk = u64::from(core::mem::take(&mut current.chunk));
            match result {
                Ok(()) if current.request.operation == Operation::Flush => {
                    return Some(current.answer(Status::Ok));
                }
                Ok(()) => {
                    current.done += chunk;
                    current.tries = TRIES;
                }
                Err(failure) => return self.failed(current, failure),
            }
        }
        match self.next(&mut current, disk) {
            Ok(Some(command)) => match self.channel.begin(command) {
                Ok(()) => {
                    self.current = Some(current);
                    None
                }
                Err(failure) => self.failed(current, failure),
            },
            Ok(None) => Some(current.answer(Status::Ok)),
            Err(status) => {
                self.trouble = Some(Trouble::Refused(current.request));
                Some(current.answer(status))
            }
        }
    }

    /// A command failed: again, or not.
    fn failed(&mut self, mut current: Current, why: Failure) -> Option<(Ticket, Status, u16)> {
        self.trouble = Some(Trouble::Failed(why));
        current.tries = current.tries.saturating_sub(1);
        current.chunk = 0;
        match why {
            // The device has tried by itself.
            Failure::Device { .. } => Some(current.answer(Status::Io)),
            Failure::Gone => Some(current.answer(Status::NoDevice)),
            Failure::Bus | Failure::Length | Failure::Protocol { .. } | Failure::Timeout => {
                if current.tries == 0 {
                    return Some(current.answer(Status::Io));
                }
                self.current = Some(current);
                None
            }
        }
    }

    /// The next command of a request; `None` when all of it is done.
    fn next(&self, current: &mut Current, disk: Disk) -> Result<Option<Command>, Status> {
        let Disk { extended, .. } = disk;
        let request = &current.request;
        let direction = match request.operation {
            Operation::Read => Direction::Read,
            Operation::Write => Direction::Write,
            Operation::Flush => return Ok(Some(Command::Flush { extended })),
            // What came before is done, since one is done after the other.
            Operation::Barrier => return Ok(None),
        };
        let ends = request.block.checked_add(request.count.into());
        if ends.is_none_or(|end| end > disk.blocks()) {
            return Err(Status::InvalidParameter);
        }
        if Window::find(&self.windows, request).is_none() {
            return Err(Status::InvalidParameter);
        }
        let left = u64::from(request.count) * SECTORS_A_BLOCK - current.done;
        if left == 0 {
            return Ok(None);
        }
        let count = left.min(if extended { CHUNK_EXTENDED } else { CHUNK }) as u32;
        // Both within what was just held: no overflow.
        let address = request.buffer + current.done * SECTOR;
        let sector = request.block * SECTORS_A_BLOCK + current.done;
        if !self.channel.describe(address, count) {
            return Err(Status::InvalidParameter);
        }
        current.chunk = count;
        Ok(Some(Command::Transfer { direction, sector, count, extended }))
    }
}

impl Current {
    fn new(ticket: Ticket, request: Request) -> Self {
        Current { ticket, request, done: 0, chunk: 0, tries: TRIES }
    }

    /// The answer, with the blocks that were moved.
    fn answer(self, status: Status) -> (Ticket, Status, u16) {
        let done = match status {
            // A flush that names blocks has done with them, too.
            Status::Ok => self.request.count,
            // At most the request's count.
            Status::Unspecified | Status::InvalidParameter | Status::Io | Status::NoDevice => {
                (self.done / SECTORS_A_BLOCK) as u16
            }
        };
        (self.ticket, status, done)
    }
}
