//! What a driver or a domain may do that it should not.

use std::format;
use std::string::ToString;
use std::vec;

use proptest::prelude::*;
use sddf::block::{Status, StorageInfo};

use super::super::bits::{kind, status};
use super::super::disk::Disk;
use super::super::*;
use super::world::{BLOCKS, World, storage, world, world_of};
use crate::devices::virtio::model::Model;

const SECTORS: u64 = BLOCKS * 8;

/// The domain answers what was never asked.
fn forge(w: &World, head: u32, status: u32, done: u16, id: u32) {
    let at = 8 + 12 * (head as usize % 256);
    w.responses.write_u32(at, status).unwrap();
    w.responses.write_u16(at + 4, done).unwrap();
    w.responses.write_u32(at + 8, id).unwrap();
    w.responses.write_u32(4, head + 1).unwrap();
}

#[test]
fn a_transfer_stays_on_the_disk_and_is_whole_sectors() {
    let beyond =
        [(SECTORS, 512), (SECTORS - 1, 1024), (u64::MAX, 512), (1 << 55, 512), (0, 511), (0, 513)];
    for (sector, length) in beyond {
        let mut w = world();
        w.read(sector, length);
        w.write(sector, &vec![0; length as usize]);
        w.settle();
        assert_eq!(w.status(), status::IOERR, "{length} from {sector:#x}");
        assert_eq!(w.status(), status::IOERR);
        assert!(w.asked.is_empty());
    }
    for (sector, sectors) in [(SECTORS, 1), (0, u32::MAX), (u64::MAX, 1), (0, 16385)] {
        let mut w = world();
        w.zero(sector, sectors, 0);
        w.settle();
        assert_eq!(w.status(), status::IOERR);
        assert!(w.asked.is_empty());
    }
}

#[test]
fn nothing_to_transfer_is_done_at_once() {
    let mut w = world();
    w.ask(0, kind::IN, 0, &[], &[1]);
    w.ask(0, kind::OUT, 0, &[], &[1]);
    w.zero(0, 0, 0);
    w.settle();
    assert_eq!((w.status(), w.status(), w.status()), (0, 0, 0));
    assert!(w.asked.is_empty());
}

#[test]
fn an_unknown_request_is_unsupported() {
    let mut w = world();
    for kind in [2, 3, 5, 6, 7, 9, 10, 11, 12, 14, 15, 24, 26, 1 << 31, u32::MAX] {
        w.ask(0, kind, 0, &[], &[1]);
        w.settle();
        assert_eq!(w.status(), status::UNSUPP, "{kind}");
    }
    for flags in [2, 3, 1 << 31] {
        w.zero(0, 8, flags);
        w.settle();
        assert_eq!(w.status(), status::UNSUPP);
    }
    assert!(w.asked.is_empty());
}

#[test]
fn a_request_without_a_header_or_a_status_does_nothing() {
    let mut w = world();
    for length in [1, 15] {
        w.driver.offer(0, &mut w.memory, &[&vec![0; length]], &[512, 1]);
        w.settle();
        assert_eq!(w.status(), status::IOERR);
    }
    // No place for a status: it just comes back.
    w.driver.offer(0, &mut w.memory, &[&[1; 16]], &[]);
    w.settle();
    assert_eq!(w.driver.used(0, &w.memory).map(|(_, bytes)| bytes), Some(vec![]));
    // Too little for a serial number, or for a range.
    w.ask(0, kind::GET_ID, 0, &[], &[19, 1]);
    w.ask(0, kind::WRITE_ZEROES, 0, &[&[0; 15]], &[1]);
    w.ask(0, kind::WRITE_ZEROES, 0, &[&[0; 32]], &[1]);
    w.settle();
    let all = (w.status(), w.status(), w.status());
    assert_eq!(all, (status::IOERR, status::IOERR, status::IOERR));
    assert!(w.asked.is_empty());
}

#[test]
fn a_header_may_lie_in_pieces() {
    let mut w = world();
    let mut header = [0; 16];
    header[8] = 3;
    let (a, b) = header.split_at(5);
    w.driver.offer(0, &mut w.memory, &[a, b], &[100, 412, 1]);
    w.settle();
    assert_eq!(w.answered(), (status::OK, w.disk[3 * 512..][..512].to_vec()));
}

#[test]
fn a_broken_queue_is_the_drivers_fault() {
    let mut w = world();
    // The available index jumps.
    crate::memory::GuestMemory::write_u16(&mut w.memory, crate::types::Gpa(0x1002), 500).unwrap();
    let served = w.block.serve(&mut w.driver.queues, &mut w.memory, w.now);
    assert!(matches!(served.fault, Some(Fault::Index { found: 500, .. })), "{served:?}");
}

#[test]
fn what_a_reset_left_behind_is_drained_before_anything_begins() {
    for count in [1, 20, 64] {
        let mut w = world();
        for n in 0..count {
            w.write(n % SECTORS, &[0xee; 512]);
        }
        w.serve();
        w.take();
        w.block.reset();
        w.driver =
            crate::devices::virtio::testing::Driver::new(&[QUEUE_SIZE; QUEUES], &mut w.memory);
        w.memory.0[0x1000..0x4000].fill(0);
        w.memory.0[0x5000..0x40000].fill(0);
        let features = w.block.features();
        w.block.start(features);
        w.read(8, 512);
        let before = w.asked.len();
        w.serve();
        w.take();
        assert_eq!(w.asked.len(), before, "the new driver waits for the old one's end");
        assert_eq!(w.driver.used(0, &w.memory), None);
        w.settle();
        let (status, bytes) = w.answered();
        assert_eq!((status, bytes), (status::OK, w.disk[8 * 512..][..512].to_vec()));
        assert_eq!(w.driver.used(0, &w.memory), None, "nobody else's answer");
        // All of the region is there again.
        w.read(0, (BLOCKS * 4096) as u32);
        w.serve();
        w.take();
        assert_eq!(w.held.iter().map(|h| h.1.count).sum::<u16>(), BLOCKS as u16);
        w.settle();
    }
}

#[test]
fn a_domain_that_lies_is_closed_and_its_requests_fail() {
    type Lie = fn(&World);
    let lies: [(Lie, &str); 8] = [
        (|w| forge(w, 0, 0, 1, 77), "not outstanding"),
        (|w| forge(w, 0, 0, 1, u32::MAX), "not outstanding"),
        // The first request has the highest of the ids.
        (|w| forge(w, 0, 0, 2, 63), "claims 2"),
        (|w| forge(w, 0, 0, 0, 63), "claims 0"),
        (|w| forge(w, 0, 3, 2, 63), "claims 2"),
        (|w| forge(w, 0, 9, 1, 63), "status 9"),
        (|w| w.responses.write_u32(4, 5000).unwrap(), "broke the protocol"),
        (|w| w.responses.write_u32(4, u32::MAX).unwrap(), "broke the protocol"),
    ];
    for (index, (lie, word)) in lies.into_iter().enumerate() {
        let mut w = world();
        w.read(0, 512);
        w.read(8, 512);
        w.serve();
        assert!(w.block.breach().is_none());
        lie(&w);
        w.serve();
        assert_eq!((w.status(), w.status()), (status::IOERR, status::IOERR), "lie {index}");
        let breach = w.block.breach().map(|b| b.to_string()).expect("a culprit");
        assert!(breach.contains(word), "{breach}");
        // The guest is told of whatever it asks next, too, even after a reset.
        w.read(0, 512);
        w.serve();
        assert_eq!(w.status(), status::IOERR);
        w.block.reset();
        let features = w.block.features();
        w.block.start(features);
        w.write(0, &[0; 512]);
        w.serve();
        assert_eq!(w.status(), status::IOERR);
    }
}

#[test]
fn a_domain_that_took_what_was_not_asked_is_closed() {
    let mut w = world();
    w.read(0, 512);
    w.serve();
    // Its index of the requests, where there are none.
    w.requests.write_u32(0, 5000).unwrap();
    for n in 0..200 {
        w.read(n % SECTORS, 512);
        w.serve();
        if w.block.breach().is_some() {
            break;
        }
        // Its answers let more in, until it has to be asked for room.
        forge(&w, n as u32, 0, 1, 63);
        w.serve();
    }
    let breach = w.block.breach().map(|b| b.to_string()).expect("a culprit");
    assert!(breach.contains("block requests"), "{breach}");
}

#[test]
fn an_answer_that_comes_twice_closes_the_connection() {
    let mut w = world();
    w.read(0, 512);
    w.settle();
    assert_eq!(w.status(), status::OK);
    forge(&w, 1, 0, 1, 63);
    w.serve();
    let breach = w.block.breach().map(|b| format!("{b}")).expect("a culprit");
    assert!(breach.contains("not outstanding"), "{breach}");
}

#[test]
fn a_disk_that_fails_fails_the_request_alone() {
    for (status, done) in [
        (Status::Io, 0),
        (Status::NoDevice, 1),
        (Status::InvalidParameter, 0),
        (Status::Unspecified, 1),
    ] {
        let mut w = world();
        w.read(0, 4096);
        w.write(9, &[7; 512]);
        w.write(100, &[7; 20 * 512]);
        for round in 0..3 {
            w.serve();
            w.take();
            for (ticket, request) in w.held.split_off(0) {
                w.server.answer(ticket, status, done.min(request.count));
            }
            let _notify = w.server.publish().unwrap();
            assert!(w.block.breach().is_none(), "round {round}");
        }
        w.serve();
        let all = (w.status(), w.status(), w.status());
        assert_eq!(all, (status::IOERR, status::IOERR, status::IOERR));
        w.read(0, 4096);
        w.settle();
        assert_eq!(w.status(), status::OK);
    }
}

#[test]
fn without_a_disk_there_are_no_sectors() {
    let mut w = world();
    w.info.withdraw();
    w.block.reset();
    assert!(!w.block.ready());
    let features = w.block.features();
    w.block.start(features);
    w.read(0, 512);
    w.settle();
    assert_eq!(w.status(), status::IOERR);
}

#[test]
fn a_data_region_holds_a_block() {
    let ring = || Region::host(4096);
    let info = InfoSource::new(&Region::host(4096).read_only()).unwrap();
    let store = std::boxed::Box::leak(std::boxed::Box::new(Store::new()));
    let client = Client::new(&ring(), &ring()).unwrap();
    let options = Options::default();
    let refused = Block::new(store, client, Region::host(4095), info, options, Limiter::default());
    assert_eq!(refused.err(), Some(SetupError::Data { size: 4095 }));
}

proptest! {
    /// Whatever the domain says of a disk, the guest sees one that nothing overflows on.
    #[test]
    fn whatever_is_said_of_a_disk_is_survived(
        capacity in prop_oneof![any::<u64>(), Just(u64::MAX), Just(u64::MAX >> 12), 0..100_u64],
        sector_size in any::<u16>(),
        block_size in any::<u16>(),
        sector in any::<u64>(),
        length in any::<u64>(),
    ) {
        let info = StorageInfo { sector_size, block_size, ..StorageInfo::of(capacity) };
        let disk = Disk::new(Some(&info), &Options::default());
        let _config = disk.config(true);
        if disk.holds(sector, length) {
            prop_assert!(sector.checked_mul(512).and_then(|at| at.checked_add(length)).is_some());
        }
    }

    /// Any bytes in the responses' ring: the connection ends or goes on, nothing else.
    #[test]
    fn any_responses_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 256),
        tail in 0..70_u32,
        again in any::<bool>(),
    ) {
        let mut w = world_of(8, &storage(), Options::default(), Limiter::default());
        for n in 0..8 {
            w.read(8 * n, 4096);
            w.write(8 * n + 1, &[1; 512]);
        }
        w.serve();
        w.responses.write(8, &bytes).unwrap();
        w.responses.write_u32(4, tail).unwrap();
        w.serve();
        if again {
            w.block.reset();
            let features = w.block.features();
            w.block.start(features);
        }
        w.serve();
    }
}
