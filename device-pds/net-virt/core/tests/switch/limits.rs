//! How much a port may send, and what a slow receiver costs whom.

use net_virt_core::{Reason, UplinkPolicy};
use rate::{Limiter, Rate};

use super::world::{BROADCAST, BUFFERS, World, frame, mac, open};

const HZ: u64 = 1_000_000;
const FREE: Rate = Rate { per_second: 0, burst: 0 };

/// How many of six frames arrive at once, and of six more a second later.
fn arrivals(world: &mut World, to: [u8; 6]) -> [usize; 2] {
    [HZ, 2 * HZ].map(|now| {
        for _ in 0..6 {
            world.stations[0].send(&frame(to, mac(1), 100, 1));
        }
        let _ = world.serve_at(now);
        let heard = world.stations[1].heard().len();
        world.stations[1].offer();
        heard
    })
}

#[test]
fn what_is_beyond_the_limit_is_dropped() {
    let cases = [
        (Rate::new(4, 5), FREE, [5, 4]),
        // The frame that empties the bucket passes.
        (FREE, Rate::new(200, 250), [3, 2]),
        (FREE, FREE, [6, 6]),
    ];
    for (frames, bytes, expected) in cases {
        let mut ports: Vec<_> = (1..=2).map(|last| open(last, 2)).collect();
        ports[0].1.limit = Limiter::new(frames, bytes, HZ);
        let mut world = World::new(ports);
        assert_eq!(arrivals(&mut world, mac(2).bytes()), expected);
        let dropped = 12 - expected.iter().sum::<usize>() as u64;
        assert_eq!(world.switch.counters(0).unwrap().dropped(Reason::Limit), dropped);
    }
}

#[test]
fn frames_to_groups_have_a_limit_of_their_own() {
    let mut ports: Vec<_> = (1..=2).map(|last| open(last, 2)).collect();
    ports[0].1.groups = Limiter::new(Rate::new(2, 2), FREE, HZ);
    let mut world = World::new(ports);
    assert_eq!(arrivals(&mut world, BROADCAST), [2, 2]);
    assert_eq!(arrivals(&mut world, mac(2).bytes()), [6, 6]);
}

#[test]
fn the_outside_is_limited_too() {
    let outside = UplinkPolicy {
        limit: Limiter::new(Rate::new(5, 5), FREE, HZ),
        groups: Limiter::new(Rate::new(1, 1), FREE, HZ),
    };
    let ports = (1..=2).map(|last| open(last, 2)).collect();
    let mut world = World::with_outside(ports, outside);
    for _ in 0..3 {
        world.arrive(&frame(BROADCAST, mac(99), 60, 1));
    }
    for _ in 0..5 {
        world.arrive(&frame(mac(1).bytes(), mac(99), 60, 1));
    }
    let _ = world.serve_at(HZ);
    assert_eq!(world.counts(), (vec![5, 1], 0));
}

#[test]
fn who_gives_no_buffers_loses_frames_and_holds_nobody_up() {
    let mut world = World::three();
    for round in 0..3 {
        for _ in 0..BUFFERS / 2 {
            world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, round));
            world.stations[0].send(&frame(mac(3).bytes(), mac(1), 60, round));
        }
        let _ = world.serve();
        assert_eq!(world.stations[2].heard().len(), BUFFERS / 2);
        world.stations[2].offer();
    }
    let counters = world.switch.counters(1).unwrap();
    assert_eq!((counters.received, counters.dropped(Reason::Full)), (BUFFERS as u64, 4));
    assert_eq!(world.switch.counters(0).unwrap().sent, 24);
}

#[test]
fn a_driver_that_does_not_transmit_loses_frames_and_holds_nobody_up() {
    let mut world = World::three();
    for _ in 0..3 {
        for _ in 0..BUFFERS - 1 {
            world.stations[0].send(&frame(mac(99).bytes(), mac(1), 60, 1));
        }
        world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, 1));
        let _ = world.serve();
        assert_eq!(world.stations[1].heard().len(), 1);
    }
    assert_eq!(world.switch.uplink_counters().unwrap().dropped(Reason::Full), 3 * 7 - 8);
    assert_eq!(world.left().len(), BUFFERS);
    world.stations[0].send(&frame(mac(99).bytes(), mac(1), 60, 9));
    let _ = world.serve();
    assert_eq!(world.left().len(), 1, "and goes on when it does");
}

#[test]
fn nobody_is_notified_for_nothing() {
    let mut world = World::three();
    assert_eq!(world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, 1)), Some(true));
    assert_eq!(
        world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, 1)),
        Some(false),
        "the switch was told already"
    );
    let outcome = world.serve();
    assert!(outcome.clients.contains(1) && !outcome.driver && !outcome.clients.contains(2));
    world.stations[1].heard();
    world.stations[1].offer();
    assert_eq!(
        world.stations[1].hears.out.read_u32(4),
        Ok(1),
        "buffers are looked for when there is a frame"
    );
    let outcome = world.serve();
    assert!(!outcome.driver && outcome.clients.iter().next().is_none());
}
