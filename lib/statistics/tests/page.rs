//! Both ends over one page.

use proptest::prelude::*;
use shmem::Region;
use statistics::{Activity, Counter, Exit, NotStatistics, Reader, Recorder, Ticks};

fn exit(reason: u32, rip: u64) -> Exit {
    Exit { reason, rip, ..Exit::default() }
}

fn both() -> (Recorder, Reader) {
    let page = Region::host(4096);
    (Recorder::new(&page, 1000).unwrap(), Reader::new(&page.read_only()).unwrap())
}

#[test]
fn the_last_exits_come_newest_first() {
    let (recorder, reader) = both();
    assert_eq!(reader.read().unwrap().last().count(), 0);
    for n in 0..40 {
        recorder.record(exit(10, n));
    }
    let rips: Vec<u64> = reader.read().unwrap().last().map(|e| e.rip).collect();
    assert_eq!(rips, (24..40).rev().collect::<Vec<_>>());
}

#[test]
fn a_reason_beyond_the_table_is_counted_with_the_others() {
    let (recorder, reader) = both();
    for reason in [10, 10, 80, u32::MAX] {
        recorder.record(exit(reason, 0));
    }
    let seen = reader.read().unwrap();
    assert_eq!(seen.exits(10), 2);
    assert_eq!(seen.by_reason().collect::<Vec<_>>(), [(Some(10), 2), (None, 2)]);
    assert_eq!(seen.total(), 4);
    assert_eq!(seen, recorder.snapshot());
}

#[test]
fn a_page_that_nobody_has_started_is_told_from_a_foreign_one() {
    let page = Region::host(4096);
    let reader = Reader::new(&page.read_only()).unwrap();
    assert_eq!(reader.read(), Err(NotStatistics::NotStarted));
    page.write_u64(0, 0x4248_5354_0000_0002).unwrap();
    assert_eq!(reader.read(), Err(NotStatistics::Foreign));
}

#[test]
fn a_region_that_is_too_small_is_refused() {
    assert!(Reader::new(&Region::host(1535).read_only()).is_err());
    assert!(Reader::new(&Region::host(1536).read_only()).is_ok());
}

#[test]
fn an_exit_that_is_half_recorded_is_noticed() {
    let page = Region::host(4096);
    let recorder = Recorder::new(&page, 0).unwrap();
    let reader = Reader::new(&page.read_only()).unwrap();
    recorder.record(exit(10, 1));
    assert!(!reader.read().unwrap().torn());
    recorder.set(Counter::Begun, 2);
    assert!(reader.read().unwrap().torn());
}

#[test]
fn time_is_split_between_guest_vmm_and_sleep() {
    let (recorder, reader) = both();
    recorder.entering(1010);
    assert_eq!(reader.read().unwrap().activity(), Activity::Guest(1010));
    recorder.returned(1110);
    recorder.entering(1130);
    recorder.returned(1200);
    assert_eq!(reader.read().unwrap().activity(), Activity::Vmm(1200));
    recorder.falling_asleep(1205);
    let asleep = reader.read().unwrap();
    assert_eq!(asleep.activity(), Activity::Asleep(1205));
    assert_eq!(asleep.ticks(1305), Ticks { guest: 170, vmm: 35, asleep: 100 });
    recorder.woken(2205);
    recorder.entering(2207);
    let seen = reader.read().unwrap();
    assert_eq!(seen.ticks(2307), Ticks { guest: 270, vmm: 37, asleep: 1000 });
    assert_eq!(seen.get(Counter::Sleeps), 1);
    recorder.returned(2307);
    recorder.ended(2310);
    let seen = reader.read().unwrap();
    assert_eq!(seen.activity(), Activity::Ended(2310));
    assert_eq!(seen.ticks(9999), Ticks { guest: 270, vmm: 40, asleep: 1000 });
}

#[test]
fn every_counter_has_one_number() {
    for number in 0..64 {
        let found = Counter::from_number(number);
        assert!(found.is_none_or(|counter| counter as u32 == number));
        assert_eq!(found.is_some(), (1..=Counter::ALL.len() as u32).contains(&number));
    }
}

proptest! {
    #[test]
    fn whatever_a_page_holds_can_be_shown(bytes in proptest::collection::vec(any::<u8>(), 1536), now: u64) {
        let page = Region::host_with(&bytes);
        page.write_u64(0, 0x4248_5354_0000_0001).unwrap();
        let seen = Reader::new(&page.read_only()).unwrap().read().unwrap();
        prop_assert!(seen.last().count() <= 16);
        prop_assert!(seen.by_reason().count() <= 81);
        let _ = (seen.activity(), seen.ticks(now));
    }
}
