//! What a lying client or driver costs, and whom.

use net_virt_core::Complaint;
use proptest::prelude::*;

use super::world::{World, frame, mac};

#[test]
fn a_client_that_lies_is_disconnected_and_others_go_on() {
    let mut world = World::three();
    world.stations[0].sends.out.write_u16(0, 100).unwrap();
    world.stations[1].send(&frame(mac(3).bytes(), mac(2), 60, 1));
    world.stations[1].send(&frame(mac(1).bytes(), mac(2), 60, 1));
    let complaints = world.serve().complaints;
    assert!(matches!(complaints[..], [Complaint::Client(0, _)]), "{complaints:?}");
    assert!(
        complaints[0]
            .to_string()
            .starts_with("client 0 is disconnected: buffers lent: the queue's producer")
    );
    assert_eq!(world.stations[2].heard().len(), 1);
    assert!(world.serve().complaints.is_empty(), "once");
    assert_eq!(world.switch.counters(0), None);
}

#[test]
fn a_receiver_that_lies_is_disconnected_and_its_sender_is_not() {
    let mut world = World::three();
    // A buffer beyond its data region.
    world.stations[1].hears.out.write_u64(8, 0x10_0000).unwrap();
    world.stations[0].send(&frame(mac(2).bytes(), mac(1), 60, 1));
    world.stations[0].send(&frame(mac(3).bytes(), mac(1), 60, 1));
    let complaints = world.serve().complaints;
    assert_eq!(
        complaints[0].to_string(),
        "client 1 is disconnected: a network buffer at 0x100000, where the data region has none"
    );
    assert_eq!(complaints.len(), 1);
    assert_eq!(world.stations[2].heard().len(), 1);
}

#[test]
fn a_client_whose_queues_make_no_sense_is_named_and_others_go_on() {
    let mut world = World::three();
    world.stations[0].sends.back.write_u16(0, 3).unwrap();
    world.restart();
    world.stations[1].send(&frame(mac(3).bytes(), mac(2), 60, 1));
    let complaints = world.serve().complaints;
    assert!(matches!(complaints[..], [Complaint::Attach(0, _)]), "{complaints:?}");
    assert_eq!(world.stations[2].heard().len(), 1);
}

#[test]
fn a_driver_that_lies_is_disconnected_and_clients_reach_each_other() {
    let mut world = World::three();
    // A frame longer than its buffer.
    world.receive.back.write_u64(8, super::world::RECEIVE_AT).unwrap();
    world.receive.back.write_u16(16, 2049).unwrap();
    world.receive.back.write_u16(0, 1).unwrap();
    world.stations[1].send(&frame(mac(3).bytes(), mac(2), 60, 1));
    world.stations[1].send(&frame(mac(99).bytes(), mac(2), 60, 1));
    let complaints = world.serve().complaints;
    assert_eq!(
        complaints[0].to_string(),
        "the driver is disconnected: a frame of 2049 bytes in the buffer at 0x30000000, which has 2048"
    );
    assert_eq!(complaints.len(), 1);
    assert_eq!(world.stations[2].heard().len(), 1);
}

proptest! {
    /// Random words anywhere in one client's rings, and the driver's: no panic, and
    /// honest clients hear each other.
    #[test]
    fn peers_may_write_anything_anywhere(
        writes in proptest::collection::vec(
            (0usize..8, 0usize..68, prop_oneof![any::<u16>(), 0u16..20, Just(2048)]),
            1..80,
        ),
    ) {
        let mut world = World::three();
        for (which, word, value) in writes {
            let liar = &world.stations[0];
            let rings = [
                &liar.sends.out,
                &liar.sends.back,
                &liar.hears.out,
                &liar.hears.back,
                &world.receive.out,
                &world.receive.back,
                &world.transmit.out,
                &world.transmit.back,
            ];
            let _ = rings[which].write_u16(word * 2, value);
            let sent = frame(mac(3).bytes(), mac(2), 60, value as u8);
            world.stations[1].send(&sent);
            world.stations[1].send(&frame([0xFF; 6], mac(2), 60, 1));
            let complaints = world.serve().complaints;
            for complaint in complaints {
                prop_assert!(
                    matches!(complaint, Complaint::Driver(_) | Complaint::Client(0, _) | Complaint::Source(0, _)),
                    "{complaint}"
                );
            }
            let heard = world.stations[2].heard();
            world.stations[2].offer();
            prop_assert!(heard.contains(&sent), "the honest ones are cut off");
            let _ = world.stations[1].heard();
            world.stations[1].offer();
        }
    }
}
