//! Several clients share a terminal.

use crate::world::{Queue, World};
use proptest::prelude::*;
use sddf::serial::Consumer;
use serial_virt_core::{Complaint, IN_FLIGHT, LINE_MAX, OUT_MAX, QUANTUM, Virt, VirtError};

fn two() -> World {
    World::new(&["debian", "unit"], 8192, 4096)
}

#[test]
fn each_line_bears_its_clients_name() {
    let mut world = two();
    world.say(0, b"hello\r\n");
    world.say(1, b"there\n");
    world.settle();
    assert_eq!(world.lines(), ["debian| hello", "unit| there"]);
    let text = String::from_utf8(world.shown.clone()).unwrap();
    assert!(text.starts_with("\x1b[0;32mdebian| \x1b[0mhello\r\n\x1b[0;36munit| "), "{text:?}");
}

#[test]
fn a_prompt_is_shown_when_the_wire_is_idle() {
    let mut world = two();
    world.say(0, b"login: ");
    world.settle();
    assert_eq!(world.lines(), ["debian| login: "]);
    world.say(0, b"root");
    world.settle();
    assert_eq!(world.lines(), ["debian| login: root"]);
}

#[test]
fn a_line_in_pieces_is_kept_together_while_it_goes_on() {
    let mut world = two();
    world.say(0, b"[    0.");
    world.say(1, b"other line\n");
    world.say(0, b"000000] ");
    world.say(0, b"Linux\n");
    world.settle();
    assert_eq!(world.lines(), ["debian| [    0.000000] Linux", "unit| other line"]);
}

#[test]
fn another_line_does_not_wait_for_a_prompt() {
    let mut world = two();
    world.say(0, b"# ");
    world.settle();
    world.say(1, b"news\n");
    world.settle();
    world.say(0, b"ls\n");
    world.settle();
    assert_eq!(world.lines(), ["debian| # ", "unit| news", "debian| ls"]);
}

#[test]
fn two_prompts_are_both_shown() {
    let mut world = two();
    world.say(0, b"a# ");
    world.say(1, b"b# ");
    world.settle();
    assert_eq!(world.lines(), ["debian| a# ", "unit| b# "]);
}

#[test]
fn a_line_without_end_is_broken_only_for_others() {
    let mut world = two();
    let long = vec![b'x'; 3 * LINE_MAX];
    world.say(0, &long);
    world.settle();
    assert_eq!(world.lines(), [format!("debian| {}", "x".repeat(3 * LINE_MAX))]);

    let mut world = two();
    world.say(0, &long);
    world.say(1, b"hello\n");
    world.settle();
    let lines = world.lines();
    assert!(lines.contains(&"unit| hello".to_string()), "{lines:?}");
    let x: usize = lines.iter().filter_map(|l| l.strip_prefix("debian| ")).map(str::len).sum();
    assert_eq!(x, long.len());
}

#[test]
fn a_long_line_written_whole_is_shown_whole() {
    let mut world = two();
    let long = [vec![b'y'; LINE_MAX - 1], vec![b'\n']].concat();
    world.say(0, b"first\n");
    world.say(1, b"second\n");
    for _ in 0..3 {
        world.say(0, &long);
        world.say(1, b"short\n");
    }
    world.settle();
    let long = format!("debian| {}", "y".repeat(LINE_MAX - 1));
    assert_eq!(world.lines().iter().filter(|l| **l == long).count(), 3, "{:?}", world.lines());
}

#[test]
fn a_client_cannot_look_like_another() {
    let mut world = two();
    world.say(0, b"x\x1b[1A\x1b[2K\runit| forged\r\x1b]0;t\x07\x1b[31m\n");
    world.say(1, b"real\n");
    world.settle();
    let lines = world.lines();
    assert_eq!(lines.last().unwrap(), "unit| real");
    assert!(lines[0].starts_with("debian| x\rdebian| unit| forged"), "{lines:?}");
    let text = String::from_utf8(world.shown.clone()).unwrap();
    assert!(text.contains("\x1b[31m\x1b[0m\r\n"), "its colour ends with its line: {text:?}");
}

#[test]
fn input_goes_to_the_selected_client() {
    let mut world = two();
    world.type_in(b"one\x1c2two\x1c\x1c\x1c1three");
    assert_eq!(world.read(0), b"onethree");
    assert_eq!(world.read(1), b"two\x1c");
    world.settle();
    assert_eq!(world.lines(), ["[console: input goes to unit]", "[console: input goes to debian]"]);
}

#[test]
fn a_client_that_is_not_there_cannot_be_selected() {
    let mut world = two();
    world.type_in(b"\x1c7a");
    assert_eq!(world.read(0), b"a");
    world.settle();
    assert_eq!(world.lines(), ["[console: there is no client 7]"]);
}

#[test]
fn a_client_that_does_not_read_loses_input_and_can_be_left() {
    let mut world = two();
    world.type_in(&[b'x'; 100]);
    assert_eq!(world.virt.dropped(), 36);
    world.type_in(b"\x1c2y");
    assert_eq!(world.read(1), b"y");
}

#[test]
fn a_client_that_floods_waits_and_delays_nobody_beyond_the_bound() {
    let mut world = World::new(&["flood", "quiet"], 65536, 4096);
    let flood = b"flood flood flood flood flood flood\n".repeat(200);
    let mut given = 0;
    let bound = IN_FLIGHT as usize + LINE_MAX + (QUANTUM + OUT_MAX);
    for round in 0..200 {
        given += world.say(0, &flood[given % 36..]);
        world.send(500);
        if round % 10 == 9 {
            let asked = world.shown.len();
            world.say(1, b"ping\n");
            let before = world.lines().iter().filter(|l| *l == "quiet| ping").count();
            while world.lines().iter().filter(|l| *l == "quiet| ping").count() == before {
                given += world.say(0, &flood[given % 36..]);
                world.send(64);
                assert!(world.shown.len() - asked <= bound + 64, "{}", world.shown.len() - asked);
            }
        }
    }
    assert!(world.clients[0].output.free().unwrap() < 600, "it is held back");
    assert!(world.lines().iter().all(|l| l == "quiet| ping" || l.starts_with("flood| f")));
}

#[test]
fn three_floods_get_equal_shares() {
    let mut world = World::new(&["a", "b", "c"], 65536, 4096);
    // Lines of different lengths: the share is of bytes.
    let floods: Vec<Vec<u8>> = [5usize, 50, 300]
        .iter()
        .map(|&n| [vec![b'.'; n], vec![b'\n']].concat().repeat(4096 / n))
        .collect();
    for _ in 0..600 {
        for (client, flood) in floods.iter().enumerate() {
            let free = world.clients[client].output.free().unwrap() as usize;
            let unit = [6, 51, 301][client];
            world.say(client, &flood[..(free / unit * unit).min(flood.len() / unit * unit)]);
        }
        world.send(256);
    }
    let shares = ["a", "b", "c"].map(|name| {
        world.lines().iter().filter(|l| l.starts_with(name)).map(|l| l.len() + 15).sum::<usize>()
    });
    let (low, high) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(high - low < high / 4, "{shares:?}");
}

#[test]
fn a_client_that_waits_for_room_is_notified() {
    let mut world = World::new(&["a", "b"], 1024, 64);
    assert_eq!(world.clients[1].output.enqueue(&[b'x'; 100]).unwrap(), 64);
    let _ = world.clients[1].output.wait_for_space(1);
    world.serve();
    assert_eq!(world.last.clients.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_client_whose_queue_lies_is_disconnected_by_name() {
    let mut world = two();
    world.clients[0].output_header.write_u32(0, 100_000).unwrap();
    world.say(1, b"fine\n");
    world.settle();
    let lines = world.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("[console: debian is disconnected: the queue's producer broke"));
    assert_eq!(lines[1], "unit| fine");
    world.clients[0].input_header.write_u32(4, 77).unwrap();
    world.type_in(&[b'x'; 100]);
    world.settle();
    assert!(world.lines()[2].starts_with("[console: debian takes no input any more"));
}

#[test]
fn a_client_whose_queues_made_no_sense_at_the_start_is_named() {
    let broken = Queue::new(64);
    broken.header.write_u32(0, 65).unwrap();
    let why = Consumer::attach(broken.shared()).map(|_| ()).unwrap_err();
    let mut world = two();
    world.virt.add_closed("late".try_into().unwrap(), why).unwrap();
    world.say(0, b"fine\n");
    world.type_in(b"\x1c3x\x1c1y");
    world.settle();
    let lines = world.lines();
    assert!(
        lines[0].starts_with("[console: late is disconnected: the queue's producer"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "debian| fine");
    assert_eq!(world.read(0), b"y");
}

#[test]
fn a_driver_whose_queue_lies_is_reported_and_clients_keep_their_data() {
    let mut world = two();
    world.line_header.write_u32(4, 12_345).unwrap();
    world.say(0, b"kept\n");
    assert!(matches!(world.last.complaint, Some(Complaint::Output(_))));
    world.keys_header.write_u32(0, 12_345).unwrap();
    world.serve();
    assert!(matches!(world.last.complaint, Some(Complaint::Input(_))));
    world.serve();
    assert_eq!(world.last.complaint, None);
    assert_eq!(world.say(0, &[b'x'; 8192]), 4096, "and are held back");
}

#[test]
fn a_driver_queue_too_small_to_share_is_refused() {
    let queue = Queue::new(256);
    let refused = Virt::new(queue.producer(), Queue::new(64).consumer()).map(|_| ());
    assert_eq!(refused, Err(VirtError::DriverQueue { capacity: 256 }));
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize, Vec<u8>),
    Send(usize),
}

fn steps(bytes: impl Strategy<Value = Vec<u8>> + 'static) -> impl Strategy<Value = Vec<Step>> {
    let bytes = bytes.boxed();
    proptest::collection::vec(
        prop_oneof![
            2 => (0usize..3, bytes).prop_map(|(c, b)| Step::Say(c, b)),
            1 => (0usize..400).prop_map(Step::Send),
        ],
        1..60,
    )
}

fn run(world: &mut World, steps: Vec<Step>) -> [Vec<u8>; 3] {
    let mut said = [const { Vec::new() }; 3];
    for step in steps {
        match step {
            Step::Say(client, bytes) => {
                let taken = world.say(client, &bytes);
                said[client].extend_from_slice(&bytes[..taken]);
            }
            Step::Send(count) => world.send(count),
        }
    }
    world.settle();
    said
}

const NAMES: [&str; 3] = ["aa", "bb", "cc"];

proptest! {
    /// Lines that are written whole are shown whole, in each client's order.
    #[test]
    fn whole_lines_stay_whole(
        order in 9u32..14,
        steps in steps(proptest::collection::vec(b'a'..=b'z', 0..120).prop_map(|mut l| { l.push(b'\n'); l })),
    ) {
        let mut world = World::new(&NAMES, 1 << order, 16384);
        let said = run(&mut world, steps);
        for (name, said) in NAMES.iter().zip(&said) {
            let expected: Vec<String> = String::from_utf8(said.clone()).unwrap()
                .lines().map(|l| format!("{name}| {l}")).collect();
            let shown: Vec<String> = world.lines().into_iter().filter(|l| l.starts_with(name)).collect();
            prop_assert_eq!(shown, expected);
        }
    }

    /// Text in any pieces: every byte is shown once, in order, on lines that
    /// begin with its owner's name.
    #[test]
    fn nothing_is_lost_or_mixed(
        order in 9u32..14,
        steps in steps(proptest::collection::vec(
            prop_oneof![8 => b'a'..=b'z', 1 => Just(b'\n')], 0..200)),
    ) {
        let mut world = World::new(&NAMES, 1 << order, 16384);
        let said = run(&mut world, steps);
        let lines = world.lines();
        for line in &lines {
            prop_assert!(NAMES.iter().any(|n| line.starts_with(&format!("{n}| "))), "{line:?}");
        }
        for (name, said) in NAMES.iter().zip(&said) {
            let prefix = format!("{name}| ");
            let shown: String = lines.iter().filter_map(|l| l.strip_prefix(&prefix)).collect();
            let expected: String = String::from_utf8(said.clone()).unwrap().replace('\n', "");
            prop_assert_eq!(shown, expected);
        }
    }

    /// Any bytes from anybody, and any words in any header.
    #[test]
    fn anything_is_survived(
        steps in steps(proptest::collection::vec(any::<u8>(), 0..200)),
        lies in proptest::collection::vec((0usize..8, 0usize..3, any::<u32>()), 0..4),
        keys in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut world = World::new(&NAMES, 1024, 1024);
        let mut lies = lies.into_iter();
        for step in steps {
            match step {
                Step::Say(client, bytes) => { let _ = world.clients[client].output.enqueue(&bytes); }
                Step::Send(count) => {
                    let mut out = vec![0; count];
                    let _ = world.line.dequeue(&mut out);
                }
            }
            if let Some((queue, word, value)) = lies.next() {
                let header = match queue {
                    0..3 => &world.clients[queue].output_header,
                    3..6 => &world.clients[queue - 3].input_header,
                    6 => &world.line_header,
                    _ => &world.keys_header,
                };
                header.write_u32(word * 4, value).unwrap();
            }
            let _ = world.keys.enqueue(&keys);
            world.serve();
        }
    }
}
