//! What becomes of requests: checks, translation, order, turns.

use sddf::block::{Operation, Outcome as Ended, Request, Status, StorageInfo};

use super::world::{BLOCK, CELLS, Wish, World, data_at, failed, range, transfer};

/// A world whose driver is played by hand.
fn by_hand(driver_slots: usize, wishes: &[Wish]) -> World {
    let mut world = World::new(64, driver_slots, wishes);
    assert!(world.virt.serve().complaints.is_empty());
    world.announce(&StorageInfo::of(64));
    assert!(world.virt.serve().complaints.is_empty());
    world
}

#[test]
fn block_and_buffer_are_moved_to_where_they_are() {
    let mut world = by_hand(4, &[range(10, 5), range(20, 5)]);
    let mut driver = world.by_hand();
    world.users[1].submit(transfer(Operation::Write, 3, 2, 2), 0);
    assert!(world.virt.serve().driver);
    let (_, request) = driver.take().unwrap().unwrap();
    let buffer = data_at(1) + 3 * BLOCK as u64;
    assert_eq!(request, Request { operation: Operation::Write, buffer, block: 22, count: 2 });
}

#[test]
fn what_is_outside_partition_or_data_region_never_reaches_the_driver() {
    let mut world = by_hand(4, &[range(10, 5)]);
    let cells = CELLS as u64;
    let outside = [
        transfer(Operation::Read, 0, 5, 1),
        transfer(Operation::Write, 0, 4, 2),
        transfer(Operation::Read, 0, u64::MAX, 1),
        transfer(Operation::Write, 0, u64::MAX - 9, 10),
        transfer(Operation::Read, cells, 0, 1),
        transfer(Operation::Write, cells - 1, 0, 2),
        Request { buffer: u64::MAX - 4095, ..transfer(Operation::Read, 0, 0, 2) },
        Request { buffer: 512, ..transfer(Operation::Read, 0, 0, 1) },
        // The driver's address of its own region is no offset.
        Request { buffer: data_at(0), ..transfer(Operation::Read, 0, 0, 1) },
    ];
    for (token, request) in outside.into_iter().enumerate() {
        world.users[0].submit(request, token as u32);
        let outcome = world.virt.serve();
        assert!(!outcome.driver, "{request:x?}");
        assert!(outcome.clients.contains(0));
        let answers = world.users[0].answers();
        assert_eq!(answers, [(token as u32, failed(Status::InvalidParameter))], "{request:x?}");
    }
}

#[test]
fn a_client_that_may_only_read_writes_nothing() {
    let mut world = by_hand(4, &[Wish { read_only: true, ..range(0, 5) }, range(5, 5)]);
    assert!(world.users[0].connection.info().unwrap().read_only);
    assert!(!world.users[1].connection.info().unwrap().read_only);
    world.users[0].submit(transfer(Operation::Write, 0, 0, 1), 0);
    assert!(!world.virt.serve().driver);
    assert_eq!(world.users[0].answers(), [(0, failed(Status::InvalidParameter))]);
}

#[test]
fn a_disk_that_can_only_be_read_is_written_by_nobody() {
    let mut world = World::new(64, 4, &[range(0, 5)]);
    world.announce(&StorageInfo { read_only: true, ..StorageInfo::of(64) });
    let _ = world.virt.serve();
    assert!(world.users[0].connection.info().unwrap().read_only);
    world.users[0].submit(transfer(Operation::Write, 0, 0, 1), 0);
    assert!(!world.virt.serve().driver);
}

#[test]
fn requests_wait_until_there_is_a_disk() {
    let mut world = World::new(64, 4, &[range(0, 5)]);
    world.users[0].submit(transfer(Operation::Read, 0, 0, 1), 0);
    let outcome = world.virt.serve();
    assert!(!outcome.driver);
    assert_eq!(world.users[0].connection.info(), None);
    world.announce(&StorageInfo::of(64));
    assert!(world.virt.serve().driver);
}

#[test]
fn a_failure_is_passed_on_with_what_was_done() {
    let mut world = by_hand(4, &[range(0, 5)]);
    let mut driver = world.by_hand();
    world.users[0].submit(transfer(Operation::Read, 0, 0, 3), 0);
    let _ = world.virt.serve();
    let (ticket, _) = driver.take().unwrap().unwrap();
    driver.answer(ticket, Status::Io, 2);
    assert_eq!(driver.publish(), Ok(true));
    assert!(world.virt.serve().clients.contains(0));
    let ended = Ended::Failed { status: Status::Io, done: 2 };
    assert_eq!(world.users[0].answers(), [(0, ended)]);
}

#[test]
fn a_flush_goes_to_the_driver_and_a_barrier_does_not() {
    let mut world = by_hand(4, &[range(0, 5)]);
    let mut driver = world.by_hand();
    world.users[0].submit(Request::bare(Operation::Barrier), 0);
    assert!(!world.virt.serve().driver);
    assert_eq!(world.users[0].answers(), [(0, Ended::Done)]);
    world.users[0].submit(
        Request { buffer: u64::MAX, block: u64::MAX, ..Request::bare(Operation::Flush) },
        1,
    );
    assert!(world.virt.serve().driver);
    assert_eq!(driver.take().unwrap().unwrap().1, Request::bare(Operation::Flush));
}

#[test]
fn a_barrier_waits_for_its_client_and_holds_back_nobody_else() {
    let mut world = by_hand(8, &[range(0, 5), range(5, 5)]);
    let mut driver = world.by_hand();
    world.users[0].submit(transfer(Operation::Write, 0, 0, 1), 0);
    world.users[0].submit(Request::bare(Operation::Barrier), 1);
    world.users[0].submit(transfer(Operation::Write, 0, 1, 1), 2);
    world.users[1].submit(transfer(Operation::Write, 0, 0, 1), 0);
    let _ = world.virt.serve();
    let (before, request) = driver.take().unwrap().unwrap();
    assert_eq!(request.block, 0);
    let (_, request) = driver.take().unwrap().unwrap();
    assert_eq!(request.block, 5, "the other client's");
    assert!(driver.take().unwrap().is_none());
    driver.answer(before, Status::Ok, 1);
    let _ = driver.publish();
    assert!(world.virt.serve().driver);
    assert_eq!(driver.take().unwrap().unwrap().1.block, 1);
    assert_eq!(world.users[0].answers(), [(0, Ended::Done), (1, Ended::Done)]);
}

#[test]
fn a_client_that_floods_costs_another_no_more_than_the_driver_has() {
    let mut world = by_hand(4, &[range(0, 30), range(30, 30)]);
    let mut driver = world.by_hand();
    for token in 0..12 {
        world.users[0].submit(transfer(Operation::Read, 0, 0, 8), token);
    }
    let _ = world.virt.serve();
    world.users[1].submit(transfer(Operation::Read, 0, 7, 1), 0);
    world.users[1].submit(transfer(Operation::Read, 0, 8, 1), 1);
    let _ = world.virt.serve();
    let mut order = Vec::new();
    while let Some((ticket, request)) = driver.take().unwrap() {
        order.push(request.block);
        driver.answer(ticket, Status::Ok, request.count);
        let _ = driver.publish().unwrap();
        let _ = world.virt.serve();
    }
    assert_eq!(order[..7], [0, 0, 0, 0, 0, 37, 38], "{order:?}");
    assert_eq!(order.len(), 14);
}

#[test]
fn turns_count_blocks_and_not_requests() {
    let mut world = by_hand(2, &[range(0, 30), range(30, 30)]);
    let mut driver = world.by_hand();
    for token in 0..6 {
        world.users[0].submit(transfer(Operation::Read, 0, 0, 8), token);
    }
    for token in 0..12 {
        world.users[1].submit(transfer(Operation::Read, 0, 0, 1), token);
    }
    let (mut large, mut small) = (0, 0);
    let _ = world.virt.serve();
    while small < 9 {
        let (ticket, request) = driver.take().unwrap().unwrap();
        if request.count == 8 {
            large += 1
        } else {
            small += 1
        }
        driver.answer(ticket, Status::Ok, request.count);
        let _ = driver.publish().unwrap();
        let _ = world.virt.serve();
    }
    assert!(large <= 4, "{large} large requests beside {small} small ones");
}
