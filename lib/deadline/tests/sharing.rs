//! Both ends over one piece of memory.

use deadline::{
    ClientWord, Clock, ClockError, ClockReader, ClockWriter, Frequency, Notify, Sleeper, Tsc,
};
use proptest::prelude::*;
use shmem::Region;

#[test]
fn a_new_region_holds_no_deadline() {
    let region = Region::host(4096);
    assert_eq!(ClientWord::new(&region.read_only()).unwrap().read(), None);
    Sleeper::new(&region).unwrap();
    assert_eq!(ClientWord::new(&region.read_only()).unwrap().read(), None);
}

#[test]
fn a_deadline_that_moves_later_needs_no_second_notification() {
    let region = Region::host(4096);
    let timer = ClientWord::new(&region.read_only()).unwrap();
    let mut client = Sleeper::new(&region).unwrap();
    assert_eq!(client.set(Some(Tsc(100)), || Tsc(0)), Notify::Needed);
    assert_eq!(client.set(Some(Tsc(100)), || Tsc(10)), Notify::NotNeeded);
    assert_eq!(client.set(Some(Tsc(150)), || Tsc(20)), Notify::NotNeeded);
    assert_eq!(timer.read(), Some(Tsc(150)));
    // The timer may have taken up the notification only now, and not be going
    // to look before 150.
    assert_eq!(client.set(Some(Tsc(120)), || Tsc(99)), Notify::Needed);
    assert_eq!(client.set(Some(Tsc(110)), || Tsc(50)), Notify::Needed);
}

#[test]
fn a_deadline_that_was_taken_back_is_announced_anew() {
    let region = Region::host(4096);
    let timer = ClientWord::new(&region.read_only()).unwrap();
    let mut client = Sleeper::new(&region).unwrap();
    assert_eq!(client.set(Some(Tsc(100)), || Tsc(0)), Notify::Needed);
    assert_eq!(client.set(None, || Tsc(10)), Notify::NotNeeded);
    assert_eq!(timer.read(), None);
    assert_eq!(client.set(Some(Tsc(150)), || Tsc(20)), Notify::Needed);
}

#[test]
fn once_the_timer_may_have_looked_it_must_be_told() {
    let region = Region::host(4096);
    let mut client = Sleeper::new(&region).unwrap();
    assert_eq!(client.set(Some(Tsc(100)), || Tsc(0)), Notify::Needed);
    assert_eq!(client.set(Some(Tsc(200)), || Tsc(100)), Notify::Needed);
    client.woken();
    assert_eq!(client.set(Some(Tsc(300)), || Tsc(101)), Notify::Needed);
}

/// The timer as the protocol describes it, without hardware.
struct Timer {
    word: ClientWord,
    pending: Option<Tsc>,
}

impl Timer {
    /// Returns whether it wakes the client.
    fn advance(&mut self, now: Tsc) -> bool {
        if self.pending.is_none_or(|at| at > now) {
            return false;
        }
        self.pending = self.word.read();
        if self.pending.is_some_and(|at| at <= now) {
            self.pending = None;
            return true;
        }
        false
    }
}

proptest! {
    /// Whatever a client sets and whenever, and however late the timer takes
    /// up a notification: while a client has a deadline that has come, the
    /// timer wakes it, though most changes are not announced.
    #[test]
    fn no_deadline_is_missed(
        steps in proptest::collection::vec((0u64..50, proptest::option::of(0u64..80), 0u64..6, any::<bool>()), 1..60),
    ) {
        let region = Region::host(4096);
        let mut timer = Timer { word: ClientWord::new(&region.read_only()).unwrap(), pending: None };
        let mut client = Sleeper::new(&region).unwrap();
        let mut now = 1;
        let mut wanted: Option<u64> = None;
        // When the timer takes up the notification that is on its way.
        let mut notified: Option<u64> = None;
        for (pass, delay, latency, sets) in steps {
            for _ in 0..=pass {
                now += 1;
                let takes_up = notified.is_some_and(|at| at <= now);
                if takes_up {
                    notified = None;
                    timer.pending = timer.word.read();
                }
                if timer.advance(Tsc(now)) {
                    client.woken();
                    wanted = None;
                }
                prop_assert!(notified.is_some() || wanted.is_none_or(|at| at > now), "{wanted:?} missed at {now}");
            }
            if sets {
                let deadline = delay.map(|d| Tsc(now + d));
                if client.set(deadline, || Tsc(now)) == Notify::Needed {
                    notified = notified.or(Some(now + latency));
                }
                wanted = deadline.map(|d| d.0);
            }
        }
    }
}

#[test]
fn a_clock_is_read_as_it_was_published() {
    let region = Region::host(4096);
    let reader = ClockReader::new(&region.read_only()).unwrap();
    assert_eq!(reader.read(), Err(ClockError::NotReady));
    let frequency = Frequency::new(100_000_000).unwrap();
    ClockWriter::new(&region).unwrap().publish(frequency);
    assert_eq!(reader.read(), Ok(Clock { frequency, generation: 2 }));
    let frequency = Frequency::new(3_000_000_000).unwrap();
    ClockWriter::new(&region).unwrap().publish(frequency);
    assert_eq!(reader.read(), Ok(Clock { frequency, generation: 4 }));
}

#[test]
fn a_generation_passes_over_zero() {
    let region = Region::host(4096);
    region.write_u32(0, u32::MAX - 1).unwrap();
    let mut writer = ClockWriter::new(&region).unwrap();
    writer.publish(Frequency::new(1_000_000).unwrap());
    assert_eq!(ClockReader::new(&region.read_only()).unwrap().read().unwrap().generation, 2);
}

#[test]
fn a_clock_half_written_is_not_ready_and_a_silly_one_not_believed() {
    let region = Region::host(4096);
    let reader = ClockReader::new(&region.read_only()).unwrap();
    region.write_u64(8, 100_000_000).unwrap();
    region.write_u32(0, 3).unwrap();
    assert_eq!(reader.read(), Err(ClockError::NotReady));
    region.write_u32(0, 4).unwrap();
    for hz in [0, Frequency::MIN - 1, Frequency::MAX + 1, u64::MAX] {
        region.write_u64(8, hz).unwrap();
        assert_eq!(reader.read(), Err(ClockError::Implausible { hz }));
    }
}

#[test]
fn a_region_too_small_is_refused() {
    let region = Region::host(8);
    assert!(Sleeper::new(&region).is_ok());
    assert!(ClockWriter::new(&region).is_err());
    assert!(ClientWord::new(&region.sub(0, 4).unwrap().read_only()).is_err());
}
