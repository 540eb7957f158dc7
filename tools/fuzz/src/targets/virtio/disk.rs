//! The block device between a hostile driver and a domain that may lie.

use arbitrary::{Arbitrary, Unstructured};
use sddf::block::{
    Client, InfoSink, InfoSource, Operation, Request, Server, Status, StorageInfo, TRANSFER_SIZE,
    Ticket,
};
use shmem::{ReadWrite, Region};
use vmm_core::devices::virtio::block::{Block, Options, QUEUES, Store};
use vmm_core::devices::virtio::model::Model;
use vmm_core::devices::virtio::rate::Limiter;
use vmm_core::devices::virtio::testing::{Driver, RAM};
use vmm_core::memory::TestMemory;
use vmm_core::types::Ticks;

use super::{Poke, fresh};
use crate::Target;
use crate::targets::input::{steps, take};

pub(in crate::targets) const TARGET: Target = Target {
    runs: 4_000,
    seeds: super::seeds,
    longest: 600,
    ..Target::new(
        "virtio-block",
        "a disk is asked for what it has, and outlives its drivers",
        check,
    )
};

const BLOCKS: u64 = 16;
const CELLS: usize = 5;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// A request: queue, kind, first sector, bytes.
    Ask {
        queue: u8,
        kind: u8,
        sector: u8,
        length: u16,
        odd: bool,
    },
    /// The driver writes somewhere in its queues.
    Poke(Poke),
    Serve,
    /// Both sides do all they can.
    Turn,
    Take,
    /// The domain answers one that it holds.
    Answer(u8),
    Fail(u8),
    Config(u8, u8),
    Reset,
    /// The domain writes into a ring.
    Lie {
        responses: bool,
        at: u8,
        value: u32,
    },
}

struct Domain {
    server: Server<64>,
    requests: Region<ReadWrite>,
    responses: Region<ReadWrite>,
    data: Region<ReadWrite>,
    held: Vec<(Ticket, Request)>,
    disk: Vec<u8>,
    honest: bool,
}

impl Domain {
    fn take(&mut self) {
        while let Ok(Some((ticket, request))) = self.server.take() {
            if self.honest {
                let end = request.block.checked_add(request.count.into());
                assert!(end.is_some_and(|end| end <= BLOCKS), "{request:?} leaves the disk");
                let end = request.buffer.checked_add(request.bytes());
                let size = CELLS as u64 * TRANSFER_SIZE;
                assert!(end.is_some_and(|end| end <= size), "{request:?} leaves the region");
                let busy = self.held.iter().any(|(_, other)| {
                    request.operation.transfers()
                        && other.operation.transfers()
                        && request.buffer < other.buffer + other.bytes()
                        && other.buffer < request.buffer + request.bytes()
                });
                assert!(!busy, "{request:?} takes a buffer that is lent");
            }
            self.held.push((ticket, request));
        }
    }

    fn answer(&mut self, index: usize, status: Status) {
        let (ticket, request) = self.held.remove(index % self.held.len());
        let Request { operation, buffer, block, count } = request;
        let at = usize::try_from(block.saturating_mul(4096)).unwrap_or(usize::MAX);
        if self.honest
            && status == Status::Ok
            && let Some(bytes) = self.disk.get_mut(at..at.saturating_add(usize::from(count) * 4096))
        {
            let copied = match operation {
                Operation::Read => self.data.write(buffer as usize, bytes),
                Operation::Write => self.data.read(buffer as usize, bytes),
                Operation::Flush | Operation::Barrier => Ok(()),
            };
            assert!(copied.is_ok());
        }
        let done = if status == Status::Ok { count } else { 0 };
        self.server.answer(ticket, status, done);
        let _broken = self.server.publish();
    }
}

fn serve(block: &mut Block<'_>, driver: &mut Driver, memory: &mut TestMemory, now: u64) -> bool {
    let served = block.serve(&mut driver.queues, memory, Ticks(now));
    // A device whose driver broke a rule is reset by its transport.
    let broken = served.fault.is_some();
    if broken {
        block.reset();
    }
    broken
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let flags: u8 = take(&mut bytes);
    let mut info = StorageInfo::of(BLOCKS);
    info.read_only = flags & 1 != 0;
    let page = Region::host(4096);
    InfoSink::new(&page).expect("a page").publish(&info);
    let (requests, responses) = (Region::host(4096), Region::host(4096));
    let data = Region::host(CELLS * 4096);
    let mut store = Box::new(Store::new());
    let client = Client::new(&requests, &responses).expect("rings");
    let source = InfoSource::new(&page.read_only()).expect("a page");
    let options = Options::default();
    let mut block =
        Block::new(&mut store, client, data.clone(), source, options, Limiter::default())
            .expect("a region");
    let mut domain = Domain {
        server: Server::new(&requests, &responses).expect("rings"),
        requests,
        responses,
        data,
        held: vec![],
        disk: vec![0xd1; BLOCKS as usize * 4096],
        honest: true,
    };
    let sizes = [64; QUEUES];
    let mut memory = TestMemory::new(RAM);
    let mut driver = fresh(&sizes, &mut memory);
    block.start(block.features());
    let (mut running, mut now) = (true, 0);
    for step in steps(bytes) {
        now += 1;
        match step {
            Step::Ask { queue, kind, sector, length, odd } => {
                let queue = usize::from(queue) % QUEUES;
                let kinds = [0, 0, 1, 1, 13, 4, 8, 11];
                let kind = kinds[usize::from(kind & 7)];
                let mut header = [0; 16];
                header[0] = kind;
                // Sometimes beyond the end of the disk.
                header[8] = sector % 140;
                let length =
                    if odd { u32::from(length) % 0x9000 } else { 512 * u32::from(length % 20) };
                let body = vec![sector; if kind == 13 { 16 } else { length as usize }];
                let readable: &[&[u8]] = match kind {
                    1 | 13 => &[&header, &body],
                    _ => &[&header],
                };
                let writable = if kind == 1 || length == 0 { vec![1] } else { vec![length, 1] };
                let readable: Vec<&[u8]> =
                    readable.iter().copied().filter(|part| !part.is_empty()).collect();
                driver.offer(queue, &mut memory, &readable, &writable);
            }
            Step::Poke(poke) => poke.write(&mut memory, QUEUES as u64),
            Step::Serve if running => running = !serve(&mut block, &mut driver, &mut memory, now),
            Step::Serve => {}
            Step::Turn => {
                for _ in 0..3 {
                    running = running && !serve(&mut block, &mut driver, &mut memory, now);
                    domain.take();
                    while !domain.held.is_empty() {
                        domain.answer(0, Status::Ok);
                    }
                }
            }
            Step::Take => domain.take(),
            Step::Answer(index) if !domain.held.is_empty() => {
                domain.answer(index.into(), Status::Ok);
            }
            Step::Fail(index) if !domain.held.is_empty() => {
                domain.answer(index.into(), Status::Io);
            }
            Step::Answer(_) | Step::Fail(_) => {}
            Step::Config(at, value) => {
                block.write_config(at.into(), &[value]);
                block.read_config(at.into(), &mut [0; 8]);
            }
            Step::Reset => {
                block.reset();
                driver = fresh(&sizes, &mut memory);
                block.start(block.features());
                running = true;
            }
            Step::Lie { responses, at, value } => {
                domain.honest = false;
                let ring = if responses { &domain.responses } else { &domain.requests };
                let _written = ring.write_u32(usize::from(at & 0x7f) * 4, value);
            }
        }
        assert!(!domain.honest || block.breach().is_none(), "an honest domain is not closed");
    }
    // Whatever was before: an honest driver reads the disk, or gets an error from a
    // connection that is closed.
    block.reset();
    let mut driver = fresh(&sizes, &mut memory);
    block.start(block.features());
    let mut header = [0; 16];
    header[8] = 9;
    driver.offer(0, &mut memory, &[&header], &[512, 1]);
    for _ in 0..200 {
        now += 1;
        assert!(!serve(&mut block, &mut driver, &mut memory, now), "an honest driver");
        if let Some((_, _, bytes)) = driver.used_whole(0, &memory) {
            if domain.honest {
                assert_eq!(bytes[512], 0, "its status");
                assert_eq!(bytes[..512], domain.disk[9 * 512..][..512]);
            }
            return;
        }
        domain.take();
        while !domain.held.is_empty() {
            domain.answer(0, Status::Ok);
        }
    }
    assert!(!domain.honest, "an honest driver waits for ever");
}
