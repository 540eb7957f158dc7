use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use shmem::{ReadWrite, Region};

use super::*;
use crate::devices::virtio::testing::{Driver, RAM};
use crate::memory::{GuestMemory as _, TestMemory};
use crate::types::Gpa;

struct World {
    memory: TestMemory,
    driver: Driver,
    console: Console,
    shown: Consumer<Shared<Read>>,
    typed: Producer,
    headers: [Region<ReadWrite>; 2],
    last: Served,
}

fn world(size: usize) -> World {
    let headers = [Region::host(64), Region::host(64)];
    let [output, input] = [Region::host(size), Region::host(size)];
    let ends = |header: &Region<ReadWrite>, data: &Region<ReadWrite>| {
        let producer = Producer::attach(Shared::new(header, data.clone()).unwrap()).unwrap();
        let consumer = Consumer::attach(Shared::new(header, data.read_only()).unwrap()).unwrap();
        (producer, consumer)
    };
    let (ours, shown) = ends(&headers[0], &output);
    let (typed, read) = ends(&headers[1], &input);
    let mut memory = TestMemory::new(RAM);
    let driver = Driver::new(&[SIZE; 2], &mut memory);
    let console = Console::new(ours, read);
    World { memory, driver, console, shown, typed, headers, last: Served::default() }
}

impl World {
    fn serve(&mut self) {
        self.last = self.console.serve(&mut self.driver.queues, &mut self.memory, Ticks(0));
        assert!(self.last.fault.is_none(), "{:?}", self.last.fault);
    }

    fn write(&mut self, parts: &[&[u8]]) {
        self.driver.offer(TRANSMIT, &mut self.memory, parts, &[]);
    }

    fn shown(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let count = self.shown.dequeue(&mut bytes).unwrap();
        let _waits = self.shown.producer_waits();
        bytes.truncate(count);
        bytes
    }

    fn finished(&mut self) -> usize {
        core::iter::from_fn(|| self.driver.used(TRANSMIT, &self.memory)).count()
    }
}

#[test]
fn what_the_guest_writes_is_shown_in_order() {
    let mut w = world(256);
    w.write(&[b"hello, ", b"world"]);
    w.write(&[b"\n"]);
    w.serve();
    assert!(w.last.ring);
    assert_eq!(w.shown(), b"hello, world\n");
    assert_eq!(w.finished(), 2);
    w.serve();
    assert!(!w.last.ring, "nothing new");
}

#[test]
fn more_than_there_is_room_for_waits() {
    let mut w = world(64);
    let text: Vec<u8> = (0..200).collect();
    w.write(&[&text[..150], &text[150..]]);
    w.write(&[b"end"]);
    let mut all = vec![];
    for _ in 0..10 {
        w.serve();
        all.extend(w.shown());
    }
    assert_eq!(all, [&text[..], b"end"].concat());
    assert_eq!(w.finished(), 2);
}

#[test]
fn what_is_typed_reaches_the_guest_at_once_and_once() {
    let mut w = world(64);
    w.driver.offer(RECEIVE, &mut w.memory, &[], &[4, 100]);
    w.driver.offer(RECEIVE, &mut w.memory, &[], &[100]);
    w.serve();
    assert_eq!(w.driver.used(RECEIVE, &w.memory), None);
    assert_eq!(w.typed.enqueue(b"ls -l\n"), Ok(6));
    w.serve();
    assert_eq!(w.driver.used(RECEIVE, &w.memory).unwrap().1, b"ls -l\n");
    assert_eq!(w.driver.queues.take_interrupts(), 1 << RECEIVE);
    // Without buffers it waits.
    assert_eq!(w.typed.enqueue(&[b'x'; 64]), Ok(64));
    w.driver.offer(RECEIVE, &mut w.memory, &[], &[10]);
    w.serve();
    assert_eq!(w.driver.used(RECEIVE, &w.memory).unwrap().1.len(), 64);
    assert_eq!(w.driver.used(RECEIVE, &w.memory), None);
}

#[test]
fn a_reset_forgets_what_was_half_written() {
    let mut w = world(64);
    w.write(&[&[b'a'; 100]]);
    w.serve();
    w.console.reset();
    w.memory = TestMemory::new(RAM);
    w.driver = Driver::new(&[SIZE; 2], &mut w.memory);
    assert_eq!(w.shown(), [b'a'; 64]);
    w.write(&[b"b"]);
    w.serve();
    assert_eq!(w.shown(), b"b");
    assert_eq!(w.finished(), 1);
}

#[test]
fn buffers_of_the_wrong_direction_come_back() {
    let mut w = world(64);
    w.driver.offer(TRANSMIT, &mut w.memory, &[], &[10]);
    w.driver.offer(RECEIVE, &mut w.memory, &[b"full"], &[]);
    w.driver.offer(RECEIVE, &mut w.memory, &[], &[10]);
    let _queued = w.typed.enqueue(b"key");
    w.serve();
    assert_eq!(w.finished(), 1);
    assert_eq!(w.driver.used(RECEIVE, &w.memory).unwrap().1, b"");
    assert_eq!(w.driver.used(RECEIVE, &w.memory).unwrap().1, b"key");
}

#[test]
fn a_virtualiser_that_lies_is_closed_and_what_is_written_goes_nowhere() {
    // Of the output its head, of the input its tail.
    for (header, offset, value) in [(0, 4, 5000), (0, 4, u32::MAX), (1, 0, 5000), (1, 0, u32::MAX)]
    {
        let mut w = world(64);
        w.driver.offer(RECEIVE, &mut w.memory, &[], &[100]);
        w.headers[header].write_u32(offset, value).unwrap();
        w.write(&[&[b'x'; 200]]);
        w.serve();
        let breach = w.console.breach().map(|b| b.to_string()).expect("a culprit");
        assert!(breach.contains("broke the protocol"), "{breach}");
        assert_eq!(w.finished(), 1);
        w.write(&[b"more"]);
        w.serve();
        assert_eq!(w.finished(), 1);
        assert!(!w.last.ring);
    }
}

#[test]
fn a_broken_queue_is_the_drivers_fault() {
    for queue in [RECEIVE, TRANSMIT] {
        let mut w = world(64);
        let _queued = w.typed.enqueue(b"key");
        w.memory.write_u16(Gpa(0x4000 * queue as u64 + 0x1002), 500).unwrap();
        let served = w.console.serve(&mut w.driver.queues, &mut w.memory, Ticks(0));
        assert!(matches!(served.fault, Some(Fault::Index { found: 500, .. })), "{served:?}");
    }
}

proptest! {
    /// All bytes arrive, once and in order, both ways.
    #[test]
    fn no_byte_is_lost_or_repeated(
        size in 4..10_u32,
        written in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..30),
        rooms in prop::collection::vec(1..100_u32, 1..30),
    ) {
        let mut w = world(1 << size);
        let (mut shown, mut typed, mut read) = (vec![], 0_u8, vec![]);
        for chunk in &written {
            w.write(&[chunk]);
            w.driver.offer(RECEIVE, &mut w.memory, &[], &[rooms[shown.len() % rooms.len()]]);
            let sent = w.typed.enqueue(&[typed, typed.wrapping_add(1)]).unwrap();
            typed = typed.wrapping_add(sent as u8);
            w.serve();
            shown.extend(w.shown());
            while let Some((_, bytes)) = w.driver.used(RECEIVE, &w.memory) {
                read.extend(bytes);
            }
        }
        for _ in 0..500 {
            w.serve();
            shown.extend(w.shown());
        }
        prop_assert_eq!(shown, written.concat());
        let expected: Vec<u8> = (0..read.len()).map(|n| n as u8).collect();
        prop_assert_eq!(read, expected);
    }
}
