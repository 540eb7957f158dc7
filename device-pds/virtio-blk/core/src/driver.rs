//! Requests of the virtualiser's into chains, several at a time, and answers.

use core::fmt;

use bulkhead_config::DATA_REGIONS_MAX;
use heapless::Vec;
use sddf::{
    block::{
        Breach, DataRegions, InfoSink, Operation, RawRequest, RawResponse, Request, Server, Status,
        StorageInfo, TRANSFER_SIZE, Ticket,
    },
    ring,
};
use shmem::{ReadWrite, Region};
use virtio_drivers::{config::read_config, transport::Transport as _};
use virtio_hal::{
    Buffer, DeviceStatus, Done, InterruptStatus, Lie, Pooled, Queue, Registers, Rejected,
    StartError, Transport,
};
use zerocopy::IntoBytes;

use crate::bits::{self, Config, Features, HEADER, Header, ID, SECTORS_A_BLOCK, kind};

/// Requests that the device has at a time, each with a buffer of its own.
pub const SLOTS: usize = 4;

/// Most bytes that one chain moves; a longer request takes several, one after the
/// other. Linux asks for no more than 64 KiB of most that it reads.
pub const CHUNK: usize = 64 << 10;

/// Blocks of that.
const CHUNK_BLOCKS: u16 = (CHUNK as u64 / TRANSFER_SIZE) as u16;

/// Bytes of a buffer: a header, the data, and the status, rounded up to a cache line.
pub const BUFFER: usize = (HEADER + CHUNK + 1).next_multiple_of(64);

/// Descriptors of the queue: each chain has two.
const QUEUE: usize = 16;
const _: () = assert!(QUEUE >= 2 * SLOTS);

/// The only queue that is used.
const REQUESTS: u16 = 0;

/// Pages that the rings take in the region for DMA.
pub const RING_PAGES: usize = Queue::<Nowhere, Asked, QUEUE>::PAGES;

/// A pool for the count of its pages, which does not depend on it.
enum Nowhere {}

impl Pooled for Nowhere {
    fn pool() -> &'static virtio_hal::Pool {
        static NONE: virtio_hal::Pool = virtio_hal::Pool::new();
        &NONE
    }
}

/// What the caller has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The other end of the queue must be notified.
    pub notify: bool,
    /// There is more to do: call again.
    pub again: bool,
}

/// What went wrong, for a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The device said what cannot be. It is not used any more.
    Lie(Lie),
    /// The device gave up. It is not used any more.
    GaveUp,
    /// The device could not do a request.
    Failed {
        /// Its status (virtio 1.2, 5.2.6).
        status: u8,
        /// Bytes that it wrote.
        written: usize,
    },
    /// The virtualiser asked for memory or blocks that are not this driver's to
    /// touch.
    Refused(Request),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lie(lie) => lie.fmt(f),
            Trouble::GaveUp => f.write_str("the device wants to be reset, and is given up"),
            Trouble::Failed { status, written } => {
                write!(f, "the device reports status {status} with {written} bytes written")
            }
            Trouble::Refused(Request { buffer, block, count, operation }) => write!(
                f,
                "the virtualiser asked for {operation:?} of {count} blocks from {block} with \
                 memory at {buffer:#x}, which is not on the disk, not in a data region, or not \
                 allowed"
            ),
        }
    }
}

/// What the device was asked.
#[derive(Debug)]
enum Asked {
    /// What it is called.
    Name,
    /// A part of a request.
    Part(Work),
}

/// A request that the device has a part of.
#[derive(Debug)]
struct Work {
    ticket: Ticket,
    request: Request,
    /// Blocks done.
    done: u16,
    /// Blocks of the part.
    part: u16,
}

impl Work {
    /// Bytes of the part.
    fn bytes(&self) -> usize {
        usize::from(self.part) * TRANSFER_SIZE as usize
    }

    /// Of the buffer: bytes for the device to read, and then to write.
    fn shape(&self) -> (usize, usize) {
        match self.request.operation {
            Operation::Read => (HEADER, self.bytes() + 1),
            Operation::Write => (HEADER + self.bytes(), 1),
            Operation::Flush | Operation::Barrier => (HEADER, 1),
        }
    }
}

/// A buffer's bytes by their place. The places are within it, for it has [`BUFFER`].
fn part(buffer: &mut Buffer, from: usize, length: usize) -> &mut [u8] {
    from.checked_add(length).and_then(|end| buffer.bytes().get_mut(from..end)).unwrap_or_default()
}

/// What a driver is given.
#[derive(Debug)]
pub struct Memory {
    /// Buffers of [`BUFFER`] bytes; at most [`SLOTS`] are used.
    pub buffers: Vec<Buffer, SLOTS>,
    /// Where clients' buffers may lie.
    pub data: DataRegions<DATA_REGIONS_MAX>,
}

/// The driver.
#[derive(Debug)]
pub struct Driver<P: Pooled, R> {
    transport: Transport<R>,
    queue: Queue<P, Asked, QUEUE>,
    memory: Memory,
    blocks: u64,
    features: Features,
    /// Requests that it has room for.
    depth: u16,
    /// A request before which all others must be done.
    waiting: Option<(Ticket, Request)>,
    gone: bool,
    trouble: Option<Trouble>,
}

impl<P: Pooled, R: Registers> Driver<P, R> {
    /// Takes the device over, whatever it is doing, and asks what it is called. What
    /// disk it is is said once that is answered, one way or the other.
    ///
    /// # Errors
    /// It cannot be used. It does nothing then.
    pub fn start(mut transport: Transport<R>, memory: Memory) -> Result<Self, StartError> {
        let features = virtio_hal::begin(&mut transport, Features::all())?;
        let capacity = transport.read_consistent(|| {
            let low: u32 = read_config!(transport, Config, capacity_low)?;
            let high: u32 = read_config!(transport, Config, capacity_high)?;
            Ok(u64::from(high) << 32 | u64::from(low))
        });
        let prepared = capacity
            .map_err(StartError::Configuration)
            .and_then(|capacity| Ok((capacity, Queue::new(&mut transport, REQUESTS)?)));
        let (capacity, queue) = match prepared {
            Ok(prepared) => prepared,
            Err(why) => {
                virtio_hal::stop(&mut transport);
                return Err(why);
            }
        };
        virtio_hal::finish(&mut transport);
        let blocks = capacity / SECTORS_A_BLOCK;
        let (waiting, gone, trouble) = (None, false, None);
        let depth = memory.buffers.len() as u16;
        let mut driver =
            Driver { transport, queue, memory, blocks, features, depth, waiting, gone, trouble };
        driver.ask_name();
        Ok(driver)
    }

    fn ask_name(&mut self) {
        let Some(mut buffer) = self.memory.buffers.pop() else { return };
        let header = Header { kind: kind::GET_ID, reserved: 0, sector: 0 };
        part(&mut buffer, 0, HEADER).copy_from_slice(header.as_bytes());
        if let Err(Rejected(buffer, _)) = self.queue.submit(buffer, HEADER, ID + 1, Asked::Name) {
            self.idle(buffer);
        }
        self.queue.kick(&mut self.transport);
    }

    /// Says what disk it is. A device need not have a name.
    fn announce(&mut self, mut buffer: Buffer, written: usize, info: &InfoSink) {
        let named = written == ID + 1 && part(&mut buffer, HEADER + ID, 1) == [bits::OK];
        let name: &[u8] = if named { part(&mut buffer, HEADER, ID) } else { &[] };
        let disk = StorageInfo {
            read_only: self.features.contains(Features::READ_ONLY),
            queue_depth: self.depth,
            ..StorageInfo::of(self.blocks).with_serial(name)
        };
        info.publish(&disk);
        self.idle(buffer);
    }

    /// Blocks of the disk.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// What went wrong since this was last asked; of several, the last.
    pub fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Takes the device's interrupt back. To be called before [`Driver::serve`] when
    /// it interrupts.
    pub fn interrupted(&mut self, info: &InfoSink) {
        let why = self.transport.ack_interrupt();
        let changed = why.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT);
        if changed && self.transport.get_status().contains(DeviceStatus::DEVICE_NEEDS_RESET) {
            self.give_up(Trouble::GaveUp, info);
        }
    }

    /// Does what can be done now: to be called when the device interrupts and when
    /// the other end notifies. Moves no more than a queue's worth of parts.
    ///
    /// # Errors
    /// The other end broke the protocol. The device is stopped: it moves nothing any
    /// more.
    pub fn serve<const N: usize, Q, A>(
        &mut self,
        server: &mut Server<N, Q, A>,
        info: &InfoSink,
    ) -> Result<Turn, Breach>
    where
        Q: ring::Memory<Entry = RawRequest>,
        A: ring::Memory<Entry = RawResponse>,
    {
        let turn = self.turn(server, info);
        if turn.is_err() {
            self.gone = true;
            virtio_hal::stop(&mut self.transport);
        }
        turn
    }

    fn turn<const N: usize, Q, A>(
        &mut self,
        server: &mut Server<N, Q, A>,
        info: &InfoSink,
    ) -> Result<Turn, Breach>
    where
        Q: ring::Memory<Entry = RawRequest>,
        A: ring::Memory<Entry = RawResponse>,
    {
        let mut steps = N;
        let (mut again, mut announced) = (false, false);
        while !self.gone {
            let Some(left) = steps.checked_sub(1) else {
                // The other end refills as fast as this empties: others first.
                again = true;
                break;
            };
            steps = left;
            match self.queue.take() {
                Ok(Some(Done { buffer, written, tag: Asked::Name })) => {
                    self.announce(buffer, written, info);
                    announced = true;
                }
                Ok(Some(Done { buffer, written, tag: Asked::Part(work) })) => {
                    self.advance(Done { buffer, written, tag: work }, server);
                }
                Ok(None) => {
                    if !self.next(server)? {
                        break;
                    }
                }
                Err(lie) => self.give_up(Trouble::Lie(lie), info),
            }
        }
        if self.gone {
            // The other end also hears that there is no disk any more.
            let had = self.queue.abandon().filter_map(|asked| match asked {
                Asked::Part(work) => Some((work.ticket, work.done)),
                Asked::Name => None,
            });
            let waited = self.waiting.take().map(|(ticket, _)| (ticket, 0));
            for (ticket, done) in had.chain(waited) {
                server.answer(ticket, Status::NoDevice, done);
            }
            server.decline()?;
            return Ok(Turn { notify: true, again: false });
        }
        self.queue.kick(&mut self.transport);
        Ok(Turn { notify: server.publish()? || announced, again })
    }

    fn give_up(&mut self, why: Trouble, info: &InfoSink) {
        self.trouble = Some(why);
        self.gone = true;
        info.withdraw();
        virtio_hal::stop(&mut self.transport);
    }

    /// Begins with the next request, if there is one and there is room.
    ///
    /// # Returns
    /// Whether anything was done.
    fn next<const N: usize, Q, A>(&mut self, server: &mut Server<N, Q, A>) -> Result<bool, Breach>
    where
        Q: ring::Memory<Entry = RawRequest>,
        A: ring::Memory<Entry = RawResponse>,
    {
        // A flush makes stable what is done, and a device does things in any order.
        if self.waiting.is_some() && self.queue.outstanding() > 0 {
            return Ok(false);
        }
        if let Some((ticket, request)) = self.waiting.take() {
            let flushes =
                request.operation == Operation::Flush && self.features.contains(Features::FLUSH);
            if flushes {
                self.submit(Work { ticket, request, done: 0, part: 0 }, None, server);
            } else {
                server.answer(ticket, Status::Ok, request.count);
            }
            return Ok(true);
        }
        if self.memory.buffers.is_empty() {
            return Ok(false);
        }
        let Some((ticket, request)) = server.take()? else { return Ok(false) };
        match request.operation {
            Operation::Flush | Operation::Barrier => self.waiting = Some((ticket, request)),
            Operation::Read | Operation::Write if self.allows(&request) => {
                self.submit(Work { ticket, request, done: 0, part: 0 }, None, server);
            }
            Operation::Read | Operation::Write => {
                self.trouble = Some(Trouble::Refused(request));
                server.answer(ticket, Status::InvalidParameter, 0);
            }
        }
        Ok(true)
    }

    /// Whether a transfer is within the disk and the data regions.
    fn allows(&self, request: &Request) -> bool {
        let end = request.block.checked_add(request.count.into());
        let writes = request.operation == Operation::Write;
        end.is_some_and(|end| end <= self.blocks)
            && !(writes && self.features.contains(Features::READ_ONLY))
            && self.memory.data.find(request).is_some()
    }

    /// Hands the next part of a request to the device.
    fn submit<const N: usize, Q, A>(
        &mut self,
        mut work: Work,
        buffer: Option<Buffer>,
        server: &mut Server<N, Q, A>,
    ) where
        Q: ring::Memory<Entry = RawRequest>,
        A: ring::Memory<Entry = RawResponse>,
    {
        let Some(mut buffer) = buffer.or_else(|| self.memory.buffers.pop()) else {
            unreachable!("there is a buffer, or no request is begun")
        };
        let request = work.request;
        let code = match request.operation {
            Operation::Read => kind::READ,
            Operation::Write => kind::WRITE,
            Operation::Flush | Operation::Barrier => kind::FLUSH,
        };
        work.part = match request.operation {
            Operation::Read | Operation::Write => {
                request.count.saturating_sub(work.done).min(CHUNK_BLOCKS)
            }
            Operation::Flush | Operation::Barrier => 0,
        };
        let sector = match request.operation {
            // Within the disk, whose sectors are numbered with 64 bits.
            Operation::Read | Operation::Write => {
                (request.block + u64::from(work.done)) * SECTORS_A_BLOCK
            }
            // Reserved (5.2.6.1).
            Operation::Flush | Operation::Barrier => 0,
        };
        let header = Header { kind: code, reserved: 0, sector };
        part(&mut buffer, 0, HEADER).copy_from_slice(header.as_bytes());
        let (readable, writable) = work.shape();
        let mut whole = true;
        if request.operation == Operation::Write {
            let bytes = part(&mut buffer, HEADER, work.bytes());
            whole = self.place(&work).is_some_and(|(data, at)| data.read(at, bytes).is_ok());
        }
        let submitted = if whole {
            self.queue.submit(buffer, readable, writable, Asked::Part(work))
        } else {
            Err(Rejected(buffer, Asked::Part(work)))
        };
        if let Err(Rejected(buffer, Asked::Part(work))) = submitted {
            // There are as many descriptors as buffers need, and the memory was
            // measured: this is for a queue that is done with.
            self.idle(buffer);
            server.answer(work.ticket, Status::Io, work.done);
        }
    }

    /// Where the data of a part is.
    fn place(&self, work: &Work) -> Option<(&Region<ReadWrite>, usize)> {
        let (data, offset) = self.memory.data.find(&work.request)?;
        Some((data, offset.checked_add(usize::from(work.done) * TRANSFER_SIZE as usize)?))
    }

    fn idle(&mut self, buffer: Buffer) {
        let kept = self.memory.buffers.push(buffer);
        debug_assert!(kept.is_ok(), "it came from there");
    }

    /// Goes on with a request of which the device has done a part.
    fn advance<const N: usize, Q, A>(&mut self, done: Done<Work>, server: &mut Server<N, Q, A>)
    where
        Q: ring::Memory<Entry = RawRequest>,
        A: ring::Memory<Entry = RawResponse>,
    {
        let Done { mut buffer, written, tag: mut work } = done;
        let (readable, writable) = work.shape();
        let status = part(&mut buffer, readable + writable - 1, 1).first().copied();
        // The status is the last byte: without it there is none.
        let mut good = status == Some(bits::OK) && written == writable;
        if good && work.request.operation == Operation::Read {
            let bytes = part(&mut buffer, HEADER, work.bytes());
            good = self.place(&work).is_some_and(|(data, at)| data.write(at, bytes).is_ok());
        }
        if !good {
            let status = status.filter(|_| written == writable).unwrap_or(u8::MAX);
            self.trouble = Some(Trouble::Failed { status, written });
            self.idle(buffer);
            let says =
                if status == bits::UNSUPPORTED { Status::InvalidParameter } else { Status::Io };
            server.answer(work.ticket, says, work.done);
            return;
        }
        work.done = work.done.saturating_add(work.part);
        let transfers = work.request.operation.transfers();
        if transfers && work.done < work.request.count {
            self.submit(work, Some(buffer), server);
        } else {
            self.idle(buffer);
            server.answer(work.ticket, Status::Ok, work.request.count);
        }
    }
}
