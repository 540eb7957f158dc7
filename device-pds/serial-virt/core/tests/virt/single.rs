//! One client: a wire.

use crate::world::{Queue, World};
use proptest::prelude::*;
use serial_virt_core::{Complaint, Virt};

#[test]
fn every_byte_passes_unchanged_both_ways() {
    let mut world = World::new(&["only"], 1024, 1024);
    let every: Vec<u8> = (0..=255).collect();
    world.say(0, &every);
    world.settle();
    assert_eq!(world.shown, every);
    let mut read = vec![];
    for part in every.chunks(64) {
        world.type_in(part);
        read.extend(world.read(0));
    }
    assert_eq!(read, every, "the command byte too");
}

#[test]
fn who_is_notified() {
    let mut world = World::new(&["only"], 1024, 1024);
    world.say(0, b"out");
    assert!(world.last.driver && world.last.clients.iter().next().is_none());
    world.type_in(b"in");
    assert_eq!(world.last.clients.iter().collect::<Vec<_>>(), [0]);
    world.serve();
    assert_eq!(world.last, Default::default(), "nobody for nothing");
}

#[test]
fn a_client_that_does_not_read_holds_the_line_back() {
    let mut world = World::new(&["only"], 1024, 1024);
    let typed: Vec<u8> = (0..128).collect();
    world.type_in(&typed);
    let mut read = world.read(0);
    assert_eq!(read.len(), 64);
    assert!(world.clients[0].input.producer_waits(), "the virtualiser asked for room");
    world.serve();
    read.extend(world.read(0));
    assert_eq!(read, typed);
}

#[test]
fn a_client_whose_queue_lies_is_disconnected_by_name() {
    let mut world = World::new(&["only"], 1024, 1024);
    world.clients[0].output_header.write_u32(0, 5000).unwrap();
    world.serve();
    world.settle();
    let shown = String::from_utf8(world.shown.clone()).unwrap();
    assert!(
        shown.starts_with("\r\n[console: only is disconnected: the queue's producer"),
        "{shown}"
    );
    world.clients[0].input_header.write_u32(4, 5000).unwrap();
    world.type_in(&[b'x'; 200]);
    world.serve();
    assert_eq!(world.keys.free(), Ok(64), "what nobody reads is thrown away");
}

#[test]
fn a_driver_whose_queue_lies_is_reported() {
    let mut world = World::new(&["only"], 1024, 1024);
    world.line_header.write_u32(4, 5000).unwrap();
    world.say(0, &[b'x'; 1024]);
    world.say(0, b"once it is full, it looks");
    assert!(matches!(world.last.complaint, Some(Complaint::Output(_))));
    world.serve();
    assert_eq!(world.last.complaint, None);
}

#[test]
fn without_a_client_nothing_happens() {
    let (line, keys) = (Queue::new(1024), Queue::new(64));
    let mut virt = Virt::new(line.producer(), keys.consumer()).unwrap();
    keys.producer().enqueue(b"x").unwrap();
    assert_eq!(virt.serve(), Default::default());
}

proptest! {
    #[test]
    fn the_wire_loses_nothing_under_pressure(
        orders in (9u32..12, 0u32..10),
        steps in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 0usize..300), 1..40),
    ) {
        let mut world = World::new(&["only"], 1 << orders.0, 1 << orders.1);
        let mut said = vec![];
        for (bytes, send) in steps {
            let taken = world.say(0, &bytes);
            said.extend_from_slice(&bytes[..taken]);
            world.send(send);
        }
        world.settle();
        prop_assert_eq!(&world.shown, &said);
    }
}
