//! A device with an honest driver before it, and a block domain behind it: a disk in a
//! vector, which answers when it is told to.

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use sddf::block::Request as Lent;
use sddf::block::{InfoSink, Operation, Server, Status, StorageInfo, Ticket};

use super::super::*;
use crate::devices::virtio::model::{Model, Served};
use crate::devices::virtio::testing::{Driver, RAM};
use crate::memory::TestMemory;

/// Blocks of the disk.
pub const BLOCKS: u64 = 64;

pub struct World {
    pub memory: TestMemory,
    pub driver: Driver,
    pub block: Block<'static>,
    pub server: Server<64>,
    pub requests: Region<ReadWrite>,
    pub responses: Region<ReadWrite>,
    pub data: Region<ReadWrite>,
    pub info: InfoSink,
    pub disk: Vec<u8>,
    /// What the domain took and did not answer.
    pub held: Vec<(Ticket, Lent)>,
    /// What it was asked for, in order.
    pub asked: Vec<Lent>,
    pub last: Served,
    pub now: Ticks,
}

pub fn storage() -> StorageInfo {
    StorageInfo::of(BLOCKS).with_serial(b"serial of the disk")
}

/// A world whose data region has so many blocks.
pub fn world_of(cells: usize, info: &StorageInfo, options: Options, limiter: Limiter) -> World {
    let requests = Region::host(4096);
    let responses = Region::host(4096);
    let data = Region::host(cells * 4096);
    let page = Region::host(4096);
    let sink = InfoSink::new(&page).unwrap();
    sink.publish(info);
    let client = Client::new(&requests, &responses).unwrap();
    let server = Server::new(&requests, &responses).unwrap();
    let source = InfoSource::new(&page.read_only()).unwrap();
    let store = Box::leak(Box::new(Store::new()));
    let block = Block::new(store, client, data.clone(), source, options, limiter).unwrap();
    let mut memory = TestMemory::new(RAM);
    let driver = Driver::new(&[QUEUE_SIZE; QUEUES], &mut memory);
    let disk = (0..BLOCKS * 4096).map(|n| (n / 512) as u8 ^ n as u8).collect();
    let mut world = World {
        memory,
        driver,
        block,
        server,
        requests,
        responses,
        data,
        info: sink,
        disk,
        held: vec![],
        asked: vec![],
        last: Served::default(),
        now: Ticks(1_000_000),
    };
    let features = world.block.features();
    world.block.start(features);
    world
}

pub fn world() -> World {
    world_of(64, &storage(), Options::default(), Limiter::default())
}

impl World {
    /// Offers a request.
    pub fn ask(&mut self, queue: usize, kind: u32, sector: u64, given: &[&[u8]], room: &[u32]) {
        let mut header = vec![0; 16];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        let mut readable: Vec<&[u8]> = vec![&header];
        readable.extend(given);
        self.driver.offer(queue, &mut self.memory, &readable, room);
    }

    pub fn read(&mut self, sector: u64, length: u32) {
        self.ask(0, bits::kind::IN, sector, &[], &[length, 1]);
    }

    pub fn write(&mut self, sector: u64, bytes: &[u8]) {
        self.ask(0, bits::kind::OUT, sector, &[bytes], &[1]);
    }

    pub fn zero(&mut self, sector: u64, sectors: u32, flags: u32) {
        let mut range = sector.to_le_bytes().to_vec();
        range.extend(sectors.to_le_bytes());
        range.extend(flags.to_le_bytes());
        self.ask(0, bits::kind::WRITE_ZEROES, 0, &[&range], &[1]);
    }

    /// The device does its work.
    pub fn serve(&mut self) {
        self.last = self.block.serve(&mut self.driver.queues, &mut self.memory, self.now);
        assert!(self.last.fault.is_none(), "{:?}", self.last.fault);
    }

    /// The domain takes what was asked.
    pub fn take(&mut self) {
        while let Some((ticket, request)) = self.server.take().unwrap() {
            self.asked.push(request);
            self.held.push((ticket, request));
        }
    }

    /// The domain answers one of those it holds.
    pub fn answer(&mut self, index: usize) {
        let (ticket, request) = self.held.remove(index);
        let Lent { operation, buffer, block, count } = request;
        let (at, length) = (block as usize * 4096, usize::from(count) * 4096);
        assert!(at + length <= self.disk.len(), "{request:?} leaves the disk");
        match operation {
            Operation::Read => {
                self.data.write(buffer as usize, &self.disk[at..at + length]).unwrap()
            }
            Operation::Write => {
                self.data.read(buffer as usize, &mut self.disk[at..at + length]).unwrap();
            }
            Operation::Flush | Operation::Barrier => {}
        }
        self.server.answer(ticket, Status::Ok, count);
        let _notify = self.server.publish().unwrap();
    }

    /// Both go on until nothing moves.
    pub fn settle(&mut self) {
        loop {
            self.serve();
            self.take();
            if self.held.is_empty() {
                return;
            }
            while !self.held.is_empty() {
                self.answer(0);
            }
        }
    }

    /// The oldest answer: status and what was read before it.
    #[track_caller]
    pub fn answered(&mut self) -> (u8, Vec<u8>) {
        self.answered_on(0)
    }

    #[track_caller]
    pub fn answered_on(&mut self, queue: usize) -> (u8, Vec<u8>) {
        let (_, written, mut bytes) =
            self.driver.used_whole(queue, &self.memory).expect("an answer");
        let status = bytes.pop().expect("a status");
        // All of it, or nothing that could be taken for data.
        assert!(status != 0 || written > bytes.len() || written == 20, "{written}");
        assert!(status == 0 || written <= 1);
        (status, bytes)
    }

    /// The status of a request that reads nothing.
    #[track_caller]
    pub fn status(&mut self) -> u8 {
        self.answered().0
    }
}
