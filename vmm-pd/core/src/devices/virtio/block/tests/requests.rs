//! What an honest driver asks, and what an honest domain answers.

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use sddf::block::Operation;

use super::super::bits::{kind, status};
use super::super::*;
use super::world::{BLOCKS, World, storage, world, world_of};
use crate::devices::virtio::model::Model;
use crate::devices::virtio::rate::Rate;
use crate::time::TscFrequency;

const SECTORS: u64 = BLOCKS * 8;

fn pattern(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|n| (n / 7) as u8 ^ salt).collect()
}

#[test]
fn what_is_written_is_on_the_disk_and_read_again() {
    let mut w = world();
    let bytes = pattern(3 * 4096, 5);
    w.write(16, &bytes);
    w.settle();
    assert_eq!(w.status(), status::OK);
    assert_eq!(w.disk[16 * 512..][..bytes.len()], bytes);
    w.read(16, bytes.len() as u32);
    w.settle();
    assert_eq!(w.answered(), (status::OK, bytes));
    assert_eq!(w.driver.queues.take_interrupts(), 1);
}

#[test]
fn a_read_of_sectors_takes_the_blocks_around_them() {
    let mut w = world();
    for (sector, sectors) in [(0, 1), (7, 1), (7, 2), (3, 13), (SECTORS - 1, 1)] {
        w.read(sector, sectors * 512);
        w.settle();
        let expected = &w.disk[sector as usize * 512..][..sectors as usize * 512].to_vec();
        assert_eq!(w.answered(), (status::OK, expected.clone()), "{sectors} from {sector}");
    }
    assert!(w.asked.iter().all(|r| r.operation == Operation::Read));
    assert_eq!(w.asked.len(), 5, "one piece each");
}

#[test]
fn a_write_of_sectors_changes_nothing_around_them() {
    for (sector, sectors) in [(0, 1), (7, 1), (7, 2), (3, 13), (8, 9), (SECTORS - 1, 1)] {
        let mut w = world();
        let mut expected = w.disk.clone();
        let bytes = pattern(sectors * 512, 0xa5);
        expected[sector as usize * 512..][..bytes.len()].copy_from_slice(&bytes);
        w.write(sector, &bytes);
        w.settle();
        assert_eq!(w.status(), status::OK);
        assert!(w.disk == expected, "{sectors} from {sector}");
    }
}

#[test]
fn two_changes_within_a_block_do_not_undo_each_other() {
    let mut w = world();
    let mut expected = w.disk.clone();
    for sector in 0..8 {
        let bytes = pattern(512, sector as u8);
        expected[sector * 512..][..512].copy_from_slice(&bytes);
        w.write(sector as u64, &bytes);
    }
    // A write of the whole block beside them waits for its turn too.
    w.write(8, &pattern(4096, 9));
    expected[4096..8192].copy_from_slice(&pattern(4096, 9));
    w.serve();
    // The domain answers the latest first, whenever it holds more than one.
    loop {
        w.take();
        let Some(last) = w.held.len().checked_sub(1) else { break };
        let writing: Vec<_> = w.held.iter().filter(|h| h.1.block == 0).collect();
        assert!(writing.len() <= 1, "{writing:?}");
        w.answer(last);
        w.serve();
    }
    assert!(w.disk == expected);
}

#[test]
fn zeroes_are_written_and_nothing_else() {
    for (sector, sectors) in [(0, 8), (3, 30), (7, 2), (1, 1), (0, SECTORS as u32)] {
        let mut w = world();
        let mut expected = w.disk.clone();
        expected[sector as usize * 512..][..sectors as usize * 512].fill(0);
        w.zero(sector, sectors, 1);
        w.settle();
        assert_eq!(w.status(), status::OK);
        assert!(w.disk == expected, "{sectors} from {sector}");
        assert!(w.asked.iter().all(|r| r.operation.transfers()), "zeroes are writes");
    }
}

#[test]
fn a_flush_is_a_flush() {
    let mut w = world();
    w.ask(0, kind::FLUSH, 0, &[], &[1]);
    w.settle();
    assert_eq!(w.status(), status::OK);
    assert_eq!(w.asked.len(), 1);
    assert_eq!(w.asked[0].operation, Operation::Flush);
}

#[test]
fn with_the_cache_off_a_write_is_answered_after_a_flush() {
    // Turned off, not negotiated, or no flush known at all.
    let without = |bit: u64| {
        move |w: &mut World| {
            let features = w.block.features() & !bit;
            w.block.reset();
            w.block.start(features);
        }
    };
    let off = |w: &mut World| w.block.write_config(32, &[0]);
    type Prepare<'a> = &'a dyn Fn(&mut World);
    let cases: [(Prepare<'_>, bool); 4] = [
        (&off, true),
        (&without(feature::FLUSH | feature::CONFIG_WCE), true),
        (&without(feature::CONFIG_WCE), false),
        (&|_| (), false),
    ];
    for (index, (prepare, flushes)) in cases.into_iter().enumerate() {
        let mut w = world();
        prepare(&mut w);
        w.write(0, &pattern(4096, 1));
        w.settle();
        assert_eq!(w.status(), status::OK);
        let last = w.asked.last().unwrap().operation;
        assert_eq!(last == Operation::Flush, flushes, "case {index}");
    }
}

#[test]
fn the_serial_number_is_the_configured_one_or_the_disks() {
    let mut w = world();
    w.ask(0, kind::GET_ID, 0, &[], &[20, 1]);
    w.settle();
    assert_eq!(w.answered().1, b"serial of the disk\0\0");
    let mut serial = [0; SERIAL_MAX];
    serial[..4].copy_from_slice(b"mine");
    let options = Options { serial, ..Options::default() };
    let mut w = world_of(8, &storage(), options, Limiter::default());
    w.ask(0, kind::GET_ID, 0, &[], &[20, 1]);
    w.settle();
    assert_eq!(w.answered().1[..5], *b"mine\0");
    assert!(w.asked.is_empty(), "the domain is not asked");
}

#[test]
fn a_request_larger_than_the_data_region_is_cut() {
    let mut w = world_of(3, &storage(), Options::default(), Limiter::default());
    let bytes = pattern(30 * 4096 - 1024, 3);
    w.write(1, &bytes);
    w.settle();
    assert_eq!(w.status(), status::OK);
    w.read(1, bytes.len() as u32);
    w.settle();
    assert!(w.answered() == (status::OK, bytes));
    assert!(w.asked.iter().all(|r| r.buffer + r.bytes() <= 3 * 4096));
}

#[test]
fn more_requests_than_there_is_room_for_wait_in_their_queue() {
    let mut w = world_of(2, &storage(), Options::default(), Limiter::default());
    for n in 0..40 {
        w.read(8 * n, 4096);
    }
    w.serve();
    w.take();
    assert_eq!(w.held.len(), 2);
    w.settle();
    for n in 0..40_usize {
        assert_eq!(w.answered(), (status::OK, w.disk[n * 4096..][..4096].to_vec()), "{n}");
    }
}

#[test]
fn the_queues_take_turns() {
    let mut w = world_of(4, &storage(), Options::default(), Limiter::default());
    for queue in [0, 0, 0, 0, 1, 1, 2, 3] {
        w.ask(queue, kind::IN, 8 * queue as u64, &[], &[4096, 1]);
    }
    w.serve();
    w.take();
    let blocks: BTreeSet<_> = w.held.iter().map(|h| h.1.block).collect();
    assert_eq!(blocks.len(), 4, "{:?}", w.held);
    w.settle();
    assert_eq!(w.driver.queues.take_interrupts(), 0b1111);
    assert_eq!(w.answered_on(3).0, status::OK);
}

#[test]
fn a_read_only_disk_says_so_and_is_not_written() {
    let mut info = storage();
    info.read_only = true;
    let options = Options { read_only: true, ..Options::default() };
    for (info, options) in [(info, Options::default()), (storage(), options)] {
        let mut w = world_of(8, &info, options, Limiter::default());
        assert_ne!(w.block.features() & feature::RO, 0);
        w.write(0, &[1; 512]);
        w.zero(0, 8, 0);
        w.settle();
        assert_eq!((w.status(), w.status()), (status::IOERR, status::IOERR));
        assert!(w.asked.is_empty());
        w.read(0, 512);
        w.settle();
        assert_eq!(w.status(), status::OK);
    }
    assert_eq!(world().block.features() & feature::RO, 0);
}

#[test]
fn the_configuration_space_says_what_the_device_does() {
    let w = world();
    let read = |at: u32, width: usize| {
        let mut bytes = [0; 8];
        w.block.read_config(at, &mut bytes[..width]);
        u64::from_le_bytes(bytes)
    };
    assert_eq!(read(0, 8), SECTORS);
    assert_eq!(read(8, 4), 256 << 10, "size_max");
    assert_eq!(read(12, 4), 34, "seg_max");
    assert_eq!(read(20, 4), 512, "blk_size");
    assert_eq!(read(24, 1), 3, "a block of the path is eight logical ones");
    assert_eq!(read(26, 2), 8, "min_io_size");
    assert_eq!(read(28, 4), 8, "opt_io_size");
    assert_eq!(read(32, 1), 1, "writeback");
    assert_eq!(read(34, 2), QUEUES as u64);
    assert_eq!(read(48, 4), 16384, "max_write_zeroes_sectors");
    assert_eq!(read(52, 4), 1, "max_write_zeroes_seg");
    for beyond in [72, 71, 1 << 31, u32::MAX] {
        assert_eq!(read(beyond, 8), 0);
    }
}

#[test]
fn only_the_cache_can_be_configured_and_only_if_negotiated() {
    let mut w = world();
    let before: Vec<u8> = {
        let mut all = vec![0; 72];
        w.block.read_config(0, &mut all);
        all
    };
    w.block.write_config(0, &[0xff; 32]);
    w.block.write_config(33, &[0xff; 64]);
    w.block.write_config(u32::MAX, &[0; 8]);
    let mut after = vec![0; 72];
    w.block.read_config(0, &mut after);
    assert_eq!(before, after);
    w.block.write_config(30, &[0; 4]);
    w.block.read_config(0, &mut after);
    assert_eq!(after[32], 0);
    w.block.reset();
    w.block.start(feature::FLUSH);
    w.block.write_config(32, &[0]);
    w.block.read_config(0, &mut after);
    assert_eq!(after[32], 1);
    assert!(!w.block.check_features(feature::CONFIG_WCE));
    assert!(w.block.check_features(feature::CONFIG_WCE | feature::FLUSH));
}

#[test]
fn a_disk_that_comes_later_or_grows_is_told() {
    let mut w = world();
    w.info.withdraw();
    w.serve();
    assert!(!w.last.config_changed, "what it was, it stays, until there is another");
    let mut info = storage();
    info.capacity = 2 * BLOCKS;
    w.info.publish(&info);
    w.serve();
    assert!(w.last.config_changed);
    let mut capacity = [0; 8];
    w.block.read_config(0, &mut capacity);
    assert_eq!(u64::from_le_bytes(capacity), 2 * SECTORS);
    w.serve();
    assert!(!w.last.config_changed);
}

#[test]
fn a_limited_disk_goes_at_its_rate() {
    let tsc = TscFrequency::new(100_000_000).unwrap();
    let limiter =
        Limiter::new(Rate { per_second: 1000, burst: 4 }, Rate { per_second: 0, burst: 0 }, tsc);
    let mut w = world_of(64, &storage(), Options::default(), limiter);
    for n in 0..20 {
        w.read(8 * n, 4096);
    }
    w.settle();
    assert_eq!(w.asked.len(), 4);
    // One each hundred thousand ticks, at the time that it asks for.
    for done in 5..=20 {
        let at = w.last.again.expect("it waits for time alone");
        assert!(at > w.now && at.since(w.now) <= Ticks(100_001), "{at:?}");
        w.now = at;
        w.settle();
        assert_eq!(w.asked.len(), done);
    }
    assert_eq!(w.last.again, None, "nothing waits any more");
}

#[test]
fn a_driver_is_asked_to_be_quiet_while_answers_will_come() {
    let mut w = world();
    let silent = |w: &World| {
        let mut flags = [0; 2];
        w.memory.read(crate::types::Gpa(0x2000), &mut flags).unwrap();
        flags[0] & 1 == 1
    };
    w.serve();
    assert!(!silent(&w));
    w.read(0, 512);
    w.serve();
    assert!(!silent(&w), "one on its way: the next shall not wait for it");
    for n in 1..8 {
        w.read(8 * n, 512);
    }
    w.serve();
    assert!(silent(&w));
    w.settle();
    assert!(!silent(&w));
}

/// What a guest may ask in the long run: from which sector, how many.
#[derive(Clone, Debug)]
enum Step {
    Read(u64, u32),
    Write(u64, u32, u8),
    Zero(u64, u32),
    Flush,
    /// The domain answers one that it holds.
    Answer(u8),
    Serve,
}

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..SECTORS, 1..40_u32).prop_map(|(s, n)| (s, n.min((SECTORS - s) as u32)));
    prop_oneof![
        range().prop_map(|(s, n)| Step::Read(s, n)),
        (range(), any::<u8>()).prop_map(|((s, n), salt)| Step::Write(s, n, salt)),
        range().prop_map(|(s, n)| Step::Zero(s, n)),
        Just(Step::Flush),
        any::<u8>().prop_map(Step::Answer),
        Just(Step::Serve),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Requests on different sectors, in flight together and answered in any order,
    /// leave the disk as if each had been alone.
    #[test]
    fn the_disk_ends_as_the_guest_wrote_it(
        cells in 1..20_usize,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut w = world_of(cells, &storage(), Options::default(), Limiter::default());
        let mut expected = w.disk.clone();
        // Sectors that a request on its way touches: a guest keeps off them.
        let mut busy: Vec<(u64, u64)> = vec![];
        let mut asked = 0;
        for step in steps {
            let free = |busy: &[(u64, u64)], s: u64, n: u32| {
                busy.len() < 60 && busy.iter().all(|(a, b)| s + u64::from(n) <= *a || *b <= s)
            };
            match step {
                Step::Read(s, n) if free(&busy, s, n) => {
                    busy.push((s, s + u64::from(n)));
                    w.read(s, n * 512);
                    asked += 1;
                }
                Step::Write(s, n, salt) if free(&busy, s, n) => {
                    busy.push((s, s + u64::from(n)));
                    let bytes = pattern(n as usize * 512, salt);
                    expected[s as usize * 512..][..bytes.len()].copy_from_slice(&bytes);
                    w.write(s, &bytes);
                    asked += 1;
                }
                Step::Zero(s, n) if free(&busy, s, n) => {
                    busy.push((s, s + u64::from(n)));
                    expected[s as usize * 512..][..n as usize * 512].fill(0);
                    w.zero(s, n, 0);
                    asked += 1;
                }
                Step::Flush => {
                    // All that was asked is done at the latest now.
                    w.settle();
                    while asked > 0 {
                        prop_assert_eq!(w.status(), status::OK);
                        asked -= 1;
                    }
                    busy.clear();
                    prop_assert!(w.disk == expected);
                }
                Step::Answer(which) => {
                    w.take();
                    if !w.held.is_empty() {
                        w.answer(usize::from(which) % w.held.len());
                    }
                }
                Step::Serve => w.serve(),
                Step::Read(..) | Step::Write(..) | Step::Zero(..) => {}
            }
        }
        w.settle();
        for _ in 0..asked {
            prop_assert_eq!(w.status(), status::OK);
        }
        prop_assert!(w.disk == expected);
    }
}
