//! What a lying client or driver costs, and whom.

use blk_virt_core::Complaint;
use proptest::prelude::*;
use sddf::block::{Operation, Outcome as Ended, Status, StorageInfo};
use shmem::{ReadWrite, Region};

use super::world::{World, failed, range, transfer};

#[test]
fn a_client_that_lies_is_disconnected_and_others_are_served() {
    let mut world = World::new(64, 8, &[range(0, 5), range(5, 5)]);
    let mut ramdisk = world.ramdisk();
    world.settle(&mut ramdisk);
    world.users[0].submit(transfer(Operation::Read, 0, 0, 1), 0);
    let _ = world.virt.serve();
    world.users[0].connection.requests.write_u32(4, 100).unwrap();
    world.users[1].submit(transfer(Operation::Read, 0, 0, 1), 7);
    let complaints = world.settle(&mut ramdisk);
    assert_eq!(complaints.len(), 1, "once");
    assert!(
        complaints[0].starts_with("client 0 is disconnected: block requests: the queue's producer")
    );
    assert_eq!(world.users[1].answers(), [(7, Ended::Done)]);
    assert_eq!(world.users[0].connection.info(), None);
}

#[test]
fn a_client_whose_queues_make_no_sense_is_named_and_others_are_served() {
    let wishes = [range(0, 5), range(5, 5)];
    let mut world = World::new(64, 8, &wishes);
    world.users[0].connection.responses.write_u32(4, 9).unwrap();
    world.restart_virt();
    let mut ramdisk = world.ramdisk();
    world.users[1].submit(transfer(Operation::Read, 0, 0, 1), 7);
    let complaints = world.settle(&mut ramdisk);
    assert_eq!(
        complaints,
        [
            "client 0 is disconnected: block rings disagree: 9 requests outstanding where 0 is the most"
        ]
    );
    assert_eq!(world.users[1].answers(), [(7, Ended::Done)]);
}

#[test]
fn a_driver_that_lies_loses_everybody_and_nothing_hangs() {
    let mut world = World::new(64, 8, &[range(0, 5), range(5, 5)]);
    let mut driver = world.by_hand();
    world.announce(&StorageInfo::of(64));
    let _ = world.virt.serve();
    for user in &mut world.users {
        user.submit(transfer(Operation::Write, 0, 0, 1), 1);
        user.submit(transfer(Operation::Read, 0, 0, 1), 2);
    }
    let _ = world.virt.serve();
    assert!(driver.take().unwrap().is_some());
    // An answer to what nobody asked.
    world.driver.responses.write_u32(8 + 8, 0x77).unwrap();
    world.driver.responses.write_u32(4, 1).unwrap();
    let outcome = world.virt.serve();
    assert!(matches!(outcome.complaints[..], [Complaint::Driver(_)]));
    for (number, user) in world.users.iter_mut().enumerate() {
        assert!(outcome.clients.contains(number));
        assert_eq!(user.answers(), [(1, failed(Status::Io)), (2, failed(Status::Io))]);
        assert_eq!(user.connection.info(), None);
        user.submit(transfer(Operation::Read, 0, 0, 1), 3);
    }
    let outcome = world.virt.serve();
    assert!(outcome.complaints.is_empty(), "it was said");
    for user in &mut world.users {
        assert_eq!(user.answers(), [(3, failed(Status::NoDevice))]);
    }
}

/// A driver that is found to lie while a request is handed to it: the request is
/// answered too.
#[test]
fn a_request_that_finds_the_driver_lying_is_answered() {
    let mut world = World::new(64, 2, &[range(0, 5)]);
    world.announce(&StorageInfo::of(64));
    let _ = world.virt.serve();
    for token in 0..2 {
        world.users[0].submit(transfer(Operation::Read, 0, 0, 1), token);
    }
    let _ = world.virt.serve();
    let mut driver = world.by_hand();
    let (ticket, _) = driver.take().unwrap().unwrap();
    driver.answer(ticket, Status::Ok, 1);
    let _ = driver.publish().unwrap();
    // It takes back what it said it had taken, and more.
    world.driver.requests.write_u32(0, 7).unwrap();
    world.users[0].submit(transfer(Operation::Read, 0, 0, 1), 2);
    let outcome = world.virt.serve();
    assert!(matches!(outcome.complaints[..], [Complaint::Driver(_)]));
    let _ = world.virt.serve();
    let answers = world.users[0].answers();
    assert_eq!(answers[..2], [(0, Ended::Done), (1, failed(Status::Io))]);
    assert_eq!(answers[2..], [(2, failed(Status::NoDevice))]);
}

proptest! {
    /// Random words anywhere in the queues of one client and the driver: the
    /// virtualiser neither panics nor sends the driver anything outside what it
    /// was granted, and the honest client is served or told that it is not.
    #[test]
    fn peers_may_write_anything_anywhere(
        writes in proptest::collection::vec(
            (0usize..4, 0usize..140, prop_oneof![any::<u32>(), 0u32..20], any::<bool>()),
            1..60,
        ),
        driver_lies in any::<bool>(),
    ) {
        let mut world = World::new(64, 8, &[range(0, 5), range(5, 5)]);
        let mut ramdisk = world.ramdisk();
        world.settle(&mut ramdisk);
        let mut token = 0;
        for (which, word, value, turn) in writes {
            let liar = &world.users[0].connection;
            let ring: &Region<ReadWrite> = match which {
                0 => &liar.requests,
                1 => &liar.responses,
                2 if driver_lies => &world.driver.requests,
                3 if driver_lies => &world.driver.responses,
                _ => &liar.requests,
            };
            let _ = ring.write_u32(word * 4, value);
            if world.users[1].queue.has_room() {
                world.users[1].submit(transfer(Operation::Read, 0, 0, 1), token);
                token += 1;
            }
            let _ = world.virt.serve();
            if turn {
                let _ = ramdisk.serve();
            }
            let _ = world.virt.serve();
            let answers = world.users[1].answers();
            if !driver_lies {
                prop_assert!(answers.iter().all(|(_, outcome)| *outcome == Ended::Done));
            }
        }
        if !driver_lies {
            for _ in 0..20 {
                let _ = world.virt.serve();
                let _ = ramdisk.serve();
            }
            let _ = world.virt.serve();
            world.users[1].answers();
            prop_assert_eq!(world.users[1].queue.outstanding(), 0, "the honest client hangs");
        }
    }
}
