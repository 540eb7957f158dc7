//! Clients, a switch and a driver, over memory of this process.

use bulkhead_config::{ClientSet, Mac};
use net_virt_core::{Outcome, Policy, PortParts, SLOTS, Switch, UplinkParts, UplinkPolicy};
use sddf::net::{AttachError, BUFFER_SIZE, Borrower, Lender, Lent, Loan};
use shmem::{ReadWrite, Region};

/// Buffers of every data region.
pub const BUFFERS: usize = 8;
const SIZE: usize = BUFFERS * BUFFER_SIZE;
/// Where the driver believes the regions to be.
pub const RECEIVE_AT: u64 = 0x3000_0000;
pub const TRANSMIT_AT: u64 = 0x3100_0000;

pub fn mac(last: u8) -> Mac {
    Mac::new([0x52, 0x54, 0, 0, 0, last]).unwrap()
}

pub const BROADCAST: [u8; 6] = [0xFF; 6];

pub fn all(ports: impl IntoIterator<Item = usize>) -> ClientSet {
    let mut set = ClientSet::default();
    ports.into_iter().for_each(|port| set.insert(port));
    set
}

/// One direction's rings and data region.
pub struct Wire {
    pub out: Region<ReadWrite>,
    pub back: Region<ReadWrite>,
    pub data: Region<ReadWrite>,
    pub base: u64,
}

impl Wire {
    fn new(base: u64) -> Self {
        let ring = || Region::host(8 + 16 * BUFFERS);
        Wire { out: ring(), back: ring(), data: Region::host(SIZE), base }
    }

    pub fn lender<const N: usize>(&self) -> Lender<N> {
        Lender::new(&self.out, &self.back, self.base, SIZE).unwrap()
    }

    pub fn borrower<const N: usize>(&self) -> Result<Borrower<N>, AttachError> {
        Borrower::new(&self.out, &self.back, self.base, SIZE)
    }
}

/// A client.
pub struct Station {
    pub sends: Wire,
    pub hears: Wire,
    pub send: Lender<BUFFERS>,
    pub hear: Lender<BUFFERS>,
}

/// A frame: to, from, and something to tell it by.
pub fn frame(to: [u8; 6], from: Mac, length: usize, stamp: u8) -> Vec<u8> {
    let mut frame = [&to[..], &from.bytes(), &[0x08, 0x00]].concat();
    frame.resize(length, stamp);
    frame
}

impl Station {
    fn new() -> Self {
        let (sends, hears) = (Wire::new(0), Wire::new(0));
        let (send, hear) = (sends.lender(), hears.lender());
        let mut station = Station { sends, hears, send, hear };
        station.offer();
        station
    }

    /// Offers every buffer for reception that it has.
    pub fn offer(&mut self) {
        while let Some(buffer) = self.hear.take() {
            assert_eq!(self.hear.lend(buffer, 0), Ok(Lent::Yes));
        }
        let _ = self.hear.publish();
    }

    /// Sends a frame, if there is a buffer.
    ///
    /// # Returns
    /// Whether the switch must be notified, if there was.
    pub fn send(&mut self, frame: &[u8]) -> Option<bool> {
        while let Some((buffer, _)) = self.send.next_returned().unwrap() {
            self.send.keep(buffer);
        }
        let buffer = self.send.take()?;
        self.sends.data.write(buffer.offset(), frame).unwrap();
        assert_eq!(self.send.lend(buffer, frame.len() as u16), Ok(Lent::Yes));
        Some(self.send.publish())
    }

    /// What it heard, oldest first; the buffers are not offered again.
    pub fn heard(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some((buffer, length)) = self.hear.next_returned().unwrap() {
            let mut frame = vec![0; usize::from(length)];
            self.hears.data.read(buffer.offset(), &mut frame).unwrap();
            frames.push(frame);
            self.hear.keep(buffer);
        }
        frames
    }
}

/// The driver, played by hand.
pub struct Driver {
    pub receive: Borrower<BUFFERS>,
    pub transmit: Borrower<BUFFERS>,
    /// Buffers to receive into.
    empty: Vec<Loan>,
}

pub struct World {
    pub stations: Vec<Station>,
    pub receive: Wire,
    pub transmit: Wire,
    pub driver: Driver,
    pub policies: Vec<(Vec<Mac>, Policy)>,
    pub outside: UplinkPolicy,
    pub switch: Switch,
}

/// A port with one address, free to talk to all.
pub fn open(last: u8, ports: usize) -> (Vec<Mac>, Policy) {
    let peers = all((0..ports).filter(|&port| port + 1 != usize::from(last)));
    (vec![mac(last)], Policy { peers, uplink: true, ..Policy::default() })
}

impl World {
    pub fn new(policies: Vec<(Vec<Mac>, Policy)>) -> Self {
        World::with_outside(policies, UplinkPolicy::default())
    }

    pub fn with_outside(policies: Vec<(Vec<Mac>, Policy)>, outside: UplinkPolicy) -> Self {
        let stations: Vec<_> = policies.iter().map(|_| Station::new()).collect();
        let (receive, transmit) = (Wire::new(RECEIVE_AT), Wire::new(TRANSMIT_AT));
        let driver = Driver {
            receive: receive.borrower().unwrap(),
            transmit: transmit.borrower().unwrap(),
            empty: Vec::new(),
        };
        let switch = switch(&stations, &receive, &transmit, &policies, &outside);
        let mut world = World { stations, receive, transmit, driver, policies, outside, switch };
        let _ = world.serve();
        world
    }

    /// Three ports with addresses 1 to 3, free to talk to all.
    pub fn three() -> Self {
        World::new((1..=3).map(|last| open(last, 3)).collect())
    }

    pub fn restart(&mut self) {
        self.switch =
            switch(&self.stations, &self.receive, &self.transmit, &self.policies, &self.outside);
    }

    pub fn serve(&mut self) -> Outcome {
        self.serve_at(0)
    }

    /// Serves until there is nothing more to do; what was asked for together.
    pub fn serve_at(&mut self, now: u64) -> Outcome {
        let mut all = Outcome::default();
        for _ in 0..1000 {
            let outcome = self.switch.serve(now);
            all.driver |= outcome.driver;
            outcome.clients.iter().for_each(|client| all.clients.insert(client));
            all.complaints.extend(outcome.complaints);
            if !outcome.again {
                return all;
            }
        }
        panic!("it does not end");
    }

    /// A frame comes in from outside.
    pub fn arrive(&mut self, frame: &[u8]) {
        while let Some(loan) = self.driver.receive.take().unwrap() {
            self.driver.empty.push(loan);
        }
        let loan = self.driver.empty.remove(0);
        self.receive.data.write(loan.offset(), frame).unwrap();
        self.driver.receive.give_back(loan, frame.len() as u16);
        let _ = self.driver.receive.publish().unwrap();
    }

    /// What went outside, oldest first.
    pub fn left(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while let Some(loan) = self.driver.transmit.take().unwrap() {
            let mut frame = vec![0; usize::from(loan.length())];
            self.transmit.data.read(loan.offset(), &mut frame).unwrap();
            frames.push(frame);
            self.driver.transmit.give_back(loan, 0);
        }
        let _ = self.driver.transmit.publish().unwrap();
        frames
    }

    /// How many frames each station heard, and how many went outside.
    pub fn counts(&mut self) -> (Vec<usize>, usize) {
        let heard = self.stations.iter_mut().map(|station| station.heard().len()).collect();
        (heard, self.left().len())
    }
}

fn switch(
    stations: &[Station],
    receive: &Wire,
    transmit: &Wire,
    policies: &[(Vec<Mac>, Policy)],
    outside: &UplinkPolicy,
) -> Switch {
    let uplink = UplinkParts {
        transmit: transmit.lender::<SLOTS>(),
        transmit_data: transmit.data.clone(),
        receive: receive.lender::<SLOTS>(),
        receive_data: receive.data.read_only(),
    };
    let mut switch = Switch::default();
    switch.connect(uplink, outside.clone());
    for (station, (macs, policy)) in stations.iter().zip(policies) {
        let parts = station.sends.borrower().and_then(|sent| {
            Ok(PortParts {
                sent,
                sent_data: station.sends.data.read_only(),
                given: station.hears.borrower()?,
                given_data: station.hears.data.clone(),
            })
        });
        switch.add(macs, policy.clone(), parts).unwrap();
    }
    switch
}
