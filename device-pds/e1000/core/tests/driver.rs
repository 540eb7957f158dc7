//! The driver against a model of the card that need not behave, with queues whose
//! other end need not either.

mod model;

use e1000_core::{Driver, Network, RING, RINGS_SIZE, RingError, Rings, StartError};
use proptest::prelude::*;
use sddf::net::{Borrower, Lender, Lent};
use shmem::{ReadWrite, Region};

use model::{ADDRESS, DATA_SIZE, Model, RECEIVE, RINGS, State, TRANSMIT};

/// Bytes of a queue's region: as many slots as the ring has descriptors.
const QUEUE: usize = 4096;

struct Bench {
    model: Model,
    driver: Driver<Model>,
    network: Network<RING>,
    receive: Lender<RING>,
    transmit: Lender<RING>,
    tx_active: Region<ReadWrite>,
    /// Offset and length of each buffer that came back.
    came: Vec<(usize, u16)>,
}

impl Bench {
    fn new() -> Bench {
        let rings = Region::host(RINGS_SIZE);
        let model = Model::new(&rings);
        let queue = || Region::host(QUEUE);
        let (rx_free, rx_active, tx_free, tx_active) = (queue(), queue(), queue(), queue());
        let lender = |out, back, base| Lender::new(out, back, base, DATA_SIZE).unwrap();
        let borrower = |out, back, base| Borrower::new(out, back, base, DATA_SIZE).unwrap();
        let network = Network {
            receive: borrower(&rx_free, &rx_active, RECEIVE),
            receive_base: RECEIVE,
            transmit: borrower(&tx_active, &tx_free, TRANSMIT),
            transmit_base: TRANSMIT,
        };
        let mut bench = Bench {
            driver: Driver::start(model.clone(), Rings::new(&rings, RINGS).unwrap()).unwrap(),
            model,
            network,
            receive: lender(&rx_free, &rx_active, RECEIVE),
            transmit: lender(&tx_active, &tx_free, TRANSMIT),
            tx_active,
            came: Vec::new(),
        };
        bench.lend();
        bench
    }

    /// Lends every buffer that there is to receive into, and lets the driver work.
    fn lend(&mut self) {
        while let Some(buffer) = self.receive.take() {
            assert!(matches!(self.receive.lend(buffer, 0), Ok(Lent::Yes)));
        }
        let _ = self.receive.publish();
        self.serve();
    }

    fn serve(&mut self) {
        self.driver.serve(&mut self.network).unwrap();
        while let Some((buffer, length)) = self.receive.next_returned().unwrap() {
            self.came.push((buffer.offset(), length));
            self.receive.keep(buffer);
        }
        while let Some((buffer, _)) = self.transmit.next_returned().unwrap() {
            self.transmit.keep(buffer);
        }
    }

    /// Queues a frame; whether there was a buffer.
    fn queue(&mut self, frame: &[u8]) -> bool {
        let Some(buffer) = self.transmit.take() else { return false };
        self.model.0.borrow_mut().transmit[buffer.offset()..][..frame.len()].copy_from_slice(frame);
        assert!(matches!(self.transmit.lend(buffer, frame.len() as u16), Ok(Lent::Yes)));
        true
    }

    fn send(&mut self, frame: &[u8]) {
        assert!(self.queue(frame));
        let _ = self.transmit.publish();
        self.serve();
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        self.model.0.borrow().sent.clone()
    }

    /// The card receives.
    fn inject(&mut self, frame: &[u8]) -> bool {
        let there = self.model.0.borrow_mut().inject(frame);
        self.serve();
        there
    }
}

fn frame(n: usize) -> Vec<u8> {
    (0..60 + n % 1400).map(|i| (i + n) as u8).collect()
}

#[test]
fn the_card_is_reset_whatever_a_predecessor_left_and_has_its_address() {
    let bench = Bench::new();
    assert_eq!(bench.driver.address(), ADDRESS);
    assert_eq!(bench.model.0.borrow().resets, 1);
}

#[test]
fn a_card_that_is_not_one_does_not_start() {
    type Change = fn(&mut State);
    let cases: [(Change, StartError); 4] = [
        (|state| state.stuck = true, StartError::Reset),
        (|state| state.mute = true, StartError::Address),
        (|state| state.address = [0; 6], StartError::Address),
        (|state| state.address = [1, 0, 0x5e, 0, 0, 1], StartError::Address),
    ];
    for (change, expected) in cases {
        let rings = Rings::new(&Region::host(RINGS_SIZE), RINGS).unwrap();
        let model = Model::new(&Region::host(RINGS_SIZE));
        change(&mut model.0.borrow_mut());
        assert_eq!(Driver::start(model, rings).map(|_| ()), Err(expected));
    }
}

#[test]
fn the_rings_lie_where_the_card_can_read_them() {
    let region = Region::host(RINGS_SIZE);
    for base in [8, u64::from(u32::MAX) - 0xff, 1 << 32, !15] {
        assert_eq!(Rings::new(&region, base).map(|_| ()), Err(RingError::Place { base }));
    }
    let size = RINGS_SIZE - 1;
    let small = Rings::new(&Region::host(size), RINGS).map(|_| ());
    assert_eq!(small, Err(RingError::Small { size }));
}

#[test]
fn frames_leave_and_come_as_they_are() {
    let mut bench = Bench::new();
    for n in 0..1000 {
        bench.send(&frame(n));
        assert!(bench.inject(&frame(n + 1)));
        let came: Vec<_> = bench.came.drain(..).collect();
        let [(offset, length)] = came[..] else { panic!("{came:?}") };
        let received = bench.model.0.borrow().receive[offset..][..length.into()].to_vec();
        assert_eq!(received, frame(n + 1));
        bench.lend();
    }
    assert_eq!(bench.sent(), (0..1000).map(frame).collect::<Vec<_>>());
    assert_eq!(bench.driver.dropped(), 0);
}

#[test]
fn more_frames_than_the_ring_has_room_for_leave_later() {
    let mut bench = Bench::new();
    bench.model.0.borrow_mut().slow = true;
    let queued = (0..2 * RING).take_while(|&n| bench.queue(&frame(n))).count();
    assert_eq!(queued, RING);
    let _ = bench.transmit.publish();
    bench.serve();
    bench.model.0.borrow_mut().transmit();
    assert!(bench.model.0.borrow().interrupts(), "the card tells that there is room");
    bench.serve();
    bench.model.0.borrow_mut().transmit();
    bench.serve();
    assert_eq!(bench.sent().len(), queued);
    assert_eq!(bench.transmit.unused(), RING, "every buffer came back");
    assert!(!bench.model.0.borrow().interrupts(), "nothing is left to tell");
}

#[test]
fn a_frame_that_cannot_be_sent_is_dropped_and_the_next_is_not() {
    let mut bench = Bench::new();
    for length in [0, 13, 1515, 2048] {
        bench.send(&vec![1; length]);
    }
    assert_eq!((bench.sent().len(), bench.driver.dropped()), (0, 4));
    bench.send(&[1; 14]);
    bench.send(&[1; 1514]);
    assert_eq!(bench.sent().len(), 2);
    assert_eq!(bench.transmit.unused(), RING);
}

#[test]
fn what_the_card_says_of_a_frame_is_believed_as_far_as_it_can_be() {
    for (lie, length) in [
        ((0, 0, 0), 100),
        ((0, 0, 1), 0),
        // Not the end of a frame.
        ((0, 2, 0), 0),
        ((2000, 0, 0), 0),
        ((u16::MAX - 99, 0, 0), 0),
        ((1948, 0, 0), 2048),
    ] {
        let mut bench = Bench::new();
        bench.model.0.borrow_mut().lie = lie;
        bench.inject(&[7; 100]);
        let lengths: Vec<u16> = bench.came.iter().map(|(_, length)| *length).collect();
        assert_eq!(lengths, [length], "{lie:?}");
    }
}

#[test]
fn without_buffers_frames_are_lost_and_with_some_they_come_again() {
    let mut bench = Bench::new();
    let taken = (0..2 * RING).take_while(|_| bench.inject(&[1; 60])).count();
    assert!((RING - 1..=RING).contains(&taken), "{taken}");
    bench.lend();
    assert!(bench.inject(&[2; 60]));
}

#[test]
fn the_link_is_told_of_when_it_changes() {
    let mut bench = Bench::new();
    bench.model.0.borrow_mut().link = false;
    let turn = bench.driver.serve(&mut bench.network).unwrap();
    assert_eq!(turn.link, Some(false));
    assert_eq!(bench.driver.serve(&mut bench.network).unwrap().link, None);
}

#[test]
fn a_queue_that_lies_stops_the_card() {
    let mut bench = Bench::new();
    // A frame from memory that is not the virtualiser's.
    bench.tx_active.write_u64(8, RINGS).unwrap();
    bench.tx_active.write_u16(0, 1).unwrap();
    assert!(bench.driver.serve(&mut bench.network).is_err());
    assert!(bench.sent().is_empty());
    assert!(!bench.model.0.borrow_mut().inject(&[1; 60]), "it receives nothing either");
}

/// What the card says of a frame, the frame's length, and whether one is sent
/// instead.
fn step() -> impl Strategy<Value = ((u16, u8, u8), usize, bool)> {
    (any::<(u16, u8, u8)>(), 0..1600usize, any::<bool>())
}

proptest! {
    #[test]
    fn no_buffer_is_lost_whatever_the_card_says(
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let mut bench = Bench::new();
        for ((more, status, errors), length, send) in steps {
            if send {
                bench.send(&vec![3; length]);
            } else {
                // Whether it is done with a descriptor is the one thing that it
                // could not lie about without standing still.
                bench.model.0.borrow_mut().lie = (more, status & !1, errors);
                bench.inject(&vec![4; length]);
                bench.lend();
            }
        }
        prop_assert_eq!(bench.transmit.unused(), RING);
        prop_assert_eq!(bench.receive.unused(), 0);
    }
}
