//! Clients at one end, the bytes on the wire at the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proptest::prelude::*;
use sddf::serial::{ASKED, Consumer, LINKS_DOWN, Producer, Shared};
use serial_driver_core::uart::{Ports, Register, Uart};
use shmem::{ReadWrite, Region};
use statistics::{Counter, Exit, REASONS, Reader, Recorder};
use status_core::{FRAME_MAX, LINE_MAX, LINKS, REQUEST, Status, Subject};

/// A port that takes sixteen bytes, and is ready again after some polls.
#[derive(Default)]
struct Port {
    sent: Vec<u8>,
    scratch: u8,
    polls: u32,
    batch: usize,
    stuck: bool,
    accesses: u64,
    typed: VecDeque<u8>,
    interrupts: u8,
    enabled: Vec<u8>,
}

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Port>>);

impl Ports for Wire {
    fn read(&mut self, register: Register) -> u8 {
        let mut port = self.0.borrow_mut();
        port.accesses += 1;
        match register {
            Register::Scratch => port.scratch,
            Register::InterruptIdentification => 0xc1,
            Register::LineStatus => {
                port.polls += 1;
                let ready = u8::from(!port.typed.is_empty());
                if port.stuck || !port.polls.is_multiple_of(3) {
                    return ready;
                }
                port.batch = 0;
                0x60 | ready
            }
            Register::Data => port.typed.pop_front().unwrap_or(0),
            _ => 0,
        }
    }

    fn write(&mut self, register: Register, value: u8) {
        let mut port = self.0.borrow_mut();
        match register {
            Register::Scratch => port.scratch = value,
            Register::InterruptEnable => {
                port.interrupts = value;
                port.enabled.push(value);
            }
            Register::Data if value != 1 || !port.sent.is_empty() => {
                port.batch += 1;
                assert!(port.batch <= 16, "the FIFO overruns");
                port.sent.push(value);
            }
            _ => {}
        }
    }
}

struct World {
    wire: Wire,
    status: Status<Wire>,
    clients: Vec<(Producer, Region<ReadWrite>)>,
    pages: Vec<Region<ReadWrite>>,
}

impl World {
    fn new(names: &[&str], capacity: usize) -> Self {
        World::of(true, names, capacity)
    }

    fn of(guests: bool, names: &[&str], capacity: usize) -> Self {
        let wire = Wire::default();
        let mut status = Status::new(Uart::start(wire.clone()).unwrap());
        let pages: Vec<_> = names.iter().map(|_| Region::host(4096)).collect();
        let clients = names
            .iter()
            .zip(&pages)
            .map(|(name, page)| {
                let reader = Reader::new(&page.read_only()).unwrap();
                let (header, data) = (Region::host(4096), Region::host(capacity));
                let consumer = Consumer::attach(Shared::new(&header, data.read_only()).unwrap());
                let name = (*name).try_into().unwrap();
                let asked = header.word32(ASKED).unwrap();
                let subject = match guests {
                    true => Subject::Guest { statistics: Some(reader), asked },
                    false => Subject::Domain,
                };
                status.add(name, subject, consumer).unwrap();
                (Producer::attach(Shared::new(&header, data).unwrap()).unwrap(), header)
            })
            .collect();
        status.listen();
        World { wire, status, clients, pages }
    }

    fn say(&mut self, client: usize, bytes: &[u8]) -> usize {
        self.clients[client].0.enqueue(bytes).unwrap()
    }

    fn serve(&mut self) -> Vec<usize> {
        let mut notified = vec![];
        self.status.serve(|client| notified.push(client));
        notified
    }

    /// Bytes arrive at the port; time is 5000.
    fn request(&mut self, bytes: &[u8]) -> Vec<usize> {
        let mut notified = vec![];
        self.wire.0.borrow_mut().typed.extend(bytes);
        self.status.interrupted(|| 5000, |client| notified.push(client));
        notified
    }

    fn frames(&self) -> Vec<String> {
        let sent = self.wire.0.borrow().sent.clone();
        let text = String::from_utf8(sent).expect("ASCII");
        let mut frames = vec![];
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let body = rest.strip_prefix('\x02').expect("a frame begins");
            let (frame, after) = body.split_once("\x03\n").expect("a frame ends");
            assert!(frame.bytes().all(|b| (b' '..=b'~').contains(&b)), "{frame:?}");
            assert!(frame.len() + 3 <= FRAME_MAX);
            frames.push(frame.to_string());
            rest = after;
        }
        frames
    }
}

#[test]
fn a_domain_s_line_is_a_report_whatever_it_says() {
    let mut world = World::of(false, &["ide"], 256);
    world.say(0, b"report : no disk\nfault kind=vm\nready\nreport : \n");
    world.serve();
    assert_eq!(
        world.frames(),
        [
            "pd ide report : no disk",
            "pd ide report : fault kind=vm",
            "pd ide report : ready",
            "pd ide report : "
        ]
    );
}

#[test]
fn a_line_becomes_a_frame_with_its_client_s_name() {
    let mut world = World::new(&["debian", "unit"], 256);
    world.say(0, b"started\n");
    world.say(1, b"stopped result=3 : debug exit\n");
    world.serve();
    assert_eq!(
        world.frames(),
        ["guest debian started", "guest unit stopped result=3 : debug exit"]
    );
}

#[test]
fn a_line_waits_for_its_end() {
    let mut world = World::new(&["a"], 256);
    world.say(0, b"star");
    world.serve();
    assert_eq!(world.frames(), [""; 0]);
    world.say(0, b"ted\nrep");
    world.serve();
    assert_eq!(world.frames(), ["guest a started"]);
}

#[test]
fn a_client_cannot_end_a_frame_or_speak_for_another() {
    let mut world = World::new(&["a", "b"], 256);
    world.say(0, b"x\x03\n\x02guest b stopped result=0\x03\n");
    world.serve();
    assert_eq!(world.frames(), ["guest a x?", "guest a ?guest b stopped result=0?"]);
}

#[test]
fn a_line_too_long_is_cut_and_the_next_is_whole() {
    let mut world = World::new(&["a"], 4096);
    world.say(0, &[b'x'; 1000]);
    world.say(0, b"\nnext\n");
    world.serve();
    let frames = world.frames();
    assert_eq!(frames[0].len(), "guest a ".len() + LINE_MAX);
    assert!(frames[0].ends_with("x..."));
    assert_eq!(frames[1], "guest a next");
}

#[test]
fn clients_take_turns_by_the_line() {
    let mut world = World::new(&["a", "b"], 1024);
    world.say(0, &b"flood\n".repeat(100));
    world.say(1, b"one\ntwo\n");
    world.serve();
    let frames = world.frames();
    assert_eq!(frames.len(), 102);
    assert_eq!(frames[1], "guest b one");
    assert_eq!(frames[3], "guest b two");
}

#[test]
fn a_client_that_waits_for_room_is_notified() {
    let mut world = World::new(&["a", "b"], 16);
    assert_eq!(world.say(1, &[b'x'; 20]), 16);
    let _ = world.clients[1].0.wait_for_space(1);
    assert_eq!(world.serve(), [1]);
    assert_eq!(world.serve(), [0; 0]);
}

#[test]
fn a_queue_that_lies_is_closed_by_name_and_the_rest_goes_on() {
    let mut world = World::new(&["bad", "good"], 256);
    world.clients[0].1.write_u32(0, 5000).unwrap();
    world.say(1, b"fine\n");
    world.serve();
    world.serve();
    let frames = world.frames();
    assert_eq!(frames.len(), 2);
    assert!(frames[0].starts_with("pd status report : client bad is closed, the queue's producer"));
    assert_eq!(frames[1], "guest good fine");
}

#[test]
fn a_port_that_is_stuck_costs_bounded_time_and_the_loss_is_told() {
    let mut world = World::new(&["a"], 4096);
    world.wire.0.borrow_mut().stuck = true;
    let before = world.wire.0.borrow().accesses;
    world.say(0, &b"lost\n".repeat(500));
    world.serve();
    assert!(world.wire.0.borrow().accesses - before < 12_000, "waited for once");
    world.wire.0.borrow_mut().stuck = false;
    // The model is ready at every third look.
    world.say(0, b"seen?\nseen?\nseen\n");
    world.serve();
    let frames = world.frames();
    assert!(frames[0].starts_with("pd status report : 50"), "{frames:?}");
    assert_eq!(frames.last().unwrap(), "guest a seen");
}

#[test]
fn a_request_is_answered_with_every_client_s_counters() {
    let mut world = World::new(&["a", "b"], 256);
    let recorder = Recorder::new(&world.pages[0], 1000).unwrap();
    recorder.set(Counter::Since, 0x1000);
    recorder.set(Counter::EnteredAt, 0);
    recorder.set(Counter::ReturnedAt, 0);
    for n in 0..10 {
        recorder.record(Exit {
            reason: 10,
            rip: 0x20_0000 + n,
            qualification: 3,
            guest_physical: 4,
        });
    }
    recorder.record(Exit { reason: 90, rip: 1, ..Exit::default() });
    world.request(&[REQUEST]);
    let frames = world.frames();
    assert_eq!(frames[0], "guest a counts c1=b c2=b c3=1000 r10=a r80=1");
    assert_eq!(frames[1], "guest a exit number=10 reason=90 rip=1 qual=0 gpa=0");
    assert_eq!(frames[2], "guest a exit number=9 reason=10 rip=200009 qual=3 gpa=4");
    assert_eq!(frames[8], "guest a exit number=3 reason=10 rip=200003 qual=3 gpa=4");
    assert_eq!(frames[9], "guest a counted now=1388 torn=0");
    assert_eq!(frames[10..], ["guest b counted : the VMM has not started counting"]);
}

#[test]
fn links_are_asked_for_of_the_vmm_that_is_meant_and_of_no_other() {
    let mut world = World::new(&["a", "b"], 256);
    let asked =
        |world: &World| [0, 1].map(|i: usize| world.clients[i].1.word32(ASKED).unwrap().load());
    assert_eq!(world.request(&[LINKS + 2]), [1]);
    assert_eq!(asked(&world), [0, LINKS_DOWN]);
    assert_eq!(world.request(&[LINKS, LINKS + 3]), [0, 1]);
    assert_eq!(asked(&world), [LINKS_DOWN, 0]);
    // Nobody has these numbers.
    assert_eq!(world.request(&[LINKS + 4, LINKS + 15, LINKS + 16, LINKS - 1]), [0; 0]);
    assert_eq!(World::of(false, &["ide"], 256).request(&[LINKS]), [0; 0]);
}

#[test]
fn a_flood_of_requests_gets_one_answer_an_interrupt_and_noise_none() {
    let mut world = World::new(&["a"], 256);
    world.request(&[0, 0xff, b'x', 2, 3]);
    assert_eq!(world.frames(), [""; 0]);
    world.request(&[REQUEST; 1000]);
    assert_eq!(world.frames().len(), 1);
    // What was left interrupts again.
    let port = world.wire.0.borrow();
    assert_eq!(port.typed.len(), 1000 - 64);
    assert_eq!((port.enabled.ends_with(&[0, 1]), port.interrupts), (true, 1));
}

#[test]
fn a_page_full_of_lies_is_shown_in_whole_frames() {
    let mut world = World::new(&["liar"], 256);
    world.pages[0].fill(0, 4096, 0xff).unwrap();
    world.pages[0].write_u64(0, 0x4248_5354_0000_0001).unwrap();
    world.request(&[REQUEST]);
    let frames = world.frames();
    assert!(frames.iter().all(|frame| frame.len() <= "guest liar ".len() + LINE_MAX));
    assert_eq!(frames.iter().filter(|f| f.contains(" exit number=")).count(), 8);
    // Every counter, every reason and the one for all others, and three words
    // of each exit shown.
    assert_eq!(
        frames.iter().map(|f| f.matches("=ffffffffffffffff").count()).sum::<usize>(),
        Counter::ALL.len() + REASONS + 1 + 3 * 8
    );
    assert!(frames.last().unwrap().starts_with("guest liar counted now=1388 torn="));
}

proptest! {
    /// Whatever clients write: frames only, whole, and each client's lines in
    /// order under its own name.
    #[test]
    fn the_wire_carries_whole_frames_only(
        writes in proptest::collection::vec(
            (0usize..3, proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..80), any::<bool>()),
            0..40,
        ),
    ) {
        let names = ["a", "b", "c"];
        let mut world = World::new(&names, 128);
        let mut said = [const { Vec::new() }; 3];
        for (client, bytes, serve) in writes {
            let taken = world.say(client, &bytes);
            said[client].extend_from_slice(&bytes[..taken]);
            if serve {
                world.serve();
            }
        }
        world.serve();
        let frames = world.frames();
        for (client, name) in names.iter().enumerate() {
            let lines: Vec<&[u8]> = said[client].split(|&b| b == b'\n').collect();
            let complete = &lines[..lines.len() - 1];
            let expected: Vec<usize> = complete.iter().map(|l| l.len().min(LINE_MAX)).filter(|&n| n > 0).collect();
            let prefix = format!("guest {name} ");
            let got: Vec<usize> = frames.iter().filter_map(|f| f.strip_prefix(&prefix)).map(str::len).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
