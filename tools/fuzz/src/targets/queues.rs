//! The serial queues and those who work on them, with peers that keep to the
//! protocol and peers that do not.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use sddf::serial::{Consumer, Culprit, PeerError, Producer, Shared, Space};
use serial_driver_core::{Driver, uart::Uart};
use serial_virt_core as sv;
use shmem::{ReadWrite, Region};

use super::input::{steps, take};
use crate::Target;

mod terminal;

#[path = "../../../../device-pds/serial-driver/core/tests/model/mod.rs"]
#[allow(dead_code, reason = "the driver's tests use more of it")]
mod slow;
#[path = "../../../../device-pds/serial-virt/core/tests/virt/world.rs"]
#[allow(dead_code, reason = "the virtualiser's tests use more of it")]
mod world;

pub(super) const QUEUE: Target = Target {
    runs: 60_000,
    ..Target::new("queue", "a queue keeps its bytes, and closes at the first lie", check_queue)
};

/// What means something to the virtualiser or to a terminal.
const PIECES: &[&[u8]] = &[
    b"a",
    b"some text",
    b"ends\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\x08",
    b"\x08\x08\x08\x08",
    b"\x1b[D",
    b"\x1b[9D",
    b"\x1b[3C",
    b"\x1b[K",
    b"\x1b[1K",
    b"\x1b[2J",
    b"\x1b[H",
    b"\x1b[1;1H",
    b"\x1b[2A",
    b"\x1b[31m",
    b"\x1b[0m",
    b"\x1b]0;",
    b"\x1b\\",
    b"\x1b[?25h",
    b"\x1bc",
    b"\x1b[",
    b"\x1b",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xc3",
    b"\x9b",
    b"\x0e",
    b"\x1c1",
    b"red| ",
];

pub(super) const VIRT: Target = Target {
    runs: 4_000,
    longest: 600,
    words: PIECES,
    ..Target::new("serial-virt", "no client draws on another's line or stops another", check_virt)
};

pub(super) const DRIVER: Target = Target {
    runs: 20_000,
    ..Target::new("serial-driver", "the wire gets what was queued, whatever peers do", check_driver)
};

const CAPACITY: usize = 16;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum QueueStep {
    Enqueue(u8),
    Stage(u8),
    Publish,
    Dequeue(u8),
    Peek(u8),
    Consume(u8),
    Wait(u8),
    Signal,
    /// The consumer's end is made anew, as after a restart.
    Attach,
    /// Somebody writes a word of the header.
    Lie(u8, u32),
}

/// Writes a word of a queue's header.
fn lie(header: &Region<ReadWrite>, word: u8, value: u32) {
    let at = usize::from(word % 3) * 4;
    header.write(at, &value.to_le_bytes()).expect("the header has three words");
}

fn check_queue(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let header = Region::<ReadWrite>::host(64);
    let data = Region::<ReadWrite>::host(CAPACITY);
    // Near the end of the indices as well as at their start.
    let start: u32 = take(&mut bytes);
    for word in 0..2 {
        lie(&header, word, start);
    }
    let writer = || Shared::new(&header, data.clone()).expect("a power of two");
    let reader = || Shared::new(&header, data.read_only()).expect("a power of two");
    let mut producer = Producer::attach(writer()).expect("an empty queue");
    let mut consumer = Consumer::attach(reader()).expect("an empty queue");
    let mut staged: VecDeque<u8> = VecDeque::new();
    let mut queued: VecDeque<u8> = VecDeque::new();
    let mut honest = true;
    // Whether the producer has asked to hear of room, and did not yet.
    let mut waits = false;
    // Where the consumer is.
    let mut head = start;
    let mut next = 0_u8;
    for step in steps(bytes) {
        let mut fresh = |count: u8| -> Vec<u8> {
            (0..count & 31)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect()
        };
        let result = match step {
            QueueStep::Enqueue(count) | QueueStep::Stage(count) => {
                let bytes = fresh(count);
                let publishes = matches!(step, QueueStep::Enqueue(_));
                let taken =
                    if publishes { producer.enqueue(&bytes) } else { producer.stage(&bytes) };
                taken.map(|taken| {
                    if honest {
                        let room = CAPACITY - queued.len() - staged.len();
                        assert_eq!(taken, bytes.len().min(room));
                    }
                    staged.extend(&bytes[..taken]);
                    if publishes && taken > 0 {
                        queued.append(&mut staged);
                    }
                })
            }
            QueueStep::Publish => {
                producer.publish();
                queued.append(&mut staged);
                Ok(())
            }
            QueueStep::Dequeue(count) | QueueStep::Peek(count) => {
                let mut into = vec![0; usize::from(count & 31)];
                let dequeues = matches!(step, QueueStep::Dequeue(_));
                let got =
                    if dequeues { consumer.dequeue(&mut into) } else { consumer.peek(&mut into) };
                got.map(|got| {
                    assert!(got <= CAPACITY);
                    if honest {
                        assert_eq!(got, into.len().min(queued.len()));
                        assert!(into[..got].iter().eq(queued.iter().take(got)));
                    }
                    if dequeues {
                        queued.drain(..got.min(queued.len()));
                        head = head.wrapping_add(got as u32);
                    }
                })
            }
            QueueStep::Consume(count) => consumer.consume(u32::from(count & 31)).map(|got| {
                assert!(got as usize <= CAPACITY);
                queued.drain(..(got as usize).min(queued.len()));
                head = head.wrapping_add(got);
            }),
            QueueStep::Wait(wanted) => producer.wait_for_space(wanted.into()).map(|space| {
                if honest {
                    let room = CAPACITY - queued.len() - staged.len();
                    let wanted = usize::from(wanted).min(CAPACITY);
                    assert_eq!(space == Space::Available, room >= wanted);
                }
                waits |= space == Space::Wait;
            }),
            QueueStep::Signal => {
                let heard = consumer.producer_waits();
                assert!(!honest || heard == waits, "the producer waits: {waits}, heard: {heard}");
                waits = false;
                Ok(())
            }
            QueueStep::Attach => Consumer::attach(reader()).map(|anew| consumer = anew),
            QueueStep::Lie(word, value) => {
                // Mostly close to the truth.
                let near = start.wrapping_add(value & 0x3f);
                let value = if value & 0xc0 == 0 { value } else { near };
                let was_honest = std::mem::replace(&mut honest, false);
                let tail = head.wrapping_add(queued.len() as u32);
                // What both have seen before it.
                let seen = (producer.free(), consumer.len());
                lie(&header, word, value);
                if was_honest && matches!(seen, (Ok(_), Ok(_))) {
                    first_lie(word, value, head, tail, &mut producer, &mut consumer)
                } else {
                    Ok(())
                }
            }
        };
        if let Err(error) = result {
            assert!(!honest, "{error} without a lie");
            assert!(matches!(error.culprit, Culprit::Producer | Culprit::Consumer));
            // It stays closed.
            match error.culprit {
                Culprit::Consumer => assert_eq!(producer.free(), Err(error)),
                Culprit::Producer if !matches!(step, QueueStep::Attach) => {
                    assert_eq!(consumer.len(), Err(error));
                }
                Culprit::Producer => {}
            }
            return;
        }
    }
}

/// The first lie: the end that it is for notices it, unless an honest peer could
/// have written the same. A tail may advance as far as there is room, a head up to
/// what was published: staged bytes are not the consumer's to take.
fn first_lie(
    word: u8,
    value: u32,
    head: u32,
    tail: u32,
    producer: &mut Producer,
    consumer: &mut Consumer,
) -> Result<(), PeerError> {
    let queued = tail.wrapping_sub(head);
    let (found, possible) = match word % 3 {
        0 => (consumer.len().map(drop), value.wrapping_sub(tail) <= CAPACITY as u32 - queued),
        1 => (producer.free().map(drop), value.wrapping_sub(head) <= queued),
        _ => return Ok(()),
    };
    assert_eq!(found.is_ok(), possible, "word {word} is {value:#x}: {head:#x} to {tail:#x}");
    found
}

#[derive(Arbitrary, Clone, Debug)]
enum VirtStep {
    /// A client says one of [`PIECES`], or these bytes.
    Say(bool, u8, [u8; 6]),
    Wire(u8),
    Type([u8; 3]),
    Read(bool),
    Lie(u8, u32),
}

const NAMES: [&str; 2] = ["red", "blue"];

/// What a client's queues hold, in bytes: `world` makes them so.
const TYPED_MAX: usize = 64;
const SAID_MAX: usize = 64;

/// What the driver's queue holds.
const WIRE: usize = 1024;

/// Bytes of others' that may come before a line: what the virtualiser promises for
/// two clients, and its own notes.
const BEFORE_A_LINE: usize =
    sv::IN_FLIGHT as usize + sv::LINE_MAX + sv::QUANTUM + sv::OUT_MAX + 512;

/// Ctrl-\.
const COMMAND: u8 = 0x1c;

/// Who gets what is typed, told again.
#[derive(Default)]
struct Keys {
    command: bool,
    selected: usize,
    /// What each client has not read.
    unread: [VecDeque<u8>; 2],
}

impl Keys {
    fn type_in(&mut self, keys: &[u8]) {
        for &key in keys {
            match (std::mem::take(&mut self.command), key) {
                (false, COMMAND) => self.command = true,
                (true, b'1') => self.selected = 0,
                (true, b'2') => self.selected = 1,
                (true, COMMAND) | (false, _) => {
                    let unread = &mut self.unread[self.selected];
                    if unread.len() < TYPED_MAX {
                        unread.push_back(key);
                    }
                }
                (true, _) => {}
            }
        }
    }
}

fn check_virt(bytes: &[u8]) {
    let mut world = world::World::new(&NAMES, WIRE, SAID_MAX);
    let mut honest = true;
    let mut keys = Keys::default();
    for step in steps(Unstructured::new(bytes)) {
        match step {
            VirtStep::Say(second, piece, any) => {
                let mut text = PIECES.get(usize::from(piece)).map_or(&any[..], |t| t).to_vec();
                // What separates name from text is the virtualiser's alone here, so
                // that where a name stands can be told.
                text.iter_mut().filter(|byte| **byte == b'|').for_each(|byte| *byte = b'!');
                // A client whose queue is closed has nobody to talk to.
                let _closed = world.clients[usize::from(second)].output.enqueue(&text);
                serve(&mut world, honest);
            }
            VirtStep::Wire(count) => world.send(count.into()),
            VirtStep::Type(typed) => {
                // Every other is part of a command.
                let key = |n: u8| match n & 15 {
                    0..3 => COMMAND,
                    3..12 => b'0' + (n & 15) - 3,
                    _ => n,
                };
                let typed = typed.map(key);
                world.type_in(&typed);
                keys.type_in(&typed);
            }
            VirtStep::Read(second) => {
                let mut into = [0; TYPED_MAX];
                let client = &mut world.clients[usize::from(second)];
                let got = client.input.dequeue(&mut into).unwrap_or(0);
                if honest {
                    let unread = &mut keys.unread[usize::from(second)];
                    let expected: Vec<u8> = unread.drain(..).collect();
                    assert_eq!(into[..got], expected, "what client {second} gets to read");
                }
            }
            // Only the first client lies.
            VirtStep::Lie(word, value) => {
                honest = false;
                let peer = &world.clients[0];
                let header = if word & 4 == 0 { &peer.output_header } else { &peer.input_header };
                lie(header, word & 3, value);
                world.serve();
            }
        }
    }
    world.settle();
    terminal::is_safe(&world.shown, &NAMES);
    // The second client is heard, whatever the first did and does.
    // That one talks without a pause, and faster than the wire.
    let flood = |world: &mut world::World| {
        while world.clients[0].output.enqueue(b"I talk and talk\n").is_ok_and(|taken| taken > 0) {}
        world.serve();
    };
    for _ in 0..2 * WIRE / SAID_MAX {
        flood(&mut world);
    }
    let before = world.shown.len();
    let _more_than_room = world.clients[1].output.enqueue(b"\nstill here\n");
    for _ in 0..BEFORE_A_LINE {
        flood(&mut world);
        world.send(16);
        if String::from_utf8_lossy(&world.shown[before..]).contains("still here") {
            break;
        }
        let waited = world.shown.len() - before;
        assert!(waited <= BEFORE_A_LINE, "{waited} bytes of another's, and not yet heard");
    }
    world.settle();
    let after = String::from_utf8_lossy(&world.shown[before..]).into_owned();
    assert!(after.contains("still here"), "{after:?}");
    terminal::is_safe(&world.shown, &NAMES);
}

/// The virtualiser does its work, and clients that wait for room in their queues
/// hear when there is some.
fn serve(world: &mut world::World, honest: bool) {
    let mut waits = [None; 2];
    for (wait, client) in waits.iter_mut().zip(&mut world.clients) {
        if let Ok(Space::Wait) = client.output.wait_for_space(SAID_MAX as u32) {
            *wait = client.output.free().ok();
        }
    }
    world.serve();
    for (number, (wait, client)) in waits.iter().zip(&mut world.clients).enumerate() {
        let (Some(before), Ok(now)) = (wait, client.output.free()) else { continue };
        let told = world.last.clients.iter().any(|client| client == number);
        assert!(!honest || now == *before || told, "client {number} waits for ever");
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum DriverStep {
    Queue(u8),
    Serve,
    /// The wire takes a byte; the receiver's time-out passes.
    Tick,
    Arrives(u8),
    Interrupt,
    Take(u8),
    Lie(bool, u8, u32),
}

/// Accesses to the port that one call may need: two FIFOs full, and then some.
const ACCESSES: usize = 400;

fn check_driver(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let wire = slow::Shared::default();
    wire.0.borrow_mut().quirk = take(&mut bytes);
    let queue = || (Region::<ReadWrite>::host(64), Region::<ReadWrite>::host(64));
    let ((transmit, t), (receive, r)) = (queue(), queue());
    let shared = |h: &Region<ReadWrite>, d: &Region<ReadWrite>| {
        (Shared::new(h, d.clone()).expect("fits"), Shared::new(h, d.read_only()).expect("fits"))
    };
    let (t_write, t_read) = shared(&transmit, &t);
    let (r_write, r_read) = shared(&receive, &r);
    let mut output = Producer::attach(t_write).expect("empty");
    let mut input = Consumer::attach(r_read).expect("empty");
    let mut driver = Driver::new(
        Uart::start(wire.clone()).expect("a port is there"),
        Consumer::attach(t_read).expect("empty"),
        Producer::attach(r_write).expect("empty"),
    );
    let (mut queued, mut honest) = (Vec::new(), true);
    let mut next = 0_u8;
    for step in steps(bytes) {
        let before = wire.0.borrow().accesses;
        match step {
            DriverStep::Queue(count) => {
                let bytes: Vec<u8> = (0..count & 63).map(|n| next.wrapping_add(n)).collect();
                next = next.wrapping_add(count & 63);
                let taken = output.enqueue(&bytes).unwrap_or(0);
                queued.extend(&bytes[..taken]);
                let _outcome = driver.serve();
            }
            DriverStep::Serve => {
                let _outcome = driver.serve();
            }
            DriverStep::Tick => wire.0.borrow_mut().tick(),
            DriverStep::Arrives(byte) => wire.0.borrow_mut().arrives(byte),
            DriverStep::Interrupt => {
                let delivered = wire.0.borrow_mut().deliver();
                if delivered {
                    wire.0.borrow_mut().masked = false;
                    let _outcome = driver.serve();
                }
            }
            DriverStep::Take(count) => {
                let mut into = vec![0; usize::from(count & 63)];
                let _closed = input.dequeue(&mut into);
                let _outcome = driver.serve();
            }
            DriverStep::Lie(transmits, word, value) => {
                honest = false;
                lie(if transmits { &transmit } else { &receive }, word, value);
                let _outcome = driver.serve();
            }
        }
        let accesses = wire.0.borrow().accesses - before;
        assert!(accesses < ACCESSES, "{accesses} accesses for {step:?}");
        if honest {
            let uart = wire.0.borrow();
            let sent: Vec<u8> = uart.sent.iter().chain(&uart.to_send).copied().collect();
            assert!(queued.starts_with(&sent), "{sent:?} of {queued:?}");
        }
    }
    if honest {
        // All that was queued is sent in the end, by interrupts alone.
        let _outcome = driver.serve();
        for _ in 0..2 * queued.len() + 64 {
            wire.0.borrow_mut().tick();
            if wire.0.borrow_mut().deliver() {
                wire.0.borrow_mut().masked = false;
                let _outcome = driver.serve();
            }
        }
        assert_eq!(wire.0.borrow().sent, queued);
    }
}
