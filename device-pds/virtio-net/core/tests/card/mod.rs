//! A card behind a device, and everything around the driver.

use std::collections::VecDeque;

use sddf::net::{Borrower, Lender, Lent};
use shmem::{ReadWrite, Region};
use virtio_hal::{
    DeviceType, StartError, Transport, VERSION_1,
    testing::{Behaviour, Device, Faults, REGISTERS, REGISTERS_SIZE, ThreadPool, pool, structures},
};
use virtio_net_core::{BUFFER, Buffers, Driver, EACH, HEADER, Network, RING_PAGES};

pub const ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 0x10];

/// Slots of the rings.
const N: usize = 128;
/// Where the data regions are, as the other end says.
const RECEIVE: u64 = 1 << 40;
const TRANSMIT: u64 = 2 << 40;
/// Bytes of each: fewer buffers than the driver has.
const DATA_SIZE: usize = 32 * 2048;

/// A card.
pub struct Card {
    pub features: u64,
    /// Its link.
    pub is_up: bool,
    /// What it was given to send.
    pub sent: Vec<Vec<u8>>,
    /// What it is about to receive, with what it writes before.
    pub waiting: VecDeque<Vec<u8>>,
    /// It sends nothing now.
    pub stalls: bool,
}

impl Behaviour for Card {
    fn features(&self) -> u64 {
        self.features
    }

    fn config(&self) -> Vec<u8> {
        let mut config = Vec::from(ADDRESS);
        config.extend(u16::from(self.is_up).to_le_bytes());
        config
    }

    fn is_ready(&self, queue: u16) -> bool {
        if queue == 0 { !self.waiting.is_empty() } else { !self.stalls }
    }

    fn handle(&mut self, queue: u16, read: &[u8], room: usize) -> Vec<u8> {
        if queue == 0 {
            assert!(room >= 1526 && read.is_empty(), "virtio 1.2, 5.1.6.3.1");
            return self.waiting.pop_front().unwrap();
        }
        assert_eq!((room, &read[..HEADER]), (0, &[0; HEADER][..]), "nothing is asked for");
        self.sent.push(read[HEADER..].into());
        Vec::new()
    }
}

pub type Model = Device<Card>;

pub struct Bench {
    pub device: Model,
    pub driver: Driver<ThreadPool, Model>,
    pub network: Network<N>,
    receive: Lender<N>,
    transmit: Lender<N>,
    pub tx_active: Region<ReadWrite>,
    rx_data: Region<ReadWrite>,
    tx_data: Region<ReadWrite>,
    /// What came.
    pub came: Vec<Vec<u8>>,
}

fn start(
    change: impl FnOnce(&mut Card, &mut Faults),
) -> (Model, Result<Driver<ThreadPool, Model>, StartError>) {
    let (region, buffers) = pool(RING_PAGES, 2 * EACH, BUFFER);
    let features = VERSION_1 | 1 << 5 | 1 << 16 | 1 << 15 | 1 << 17 | 1 << 28 | 1 << 29 | 3;
    let card =
        Card { features, is_up: true, sent: vec![], waiting: VecDeque::new(), stalls: false };
    let device = Device::new(card, &region);
    {
        let mut state = device.0.borrow_mut();
        let state = &mut *state;
        change(&mut state.behaviour, &mut state.faults);
    }
    let mut all = buffers.into_iter();
    let buffers = Buffers { receive: all.by_ref().take(EACH).collect(), transmit: all.collect() };
    let (kind, registers) = (DeviceType::Network, device.clone());
    let driver = Transport::new(kind, registers, REGISTERS, REGISTERS_SIZE, &structures())
        .and_then(|transport| Driver::start(transport, buffers));
    (device, driver)
}

/// Why a driver does not start.
pub fn refused(change: impl FnOnce(&mut Card, &mut Faults)) -> (Model, StartError) {
    let (device, driver) = start(change);
    (device, driver.unwrap_err())
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(|_, _| {})
    }

    pub fn with(change: impl FnOnce(&mut Card, &mut Faults)) -> Bench {
        let queue = || Region::host(4096);
        let (rx_free, rx_active, tx_free, tx_active) = (queue(), queue(), queue(), queue());
        let (rx_data, tx_data) = (Region::host(DATA_SIZE), Region::host(DATA_SIZE));
        let lender = |out, back, base| Lender::new(out, back, base, DATA_SIZE).unwrap();
        let borrower = |out, back, base| Borrower::new(out, back, base, DATA_SIZE).unwrap();
        let network = Network {
            receive: borrower(&rx_free, &rx_active, RECEIVE),
            receive_data: rx_data.clone(),
            transmit: borrower(&tx_active, &tx_free, TRANSMIT),
            transmit_data: tx_data.read_only(),
        };
        let (device, driver) = start(change);
        Bench {
            device,
            driver: driver.unwrap(),
            network,
            receive: lender(&rx_free, &rx_active, RECEIVE),
            transmit: lender(&tx_active, &tx_free, TRANSMIT),
            tx_active,
            rx_data,
            tx_data,
            came: vec![],
        }
    }

    /// Lends every buffer that there is to receive into.
    pub fn lend(&mut self) {
        while let Some(buffer) = self.receive.take() {
            assert!(matches!(self.receive.lend(buffer, 0), Ok(Lent::Yes)));
        }
        let _ = self.receive.publish();
    }

    /// Lets the driver work until it has no more to do, and takes what came back.
    pub fn serve(&mut self) {
        while self.driver.serve(&mut self.network).unwrap().again {}
        while let Some((buffer, length)) = self.receive.next_returned().unwrap() {
            let mut frame = vec![0; length.into()];
            self.rx_data.read(buffer.offset(), &mut frame).unwrap();
            self.came.push(frame);
            self.receive.keep(buffer);
        }
        while let Some((buffer, _)) = self.transmit.next_returned().unwrap() {
            self.transmit.keep(buffer);
        }
    }

    /// Queues a frame; whether there was a buffer.
    pub fn queue(&mut self, frame: &[u8], length: usize) -> bool {
        let Some(buffer) = self.transmit.take() else { return false };
        self.tx_data.write(buffer.offset(), frame).unwrap();
        assert!(matches!(self.transmit.lend(buffer, length as u16), Ok(Lent::Yes)));
        let _ = self.transmit.publish();
        true
    }

    pub fn send(&mut self, frame: &[u8]) {
        assert!(self.queue(frame, frame.len()));
        self.serve();
    }

    /// The card receives; what it has no buffer for waits.
    pub fn inject(&mut self, frame: &[u8]) {
        let mut with_header = vec![0; HEADER];
        with_header.extend(frame);
        self.device.0.borrow_mut().behaviour.waiting.push_back(with_header);
        self.device.work();
    }

    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.device.0.borrow().behaviour.sent.clone()
    }
}
