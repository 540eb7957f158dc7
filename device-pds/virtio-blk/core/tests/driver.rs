//! The driver against a device that need not behave, with a queue whose other end
//! need not either.

mod disk;

use disk::{BLOCKS, Bench, DATA, DATA_SIZE};
use proptest::prelude::*;
use sddf::block::{Operation, Outcome, Request, Status};
use virtio_blk_core::{Driver, SLOTS, Trouble};
use virtio_hal::{Lie, StartError, VERSION_1, testing::Faults};

#[test]
fn what_is_written_is_read_and_lies_where_it_was_asked_for() {
    let mut bench = Bench::new();
    bench.data.write(0x3000, b"to the disk").unwrap();
    assert_eq!(bench.ask(Operation::Write, DATA + 0x3000, 7, 2), [Outcome::Done]);
    assert_eq!(bench.sectors(7 * 8, 1)[..11], *b"to the disk");
    assert_eq!(bench.ask(Operation::Read, DATA + 0x8000, 7, 1), [Outcome::Done]);
    let mut back = [0; 11];
    bench.data.read(0x8000, &mut back).unwrap();
    assert_eq!(&back, b"to the disk");
    assert_eq!(bench.ask(Operation::Flush, 0, 0, 0), [Outcome::Done]);
    assert_eq!(bench.device.0.borrow().behaviour.flushes, 1);
}

#[test]
fn the_disk_is_announced_as_the_device_says() {
    let bench = Bench::new();
    let info = bench.info.read().unwrap();
    assert_eq!((info.capacity, info.read_only, info.queue_depth), (BLOCKS, false, SLOTS as u16));
    assert_eq!(info.serial(), b"a disk's serial");
    let bench = Bench::with(|disk, _| disk.features |= 1 << 5);
    assert!(bench.info.read().unwrap().read_only);
}

#[test]
fn a_device_need_not_have_a_name() {
    let bench = Bench::with(|disk, _| disk.name_status = 2);
    let info = bench.info.read().unwrap();
    assert_eq!((info.capacity, info.serial()), (BLOCKS, &b""[..]));
}

#[test]
fn a_disk_that_is_read_only_is_not_written() {
    let mut bench = Bench::with(|disk, _| disk.features |= 1 << 5);
    let refused = Outcome::Failed { status: Status::InvalidParameter, done: 0 };
    assert_eq!(bench.ask(Operation::Write, DATA, 0, 1), [refused]);
    assert_eq!(bench.ask(Operation::Read, DATA, 0, 1), [Outcome::Done]);
}

#[test]
fn a_disk_without_a_cache_is_not_asked_to_flush_it() {
    let mut bench = Bench::with(|disk, _| disk.features = VERSION_1);
    assert_eq!(bench.ask(Operation::Flush, 0, 0, 0), [Outcome::Done]);
    assert_eq!(bench.device.0.borrow().behaviour.flushes, 0);
}

#[test]
fn a_flush_and_a_barrier_wait_for_what_came_before() {
    for (operation, flushes) in [(Operation::Flush, 1), (Operation::Barrier, 0)] {
        let mut bench = Bench::with(|_, faults| faults.slow = true);
        bench.submit(Operation::Write, DATA, 0, 1);
        bench.submit(operation, 0, 0, 0);
        bench.submit(Operation::Write, DATA, 1, 1);
        bench.serve();
        assert_eq!(bench.device.0.borrow().behaviour.seen, 0);
        bench.device.work();
        assert_eq!(bench.device.0.borrow().behaviour.seen, 1, "the first write alone");
        bench.settle();
        assert_eq!(bench.answers(), [Outcome::Done; 3]);
        assert_eq!(bench.device.0.borrow().behaviour.flushes, flushes);
    }
}

#[test]
fn a_long_request_goes_in_parts_and_several_requests_at_once() {
    let mut bench = Bench::with(|_, faults| faults.slow = true);
    for block in 0..DATA_SIZE / 4096 {
        bench.data.write_u64(block * 4096, block as u64 + 1).unwrap();
    }
    bench.submit(Operation::Write, DATA, 3, 100);
    bench.submit(Operation::Write, DATA, 200, 1);
    bench.serve();
    bench.device.work();
    assert_eq!(bench.device.0.borrow().behaviour.seen, 2, "a part of the one, and the other");
    bench.settle();
    assert_eq!(bench.answers(), [Outcome::Done; 2]);
    for block in 0..100 {
        let there = bench.sectors((3 + block) * 8, 1)[..8].try_into().unwrap();
        assert_eq!(u64::from_le_bytes(there), block as u64 + 1);
    }
    assert_eq!(bench.device.0.borrow().behaviour.seen, 100_u32.div_ceil(16) + 1);
}

#[test]
fn more_requests_than_buffers_are_all_done() {
    let mut bench = Bench::with(|_, faults| faults.slow = true);
    for block in 0..4 * SLOTS as u64 {
        bench.submit(Operation::Read, DATA + block * 4096, block, 1);
    }
    bench.settle();
    assert_eq!(bench.answers().len(), 4 * SLOTS);
    assert_eq!(bench.driver.trouble(), None);
}

#[test]
fn what_is_outside_the_disk_or_the_data_is_refused_and_the_device_hears_nothing() {
    let mut bench = Bench::new();
    let end = DATA + DATA_SIZE as u64;
    for (operation, buffer, block, count) in [
        (Operation::Read, end, 0, 1),
        (Operation::Read, end - 4096, 0, 2),
        (Operation::Write, DATA - 4096, 0, 1),
        (Operation::Write, DATA + 1, 0, 1),
        (Operation::Read, DATA, BLOCKS, 1),
        (Operation::Write, DATA, BLOCKS - 1, 2),
        (Operation::Read, DATA, u64::MAX, 2),
        (Operation::Read, u64::MAX - 4095, 0, 2),
    ] {
        let refused = Outcome::Failed { status: Status::InvalidParameter, done: 0 };
        assert_eq!(bench.ask(operation, buffer, block, count), [refused]);
        let expected = Request { operation, buffer, block, count };
        assert_eq!(bench.driver.trouble(), Some(Trouble::Refused(expected)));
    }
    assert_eq!(bench.device.0.borrow().behaviour.seen, 0);
}

#[test]
fn a_request_that_the_device_cannot_do_fails_alone() {
    let mut bench = Bench::new();
    for (status, expected) in [(1, Status::Io), (2, Status::InvalidParameter), (77, Status::Io)] {
        bench.device.0.borrow_mut().behaviour.status = status;
        let outcome = Outcome::Failed { status: expected, done: 0 };
        assert_eq!(bench.ask(Operation::Read, DATA, 0, 1), [outcome]);
        assert_eq!(bench.ask(Operation::Flush, 0, 0, 0), [outcome]);
    }
    bench.device.0.borrow_mut().behaviour.status = 0;
    assert_eq!(bench.ask(Operation::Read, DATA, 0, 1), [Outcome::Done]);
}

#[test]
fn a_device_that_writes_less_than_it_should_has_done_nothing() {
    for short in [0, 1, 4095, 4096] {
        let mut bench = Bench::new();
        bench.data.write_u64(0, 0x1234).unwrap();
        bench.device.0.borrow_mut().behaviour.short = Some(short);
        let outcome = Outcome::Failed { status: Status::Io, done: 0 };
        assert_eq!(bench.ask(Operation::Read, DATA, 0, 1), [outcome], "{short}");
        assert_eq!(bench.data.read_u64(0), Ok(0x1234), "the client's memory is as it was");
    }
}

#[test]
fn a_device_that_lies_is_given_up_and_every_request_answered() {
    type Lies = fn(&Bench);
    let cases: [(Lie, Lies); 5] = [
        (Lie::NotLent { token: 9 }, |bench| bench.device.claim(0, 9, 1)),
        (Lie::NotLent { token: 16 }, |bench| bench.device.claim(0, 16, 1)),
        (Lie::NotLent { token: 1 }, |bench| bench.device.claim(0, 1, 1)),
        (Lie::Length { says: 4098, had: 4097 }, |bench| bench.device.claim(0, 0, 4098)),
        (Lie::Length { says: u32::MAX, had: 4097 }, |bench| bench.device.claim(0, 0, u32::MAX)),
    ];
    for (lie, act) in cases {
        let mut bench = Bench::with(|_, faults| faults.slow = true);
        bench.submit(Operation::Read, DATA, 0, 1);
        bench.submit(Operation::Flush, 0, 0, 0);
        bench.serve();
        act(&bench);
        assert!(bench.serve());
        assert_eq!(bench.driver.trouble(), Some(Trouble::Lie(lie)));
        assert_eq!(bench.answers(), [Outcome::Failed { status: Status::NoDevice, done: 0 }; 2]);
        assert_eq!(bench.info.read(), None, "there is no disk any more");
        assert_eq!(bench.device.0.borrow().status, 0, "and the device was reset");
        let gone = Outcome::Failed { status: Status::NoDevice, done: 0 };
        assert_eq!(bench.ask(Operation::Read, DATA, 0, 1), [gone]);
    }
}

#[test]
fn a_chain_is_not_given_back_twice() {
    let mut bench = Bench::with(|_, faults| faults.slow = true);
    bench.submit(Operation::Read, DATA, 0, 1);
    bench.serve();
    bench.device.work();
    bench.device.claim(0, 0, 1);
    bench.serve();
    assert_eq!(bench.driver.trouble(), Some(Trouble::Lie(Lie::NotLent { token: 0 })));
    assert_eq!(bench.answers(), [Outcome::Done], "what it did was done");
}

#[test]
fn an_index_that_jumps_ends_the_device_and_not_the_driver() {
    for index in [2, 17, 0x8000, u16::MAX] {
        let mut bench = Bench::with(|_, faults| faults.slow = true);
        bench.submit(Operation::Read, DATA, 0, 1);
        bench.serve();
        bench.device.claim_index(0, index);
        bench.settle();
        assert!(matches!(bench.driver.trouble(), Some(Trouble::Lie(_) | Trouble::Failed { .. })));
        assert_eq!(bench.answers().len(), 1);
    }
}

#[test]
fn a_device_that_wants_to_be_reset_is_given_up() {
    let mut bench = Bench::with(|_, faults| faults.slow = true);
    bench.submit(Operation::Read, DATA, 0, 1);
    bench.serve();
    (bench.device.0.borrow_mut().status, bench.device.0.borrow_mut().isr) = (0x40 | 0xf, 2);
    bench.driver.interrupted(&bench.sink);
    assert!(bench.serve());
    assert_eq!(bench.driver.trouble(), Some(Trouble::GaveUp));
    assert_eq!(bench.answers(), [Outcome::Failed { status: Status::NoDevice, done: 0 }]);
}

#[test]
fn a_virtualiser_that_lies_stops_the_device() {
    let mut bench = Bench::new();
    // More requests than there are slots.
    bench.requests.write_u32(4, 1000).unwrap();
    assert!(bench.driver.serve(&mut bench.server, &bench.sink).is_err());
    assert_eq!(bench.device.0.borrow().status, 0);
}

#[test]
fn a_device_that_cannot_be_used_is_left_reset_with_the_reason() {
    type Change = fn(&mut disk::Disk, &mut Faults);
    let cases: [(StartError, Change); 7] = [
        (StartError::Reset, |_, faults| faults.stays = true),
        (StartError::Legacy, |disk, _| disk.features = 1 << 9),
        (StartError::Features, |_, faults| faults.refuses = true),
        (StartError::Queue { index: 0, why: virtio_hal::CrateError::InvalidParam }, |_, faults| {
            faults.most = Some(8)
        }),
        (StartError::Queue { index: 0, why: virtio_hal::CrateError::InvalidParam }, |_, faults| {
            faults.most = Some(0)
        }),
        (StartError::Doorbell { queue: 0, offset: 0x1000 }, |_, faults| {
            faults.doorbell = Some(0x400)
        }),
        (StartError::Configuration(virtio_hal::CrateError::NotReady), |_, faults| {
            faults.restless = true
        }),
    ];
    for (expected, change) in cases {
        let (device, refused) = disk::refused(change);
        assert_eq!(refused, expected);
        let works = device.0.borrow().status & 4 != 0;
        assert!(!works || expected == StartError::Reset, "{expected}: it may not work");
    }
}

#[test]
fn a_structure_outside_the_registers_is_refused() {
    use virtio_hal::testing::{REGISTERS, REGISTERS_SIZE, structures};
    type Change = fn(&mut pci_bus::virtio::Structures);
    let cases: [Change; 8] = [
        |s| s.common.address += 0x4000,
        |s| s.common.address -= 4,
        |s| s.common.address += 2,
        |s| s.common.size = 55,
        |s| s.notify.size = 0x1001,
        |s| s.notify.address += 1,
        |s| s.isr.size = 0,
        |s| s.device.address = u32::MAX,
    ];
    for change in cases {
        let (device, _) = disk::refused(|_, faults| faults.stays = true);
        let mut there = structures();
        change(&mut there);
        let kind = virtio_hal::DeviceType::Block;
        let made = virtio_hal::Transport::new(kind, device, REGISTERS, REGISTERS_SIZE, &there);
        assert!(matches!(made, Err(StartError::Structure { .. })), "{there:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is asked of it, a disk holds what was written to it last.
    #[test]
    fn the_disk_is_a_disk(
        asked in proptest::collection::vec((any::<bool>(), 0..BLOCKS, 1..40u16, any::<u64>()), 1..20),
        slow: bool,
    ) {
        let mut bench = Bench::with(|_, faults| faults.slow = slow);
        let mut expected = vec![0u64; BLOCKS as usize];
        for (writes, block, count, value) in asked {
            let count = count.min((BLOCKS - block) as u16);
            let blocks = block as usize..block as usize + usize::from(count);
            for (place, block) in blocks.clone().enumerate() {
                bench.data.write_u64(place * 4096, value.wrapping_add(block as u64)).unwrap();
            }
            let operation = if writes { Operation::Write } else { Operation::Read };
            prop_assert_eq!(bench.ask(operation, DATA, block, count), [Outcome::Done]);
            for (place, block) in blocks.enumerate() {
                if writes {
                    expected[block] = value.wrapping_add(block as u64);
                }
                prop_assert_eq!(bench.data.read_u64(place * 4096), Ok(expected[block]));
            }
        }
    }

    /// Whatever the device claims, the driver answers each request once at most and
    /// does not stop.
    #[test]
    fn no_claim_of_the_device_s_is_believed_twice(
        claims in proptest::collection::vec((0..20u32, 0..5000u32, any::<bool>()), 0..40),
    ) {
        let mut bench = Bench::with(|_, faults| faults.slow = true);
        for block in 0..8 {
            bench.submit(Operation::Read, DATA + block * 4096, block, 1);
        }
        let mut answered = 0;
        for (id, written, works) in claims {
            bench.serve();
            if bench.device.0.borrow().status == 0 {
                break;
            }
            if works { bench.device.work() } else { bench.device.claim(0, id, written) }
            answered += bench.answers().len();
        }
        bench.serve();
        answered += bench.answers().len();
        prop_assert!(answered <= 8);
    }
}

#[test]
fn the_driver_fits_the_stack_that_it_is_made_on() {
    assert!(size_of::<Driver<virtio_hal::testing::ThreadPool, disk::Model>>() < 4 << 10);
}

#[test]
fn the_device_is_notified_once_of_a_request_and_not_without_one() {
    let mut bench = Bench::new();
    bench.submit(Operation::Read, DATA, 0, 1);
    bench.settle();
    assert_eq!(bench.device.0.borrow().notified, 1);
}
