//! A device with an honest driver before it and a virtualiser behind it.

use std::vec;
use std::vec::Vec;

use sddf::net::{Borrower, Loan};

use super::super::*;
use crate::devices::virtio::testing::{Driver, RAM};
use crate::memory::TestMemory;

pub struct World {
    pub memory: TestMemory,
    pub driver: Driver,
    pub net: Net,
    /// The virtualiser's ends: of what the guest receives and sends.
    pub receive: Borrower<256>,
    pub transmit: Borrower<256>,
    pub rings: [Region<ReadWrite>; 4],
    pub receive_data: Region<ReadWrite>,
    pub transmit_data: Region<ReadWrite>,
    /// Buffers that the virtualiser may fill.
    pub empty: Vec<Loan>,
    pub last: Served,
    pub now: Ticks,
}

pub const OPTIONS: Options = Options { mac: [2, 0, 0, 0, 0, 7], mtu: 1500 };

/// With so many buffers in each direction.
pub fn world_of(buffers: usize, features: u64, limiter: Limiter) -> World {
    let ring = || Region::host(4096);
    let rings = [ring(), ring(), ring(), ring()];
    let [rx_free, rx_active, tx_free, tx_active] = &rings;
    let size = buffers * 2048;
    let (receive_data, transmit_data) = (Region::host(size), Region::host(size));
    let receive = Direction {
        lender: Lender::new(rx_free, rx_active, 0, size).unwrap(),
        data: receive_data.clone(),
        limiter: limiter.clone(),
    };
    let transmit = Direction {
        lender: Lender::new(tx_active, tx_free, 0, size).unwrap(),
        data: transmit_data.clone(),
        limiter,
    };
    let mut net = Net::new(receive, transmit, OPTIONS);
    net.start(features);
    let mut memory = TestMemory::new(RAM);
    let driver = Driver::new(&[QUEUE_SIZE; 2], &mut memory);
    let mut world = World {
        memory,
        driver,
        net,
        receive: Borrower::new(rx_free, rx_active, 0, size).unwrap(),
        transmit: Borrower::new(tx_active, tx_free, 0, size).unwrap(),
        rings,
        receive_data,
        transmit_data,
        empty: vec![],
        last: Served::default(),
        now: Ticks(1_000_000),
    };
    world.serve();
    world
}

pub fn world() -> World {
    world_of(8, u64::MAX, Limiter::default())
}

impl World {
    pub fn serve(&mut self) {
        self.last = self.net.serve(&mut self.driver.queues, &mut self.memory, self.now);
        assert!(self.last.fault.is_none(), "{:?}", self.last.fault);
    }

    /// The driver sends a frame, its header in a buffer of its own.
    pub fn send(&mut self, header: [u8; 12], frame: &[&[u8]]) {
        let mut readable: Vec<&[u8]> = vec![&header];
        readable.extend(frame);
        self.driver.offer(TRANSMIT, &mut self.memory, &readable, &[]);
    }

    /// What the virtualiser has been sent, given back.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut frames = vec![];
        while let Some(loan) = self.transmit.take().unwrap() {
            let mut frame = vec![0; loan.length().into()];
            self.transmit_data.read(loan.offset(), &mut frame).unwrap();
            frames.push(frame);
            self.transmit.give_back(loan, 0);
        }
        let _notify = self.transmit.publish().unwrap();
        frames
    }

    /// A frame arrives.
    ///
    /// # Returns
    /// Whether there was a buffer for it.
    pub fn arrive(&mut self, frame: &[u8]) -> bool {
        while let Some(loan) = self.receive.take().unwrap() {
            self.empty.push(loan);
        }
        if self.empty.is_empty() {
            return false;
        }
        let loan = self.empty.remove(0);
        self.receive_data.write(loan.offset(), frame).unwrap();
        self.receive.give_back(loan, frame.len() as u16);
        let _notify = self.receive.publish().unwrap();
        true
    }

    /// Lends buffers for a frame to come.
    pub fn room(&mut self, lengths: &[u32]) {
        self.driver.offer(RECEIVE, &mut self.memory, &[], lengths);
    }

    /// What came back of the receive queue.
    pub fn received(&mut self) -> Option<Vec<u8>> {
        self.driver.used(RECEIVE, &self.memory).map(|(_, bytes)| bytes)
    }

    /// Frames that the driver knows to be sent.
    pub fn finished(&mut self) -> usize {
        core::iter::from_fn(|| self.driver.used(TRANSMIT, &self.memory)).count()
    }
}

/// A frame of a length.
pub fn frame(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(31) ^ salt).collect()
}
