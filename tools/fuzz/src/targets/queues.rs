//! The serial queues and those who work on them, with peers that keep to the
//! protocol and peers that do not.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use sddf::serial::{Consumer, Culprit, Producer, Shared, Space};
use serial_driver_core::{Driver, uart::Uart};
use shmem::{ReadWrite, Region};

use super::input::{steps, take};
use crate::Target;

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

pub(super) const VIRT: Target = Target {
    runs: 4_000,
    longest: 600,
    words: &[
        b"\x1b[2J",
        b"\x1b[H",
        b"\x1b[1;1H",
        b"\x1b]0;",
        b"\x1b[?25h",
        b"\x1bc",
        b"\x1b[31m",
        b"\x1b[K",
        b"\xc2\x9b",
        b"\xe2\x80\xae",
        b"\r",
        b"\n",
        b"\x1c1",
        b"\x1c2",
        b"\x0e",
        b"\x9b",
    ],
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
                    }
                })
            }
            QueueStep::Consume(count) => consumer.consume(u32::from(count & 31)).map(|got| {
                assert!(got as usize <= CAPACITY);
                queued.drain(..(got as usize).min(queued.len()));
            }),
            QueueStep::Wait(wanted) => producer.wait_for_space(wanted.into()).map(|space| {
                if honest {
                    let room = CAPACITY - queued.len() - staged.len();
                    let wanted = usize::from(wanted).min(CAPACITY);
                    assert_eq!(space == Space::Available, room >= wanted);
                }
            }),
            QueueStep::Signal => {
                let _waits = consumer.producer_waits();
                Ok(())
            }
            QueueStep::Attach => Consumer::attach(reader()).map(|anew| consumer = anew),
            QueueStep::Lie(word, value) => {
                honest = false;
                // Mostly close to the truth.
                let near = start.wrapping_add(value & 0x3f);
                lie(&header, word, if value & 0xc0 == 0 { value } else { near });
                Ok(())
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

#[derive(Arbitrary, Clone, Debug)]
enum VirtStep {
    /// A client says so many of the bytes that follow.
    Say(bool, [u8; 6]),
    Wire(u8),
    Type([u8; 3]),
    Read(bool),
    Lie(u8, u32),
}

fn check_virt(bytes: &[u8]) {
    const NAMES: [&str; 2] = ["red", "blue"];
    let mut world = world::World::new(&NAMES, 1024, 64);
    let mut honest = true;
    for step in steps(Unstructured::new(bytes)) {
        match step {
            VirtStep::Say(second, text) => {
                // A client whose queue is closed has nobody to talk to.
                let _closed = world.clients[usize::from(second)].output.enqueue(&text);
                world.serve();
            }
            VirtStep::Wire(count) => world.send(count.into()),
            VirtStep::Type(keys) => world.type_in(&keys),
            VirtStep::Read(second) => {
                let mut into = [0; 64];
                let _closed = world.clients[usize::from(second)].input.dequeue(&mut into);
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
    terminal_is_safe(&world.shown);
    if honest {
        let lines = world.lines();
        let owned = |line: &String| line.is_empty() || NAMES.iter().any(|name| line.contains(name));
        assert!(lines.iter().all(owned), "{lines:?}");
    }
    // The second client is heard, whatever the first did.
    let before = world.shown.len();
    let _more_than_room = world.clients[1].output.enqueue(b"\nstill here\n");
    world.serve();
    world.settle();
    let after = String::from_utf8_lossy(&world.shown[before..]).into_owned();
    assert!(after.contains("still here"), "{after:?}");
}

/// Nothing but text, line ends and what moves within a line.
fn terminal_is_safe(shown: &[u8]) {
    let text = std::str::from_utf8(shown).expect("the terminal gets UTF-8");
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "an escape that is no control sequence");
                let last = rest.by_ref().find(|c| !matches!(c, '0'..='9' | ';' | ':'));
                assert!(
                    matches!(last, Some('m' | 'C' | 'D' | 'K' | 'J')),
                    "a control sequence ends with {last:?}"
                );
            }
            '\n' | '\r' | '\t' | '\u{7}' | '\u{8}' => {}
            c => assert!(!c.is_control(), "{c:?} reaches the terminal"),
        }
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
