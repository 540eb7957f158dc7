//! What goes in comes out, in order, whatever the batches, wherever the
//! indices stand; and what a lying peer can do about it.

use std::collections::VecDeque;

use proptest::prelude::*;
use sddf::serial::{
    Consumer, Culprit, LayoutError, PeerError, Producer, Shared, Space, TransferError,
};
use shmem::{ReadWrite, Region};

struct Queue {
    header: Region<ReadWrite>,
    data: Region<ReadWrite>,
}

impl Queue {
    /// A queue whose indices already stand at `start`.
    fn new(capacity: usize, start: u32) -> Self {
        let queue = Queue { header: Region::host(4096), data: Region::host(capacity) };
        queue.set_tail(start);
        queue.set_head(start);
        queue
    }

    fn set_tail(&self, value: u32) {
        self.header.write_u32(0, value).unwrap();
    }

    fn set_head(&self, value: u32) {
        self.header.write_u32(4, value).unwrap();
    }

    fn signalled(&self) -> u32 {
        self.header.read_u32(8).unwrap()
    }

    fn producer(&self) -> Producer {
        Producer::attach(Shared::new(&self.header, self.data.clone()).unwrap()).unwrap()
    }

    fn consumer(&self) -> Consumer {
        Consumer::attach(Shared::new(&self.header, self.data.read_only()).unwrap()).unwrap()
    }
}

#[derive(Clone, Debug)]
enum Op {
    Enqueue(Vec<u8>),
    Stage(Vec<u8>),
    Publish,
    Dequeue(usize),
    Peek(usize),
    Consume(u32),
    RestartProducer,
    RestartConsumer,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        bytes().prop_map(Op::Enqueue),
        bytes().prop_map(Op::Stage),
        Just(Op::Publish),
        (0usize..40).prop_map(Op::Dequeue),
        (0usize..40).prop_map(Op::Peek),
        (0u32..40).prop_map(Op::Consume),
        Just(Op::RestartProducer),
        Just(Op::RestartConsumer),
    ]
}

fn starts() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), any::<u32>(), (u32::MAX - 60)..=u32::MAX]
}

proptest! {
    #[test]
    fn the_queue_is_a_bounded_fifo(
        ops in proptest::collection::vec(op(), 1..60),
        order in 0u32..6,
        start in starts(),
    ) {
        let capacity = 1usize << order;
        let queue = Queue::new(capacity, start);
        let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
        let mut visible: VecDeque<u8> = VecDeque::new();
        let mut staged: VecDeque<u8> = VecDeque::new();
        for op in ops {
            let room = capacity - visible.len() - staged.len();
            match op {
                Op::Enqueue(bytes) => {
                    let taken = producer.enqueue(&bytes).unwrap();
                    prop_assert_eq!(taken, bytes.len().min(room));
                    staged.extend(&bytes[..taken]);
                    if taken > 0 {
                        visible.append(&mut staged);
                    }
                }
                Op::Stage(bytes) => {
                    let taken = producer.stage(&bytes).unwrap();
                    prop_assert_eq!(taken, bytes.len().min(room));
                    staged.extend(&bytes[..taken]);
                }
                Op::Publish => {
                    producer.publish();
                    visible.append(&mut staged);
                }
                Op::Dequeue(n) => {
                    let mut into = vec![0; n];
                    let taken = consumer.dequeue(&mut into).unwrap();
                    let expected: Vec<u8> = visible.drain(..n.min(visible.len())).collect();
                    prop_assert_eq!(&into[..taken], &expected[..]);
                }
                Op::Peek(n) => {
                    let mut into = vec![0; n];
                    let seen = consumer.peek(&mut into).unwrap();
                    prop_assert!(visible.iter().take(n).eq(&into[..seen]));
                    prop_assert_eq!(seen, n.min(visible.len()));
                }
                Op::Consume(n) => {
                    let taken = consumer.consume(n).unwrap() as usize;
                    prop_assert_eq!(taken, (n as usize).min(visible.len()));
                    visible.drain(..taken);
                }
                // What was not published yet is lost with the producer.
                Op::RestartProducer => {
                    producer = queue.producer();
                    staged.clear();
                }
                Op::RestartConsumer => consumer = queue.consumer(),
            }
            prop_assert_eq!(consumer.len().unwrap() as usize, visible.len());
            prop_assert_eq!(producer.free().unwrap() as usize, capacity - visible.len() - staged.len());
        }
    }

    #[test]
    fn a_transfer_moves_the_oldest_bytes_from_region_to_region(
        orders in (0u32..6, 0u32..6),
        starts in (starts(), starts()),
        before in proptest::collection::vec(any::<u8>(), 0..40),
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        limit in 0u32..50,
    ) {
        let (from, to) = (Queue::new(1 << orders.0, starts.0), Queue::new(1 << orders.1, starts.1));
        let (mut source, mut sink) = (from.consumer(), to.producer());
        let there = sink.enqueue(&before).unwrap();
        let given = from.producer().enqueue(&bytes).unwrap();
        let room = (1 << orders.1) - there;
        let moved = source.transfer(&mut sink, limit).unwrap() as usize;
        prop_assert_eq!(moved, given.min(room).min(limit as usize));
        let mut out = vec![0; there + moved];
        prop_assert_eq!(to.consumer().dequeue(&mut out).unwrap(), there + moved);
        prop_assert_eq!(&out[..there], &before[..there]);
        prop_assert_eq!(&out[there..], &bytes[..moved]);
        let mut rest = vec![0; 64];
        let left = source.dequeue(&mut rest).unwrap();
        prop_assert_eq!(&rest[..left], &bytes[moved..given]);
    }

    /// Whatever is written into the header at any time: no panic, either an
    /// honest-looking result or the peer's error, and the error stays.
    #[test]
    fn a_peer_may_write_anything_anywhere(
        writes in proptest::collection::vec((0usize..3, prop_oneof![any::<u32>(), 0u32..100], any::<bool>()), 1..40),
    ) {
        let queue = Queue::new(64, 0);
        let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
        let (mut producer_broken, mut consumer_broken) = (None, None);
        for (word, value, turn) in writes {
            queue.header.write_u32(word * 4, value).unwrap();
            if turn {
                match producer.enqueue(b"some bytes") {
                    Ok(n) => prop_assert!(n <= 10 && producer_broken.is_none()),
                    Err(e) => {
                        prop_assert_eq!(e.culprit, Culprit::Consumer);
                        prop_assert_eq!(*producer_broken.get_or_insert(e), e);
                    }
                }
                let _ = producer.wait_for_space(32);
                let free = producer.free();
                prop_assert!(free.is_err() || free.unwrap() <= 64);
            } else {
                let mut into = [0; 100];
                match consumer.dequeue(&mut into) {
                    Ok(n) => prop_assert!(n <= 64 && consumer_broken.is_none()),
                    Err(e) => {
                        prop_assert_eq!(e.culprit, Culprit::Producer);
                        prop_assert_eq!(*consumer_broken.get_or_insert(e), e);
                    }
                }
                let _ = consumer.producer_waits();
            }
        }
    }
}

#[test]
fn a_tail_that_jumps_ends_the_connection() {
    let queue = Queue::new(64, 0);
    let mut consumer = queue.consumer();
    queue.set_tail(65);
    let lie = PeerError { culprit: Culprit::Producer, found: 65, from: 0, room: 64 };
    assert_eq!(consumer.len(), Err(lie));
    queue.set_tail(3);
    assert_eq!(consumer.len(), Err(lie), "a later honest value does not make up for it");
    assert_eq!(consumer.dequeue(&mut [0; 4]), Err(lie));
    assert_eq!(consumer.consume(1), Err(lie));
    assert!(!consumer.producer_waits());
    assert_eq!(
        lie.to_string(),
        "the queue's producer broke the protocol: tail 0x41 is not within 0x40 after 0x0"
    );
}

#[test]
fn a_tail_that_goes_back_ends_the_connection() {
    let queue = Queue::new(64, 10);
    let mut consumer = queue.consumer();
    queue.set_tail(20);
    assert_eq!(consumer.len(), Ok(10));
    queue.set_tail(19);
    assert_eq!(consumer.len().map_err(|e| e.from), Err(20));
}

#[test]
fn a_head_that_passes_what_was_published_ends_the_connection() {
    let queue = Queue::new(64, 0);
    let mut producer = queue.producer();
    producer.enqueue(b"abc").unwrap();
    producer.stage(b"def").unwrap();
    queue.set_head(4);
    let lie = PeerError { culprit: Culprit::Consumer, found: 4, from: 0, room: 3 };
    assert_eq!(producer.free(), Err(lie));
    assert_eq!(producer.enqueue(b"x"), Err(lie));
    assert_eq!(producer.wait_for_space(1), Err(lie));
    producer.publish();
    assert_eq!(queue.header.read_u32(0), Ok(3), "nothing more is published");
}

#[test]
fn a_head_that_goes_back_ends_the_connection() {
    let queue = Queue::new(64, 0);
    let mut producer = queue.producer();
    producer.enqueue(b"abc").unwrap();
    queue.set_head(2);
    assert_eq!(producer.free(), Ok(63));
    queue.set_head(1);
    assert!(producer.free().is_err());
}

#[test]
fn our_own_index_is_never_read_back() {
    let queue = Queue::new(64, 0);
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    producer.enqueue(b"abc").unwrap();
    queue.set_tail(40);
    producer.enqueue(b"def").unwrap();
    queue.set_head(30);
    let mut out = [0; 8];
    assert_eq!(consumer.dequeue(&mut out), Ok(6));
    assert_eq!(&out[..6], b"abcdef");
}

#[test]
fn regions_that_disagree_on_attaching_are_refused() {
    let queue = Queue::new(64, 0);
    queue.set_tail(65);
    let shared = || Shared::new(&queue.header, queue.data.clone()).unwrap();
    assert_eq!(
        Producer::attach(shared()).map(|_| ()).map_err(|e| e.culprit),
        Err(Culprit::Consumer)
    );
    let shared = Shared::new(&queue.header, queue.data.read_only()).unwrap();
    assert_eq!(Consumer::attach(shared).map(|_| ()).map_err(|e| e.culprit), Err(Culprit::Producer));
}

#[test]
fn a_capacity_is_a_power_of_two_and_the_header_fits() {
    let header = Region::host(4096);
    for size in [3, 0x3000, 4095] {
        assert_eq!(
            Shared::new(&header, Region::host(size)).map(|_| ()).unwrap_err(),
            LayoutError::Capacity { size }
        );
    }
    assert!(matches!(Shared::new(&Region::host(8), Region::host(64)), Err(LayoutError::Queue(_))));
    assert!(Shared::new(&Region::host(12), Region::host(1)).is_ok());
}

#[test]
fn a_producer_that_has_room_does_not_wait() {
    let queue = Queue::new(8, 0);
    let mut producer = queue.producer();
    producer.enqueue(b"abcd").unwrap();
    assert_eq!(producer.wait_for_space(4), Ok(Space::Available));
    assert_eq!(queue.signalled(), 1);
    assert!(!queue.consumer().producer_waits());
}

#[test]
fn a_producer_that_waits_is_signalled_once() {
    let queue = Queue::new(8, 0);
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    producer.enqueue(b"abcdefgh").unwrap();
    assert_eq!(producer.wait_for_space(1), Ok(Space::Wait));
    consumer.consume(3).unwrap();
    assert!(consumer.producer_waits());
    assert!(!consumer.producer_waits());
    assert_eq!(producer.wait_for_space(3), Ok(Space::Available));
}

#[test]
fn waiting_for_more_than_the_queue_holds_is_waiting_for_all_of_it() {
    let queue = Queue::new(8, 0);
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    producer.enqueue(b"a").unwrap();
    assert_eq!(producer.wait_for_space(100), Ok(Space::Wait));
    consumer.consume(1).unwrap();
    assert_eq!(producer.wait_for_space(100), Ok(Space::Available));
}

#[test]
fn a_transfer_names_the_queue_that_lied() {
    let (from, to) = (Queue::new(16, 0), Queue::new(16, 0));
    let (mut source, mut sink) = (from.consumer(), to.producer());
    from.set_tail(17);
    assert!(matches!(source.transfer(&mut sink, 4), Err(TransferError::Source(_))));

    let from = Queue::new(16, 0);
    let mut source = from.consumer();
    from.producer().enqueue(b"0123456789abcdef").unwrap();
    sink.enqueue(b"x").unwrap();
    to.set_head(2);
    assert!(matches!(source.transfer(&mut sink, 16), Err(TransferError::Sink(_))));
    assert_eq!(source.len(), Ok(16), "the bytes are still there");
}
