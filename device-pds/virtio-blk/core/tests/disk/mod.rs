//! A disk behind a device, and everything around the driver.

use sddf::block::{
    Client, Completion, Data, DataRegions, InfoSink, InfoSource, Operation, Outcome, Request,
    Server, Submitted, Window,
};
use shmem::{ReadWrite, Region};
use virtio_blk_core::{BUFFER, Driver, Memory, RING_PAGES, SLOTS};
use virtio_hal::{
    DeviceType, StartError, Transport, VERSION_1,
    testing::{Behaviour, Device, Faults, REGISTERS, REGISTERS_SIZE, ThreadPool, pool, structures},
};

/// Slots of the rings.
const N: usize = 64;
/// Blocks of the disk, and some sectors that are no block.
pub const BLOCKS: u64 = 300;
const SECTORS: usize = 300 * 8 + 5;
/// The data region as requests address it: no address of the device's.
pub const DATA: u64 = 1 << 40;
pub const DATA_SIZE: usize = 512 << 10;

/// A disk.
pub struct Disk {
    pub bytes: Vec<u8>,
    pub features: u64,
    /// Requests that it got, and flushes.
    pub seen: u32,
    pub flushes: u32,
    /// What it is called, and says of being asked.
    pub name: [u8; 20],
    pub name_status: u8,
    /// What it says of each.
    pub status: u8,
    /// Writes no more than that.
    pub short: Option<usize>,
}

impl Behaviour for Disk {
    fn features(&self) -> u64 {
        self.features
    }

    fn config(&self) -> Vec<u8> {
        (SECTORS as u64).to_le_bytes().into()
    }

    fn handle(&mut self, queue: u16, read: &[u8], room: usize) -> Vec<u8> {
        assert_eq!(queue, 0);
        let (header, data) = read.split_at(16);
        let kind = u32::from_le_bytes(header[..4].try_into().unwrap());
        if kind == 8 {
            assert_eq!((room, data), (21, &[][..]));
            let mut name = self.name.to_vec();
            name.push(self.name_status);
            return name;
        }
        self.seen += 1;
        let at = u64::from_le_bytes(header[8..].try_into().unwrap()) as usize * 512;
        let mut answer = vec![0; room - 1];
        match kind {
            0 => answer.copy_from_slice(&self.bytes[at..at + room - 1]),
            1 => self.bytes[at..at + data.len()].copy_from_slice(data),
            4 => {
                assert_eq!(at, 0);
                self.flushes += 1;
            }
            _ => panic!("request {kind}"),
        }
        answer.push(self.status);
        answer.truncate(self.short.unwrap_or(room));
        answer
    }
}

pub type Model = Device<Disk>;

pub struct Bench {
    pub device: Model,
    pub driver: Driver<ThreadPool, Model>,
    pub data: Region<ReadWrite>,
    pub requests: Region<ReadWrite>,
    pub server: Server<N>,
    client: Client<u32, N>,
    pub sink: InfoSink,
    pub info: InfoSource,
}

/// Starts a driver of a device that was changed.
fn start(
    change: impl FnOnce(&mut Disk, &mut Faults),
    data: &Region<ReadWrite>,
) -> (Model, Result<Driver<ThreadPool, Model>, StartError>) {
    let (region, buffers) = pool(RING_PAGES, SLOTS, BUFFER);
    let features = VERSION_1 | 1 << 9 | 1 << 28 | 1 << 29 | 1;
    let bytes = vec![0; SECTORS * 512];
    let (name, name_status) = (*b"a disk's serial\0\0\0\0\0", 0);
    let (seen, flushes, status, short) = (0, 0, 0, None);
    let disk = Disk { bytes, features, seen, flushes, name, name_status, status, short };
    let device = Device::new(disk, &region);
    {
        let mut state = device.0.borrow_mut();
        let state = &mut *state;
        change(&mut state.behaviour, &mut state.faults);
    }
    let window = Window { base: DATA, size: DATA_SIZE as u64 };
    let data = DataRegions::new([Data { window, region: data.clone() }]).unwrap();
    let memory = Memory { buffers: buffers.into_iter().collect(), data };
    let (kind, registers) = (DeviceType::Block, device.clone());
    let driver = Transport::new(kind, registers, REGISTERS, REGISTERS_SIZE, &structures())
        .and_then(|transport| Driver::start(transport, memory));
    (device, driver)
}

/// Why a driver does not start.
pub fn refused(change: impl FnOnce(&mut Disk, &mut Faults)) -> (Model, StartError) {
    let (device, driver) = start(change, &Region::host(DATA_SIZE));
    (device, driver.unwrap_err())
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(|_, _| {})
    }

    pub fn with(change: impl FnOnce(&mut Disk, &mut Faults)) -> Bench {
        let (requests, responses, page) =
            (Region::host(4096), Region::host(4096), Region::host(4096));
        let data = Region::host(DATA_SIZE);
        let sink = InfoSink::new(&page).unwrap();
        let (device, driver) = start(change, &data);
        let mut bench = Bench {
            device,
            driver: driver.unwrap(),
            data,
            server: Server::new(&requests, &responses).unwrap(),
            client: Client::new(&requests, &responses).unwrap(),
            requests,
            sink,
            info: InfoSource::new(&page.read_only()).unwrap(),
        };
        assert_eq!(bench.info.read(), None, "it is not known yet");
        bench.device.work();
        assert!(bench.serve(), "the other end hears of the disk");
        bench.driver.interrupted(&bench.sink);
        bench.device.0.borrow_mut().notified = 0;
        bench
    }

    /// Lets the driver work once.
    pub fn serve(&mut self) -> bool {
        self.driver.serve(&mut self.server, &self.sink).unwrap().notify
    }

    /// Lets driver and device work until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            self.driver.interrupted(&self.sink);
            self.serve();
            self.device.work();
        }
    }

    pub fn submit(&mut self, operation: Operation, buffer: u64, block: u64, count: u16) {
        let request = Request { operation, buffer, block, count };
        assert!(matches!(self.client.submit(request, 0).unwrap(), Submitted::Yes));
        // The driver looks by itself.
        let _ = self.client.publish();
    }

    pub fn answers(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.client.next_completion().unwrap())
            .map(|Completion { outcome, .. }| outcome)
            .collect()
    }

    /// One request, and its answer.
    pub fn ask(
        &mut self,
        operation: Operation,
        buffer: u64,
        block: u64,
        count: u16,
    ) -> Vec<Outcome> {
        self.submit(operation, buffer, block, count);
        self.settle();
        self.answers()
    }

    /// What is on the disk.
    pub fn sectors(&self, first: usize, count: usize) -> Vec<u8> {
        self.device.0.borrow().behaviour.bytes[first * 512..][..count * 512].into()
    }
}
