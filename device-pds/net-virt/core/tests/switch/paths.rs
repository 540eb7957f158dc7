//! Who hears what.

use net_virt_core::{FRAME_MAX, Policy, Reason, SwitchError};
use proptest::prelude::*;

use super::world::{BROADCAST, World, all, frame, mac, open};

#[test]
fn a_frame_to_a_station_goes_there_and_nowhere_else() {
    let mut world = World::three();
    let sent = frame(mac(2).bytes(), mac(1), 100, 7);
    world.stations[0].send(&sent);
    let outcome = world.serve();
    assert!(outcome.clients.contains(1) && !outcome.driver);
    assert_eq!(world.stations[1].heard(), [sent]);
    assert_eq!(world.counts(), (vec![0, 0, 0], 0));
}

#[test]
fn a_frame_to_a_stranger_goes_outside_and_one_from_outside_comes_in() {
    let mut world = World::three();
    let out = frame(mac(99).bytes(), mac(1), 60, 1);
    world.stations[0].send(&out);
    assert!(world.serve().driver);
    assert_eq!(world.left(), [out]);
    let reply = frame(mac(1).bytes(), mac(99), FRAME_MAX.into(), 2);
    world.arrive(&reply);
    assert!(world.serve().clients.contains(0));
    assert_eq!(world.stations[0].heard(), [reply]);
    world.arrive(&frame(mac(98).bytes(), mac(99), 60, 1));
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 0, 0], 0), "what is to nobody here is dropped");
}

#[test]
fn a_frame_to_a_group_goes_everywhere_but_back() {
    let mut world = World::three();
    for group in [BROADCAST, [0x01, 0, 0x5E, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
        world.stations[1].send(&frame(group, mac(2), 60, 1));
        let _ = world.serve();
        assert_eq!(world.counts(), (vec![1, 0, 1], 1));
        world.arrive(&frame(group, mac(99), 60, 1));
        let _ = world.serve();
        assert_eq!(world.counts(), (vec![1, 1, 1], 0));
        world.stations.iter_mut().for_each(|station| station.offer());
    }
}

#[test]
fn ports_that_are_no_peers_hear_nothing_of_each_other() {
    let mut ports: Vec<_> = (1..=3).map(|last| open(last, 3)).collect();
    ports[0].1.peers = all([2]);
    ports[1].1.peers = all([2]);
    let mut world = World::new(ports);
    world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, 1));
    world.stations[0].send(&frame(BROADCAST, mac(1), 60, 1));
    world.stations[1].send(&frame(mac(1).bytes(), mac(2), 60, 1));
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 0, 1], 1));
    assert_eq!(world.switch.counters(0).unwrap().dropped(Reason::Destination), 1);
}

#[test]
fn a_port_without_the_outside_neither_reaches_nor_hears_it() {
    let mut ports: Vec<_> = (1..=2).map(|last| open(last, 2)).collect();
    ports[0].1.uplink = false;
    let mut world = World::new(ports);
    world.stations[0].send(&frame(mac(99).bytes(), mac(1), 60, 1));
    world.stations[0].send(&frame(BROADCAST, mac(1), 60, 1));
    world.arrive(&frame(mac(1).bytes(), mac(99), 60, 1));
    world.arrive(&frame(BROADCAST, mac(99), 60, 1));
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 2], 0), "the other port's broadcast and the outside's");
}

#[test]
fn a_frame_from_anothers_address_is_dropped_and_told_once() {
    let mut world = World::three();
    for from in [mac(2), mac(99)] {
        for to in [mac(3).bytes(), mac(50).bytes(), BROADCAST] {
            world.stations[0].send(&frame(to, from, 60, 1));
        }
    }
    let mut group = frame(mac(3).bytes(), mac(1), 60, 1);
    group[6] |= 1;
    world.stations[0].send(&group);
    let complaints = world.serve().complaints;
    assert_eq!(world.counts(), (vec![0, 0, 0], 0));
    assert_eq!(complaints.len(), 1);
    assert_eq!(
        complaints[0].to_string(),
        "client 0 sends as 52:54:00:00:00:02, which it may not; such frames are dropped (`macs` and `learn` in the configuration)"
    );
    assert_eq!(world.switch.counters(0).unwrap().dropped(Reason::Source), 7);
}

#[test]
fn the_outside_cannot_send_as_one_of_ours() {
    let mut world = World::three();
    world.arrive(&frame(mac(2).bytes(), mac(1), 60, 1));
    world.arrive(&frame(BROADCAST, mac(1), 60, 1));
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 0, 0], 0));
    assert_eq!(world.switch.uplink_counters().unwrap().dropped(Reason::Source), 2);
}

#[test]
fn a_port_takes_as_many_addresses_as_it_may_and_none_of_anothers() {
    let mut ports: Vec<_> = (1..=2).map(|last| open(last, 2)).collect();
    ports[0].1.learn = 2;
    let mut world = World::new(ports);
    world.arrive(&frame(mac(1).bytes(), mac(99), 60, 1));
    let _ = world.serve();
    let _ = world.stations[0].heard();
    let send = |world: &mut World, from: u8| {
        world.stations[0].send(&frame(mac(2).bytes(), mac(from), 60, 1));
        let _ = world.serve();
        let heard = !world.stations[1].heard().is_empty();
        world.stations[1].offer();
        heard
    };
    assert!(send(&mut world, 10) && send(&mut world, 11));
    let reply = |world: &mut World, to: u8| {
        world.stations[1].send(&frame(mac(to).bytes(), mac(2), 60, 1));
        let _ = world.serve();
        world.counts()
    };
    assert_eq!(reply(&mut world, 10), (vec![1, 0], 0));
    assert!(send(&mut world, 12), "the oldest makes room");
    assert_eq!(reply(&mut world, 12), (vec![1, 0], 0));
    assert_eq!(reply(&mut world, 10), (vec![0, 0], 1), "it is a stranger's now");
    assert!(!send(&mut world, 2), "another port's");
    assert!(!send(&mut world, 99), "a machine's outside");
    // What the one has taken the other may not, nor the outside.
    world.arrive(&frame(mac(2).bytes(), mac(12), 60, 1));
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 0], 0));
}

#[test]
fn an_address_has_one_port() {
    let mut world = World::three();
    let error = world.switch.add(
        &[mac(2)],
        Policy::default(),
        Err(sddf::net::AttachError::Capacity { out: 1, back: 1, most: 1 }),
    );
    assert_eq!(error, Err(SwitchError::Address { mac: mac(2), port: 1 }));
}

#[test]
fn what_is_no_frame_is_dropped() {
    let mut world = World::three();
    for length in [0, 13, usize::from(FRAME_MAX) + 1, 2048] {
        let mut frame = frame(mac(2).bytes(), mac(1), 2048, 1);
        frame.truncate(length);
        world.stations[0].send(&frame);
    }
    let mut nowhere = frame(mac(2).bytes(), mac(1), 60, 1);
    nowhere[..6].fill(0);
    world.stations[0].send(&nowhere);
    let _ = world.serve();
    assert_eq!(world.counts(), (vec![0, 0, 0], 0));
    let counters = world.switch.counters(0).unwrap();
    assert_eq!((counters.dropped(Reason::Length), counters.dropped(Reason::Destination)), (4, 1));
    world.stations[0].send(&frame(mac(2).bytes(), mac(1), 14, 1));
    let _ = world.serve();
    assert_eq!(world.stations[1].heard()[0].len(), 14, "a header alone is one");
}

#[derive(Clone, Debug)]
enum Op {
    Send(usize, u8, usize),
    Arrive(u8, usize),
    Hear(usize),
    Leave,
    Serve,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0usize..3, 0u8..5, 14usize..200).prop_map(|(from, to, length)| Op::Send(from, to, length)),
        2 => (0u8..5, 14usize..200).prop_map(|(to, length)| Op::Arrive(to, length)),
        3 => (0usize..3).prop_map(Op::Hear),
        2 => Just(Op::Leave),
        3 => Just(Op::Serve),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    /// Every frame arrives whole where it may, in order, and at most once, or is
    /// counted as dropped; whatever the switch is restarted in between.
    #[test]
    fn frames_arrive_whole_and_in_order(ops in proptest::collection::vec(op(), 1..150)) {
        let mut world = World::three();
        // To, and what is expected of each receiver (3 is the outside).
        let mut expected: [Vec<Vec<u8>>; 4] = Default::default();
        let mut got: [Vec<Vec<u8>>; 4] = Default::default();
        let mut stamp = 0u8;
        for op in ops {
            stamp = stamp.wrapping_add(1);
            let address = |to: u8| if to == 4 { BROADCAST } else { mac(to + 1).bytes() };
            match op {
                Op::Send(from, to, length) => {
                    let frame = frame(address(to), mac(from as u8 + 1), length, stamp);
                    if world.stations[from].send(&frame).is_some() {
                        for (number, expected) in expected.iter_mut().enumerate() {
                            if number != from && (to == 4 || number == usize::from(to)) {
                                expected.push(frame.clone());
                            }
                        }
                    }
                }
                Op::Arrive(to, length) => {
                    let frame = frame(address(to), mac(99), length, stamp);
                    let _ = world.serve();
                    world.arrive(&frame);
                    for (number, expected) in expected.iter_mut().enumerate().take(3) {
                        if to == 4 || number == usize::from(to) {
                            expected.push(frame.clone());
                        }
                    }
                }
                Op::Hear(station) => {
                    got[station].extend(world.stations[station].heard());
                    world.stations[station].offer();
                }
                Op::Leave => {
                    let left = world.left();
                    got[3].extend(left);
                }
                Op::Serve => {
                    let _ = world.serve();
                }
                Op::Restart => world.restart(),
            }
        }
        let _ = world.serve();
        for (got, station) in got.iter_mut().zip(&mut world.stations) {
            got.extend(station.heard());
        }
        let left = world.left();
        got[3].extend(left);
        for (got, expected) in got.iter().zip(&expected) {
            for (i, frame) in got.iter().enumerate() {
                prop_assert!(expected.contains(frame), "frame {i} was not sent so");
            }
            for sender in [mac(1), mac(2), mac(3), mac(99)] {
                let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
                    frames.iter().filter(|frame| frame[6..12] == sender.bytes()).cloned().collect()
                };
                let mut rest = of(expected).into_iter();
                prop_assert!(of(got).iter().all(|frame| rest.any(|e| e == *frame)), "out of order");
            }
        }
    }
}
