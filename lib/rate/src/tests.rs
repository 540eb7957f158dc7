use proptest::prelude::*;

use super::*;

const HZ: u64 = 100_000_000;

const UNLIMITED: Rate = Rate { per_second: 0, burst: 0 };

/// Operations let through until `end`, each as early as may be.
fn through(limiter: &mut Limiter, bytes: u64, mut now: u64, end: u64) -> u64 {
    let mut count = 0;
    while now <= end {
        match limiter.admit(now) {
            Ok(()) => {
                limiter.take(bytes, now);
                count += 1;
            }
            Err(at) => {
                assert!(at > now, "a deadline is in the future");
                now = at;
            }
        }
    }
    count
}

#[test]
fn after_a_pause_a_burst_goes_at_once_and_then_the_rate() {
    let mut limiter = Limiter::new(Rate { per_second: 100, burst: 10 }, UNLIMITED, HZ);
    let start = 7 * HZ;
    assert_eq!(through(&mut limiter, 0, start, start), 10);
    assert_eq!(through(&mut limiter, 0, start, 8 * HZ), 100);
    // A long pause is worth no more than the burst.
    let later = 60 * HZ;
    assert_eq!(through(&mut limiter, 0, later, later), 10);
}

#[test]
fn bytes_count_beside_operations() {
    let bytes = Rate { per_second: 1 << 20, burst: 1 << 16 };
    let mut limiter = Limiter::new(Rate { per_second: 1000, burst: 1000 }, bytes, HZ);
    // 16 at once, then 256 a second.
    assert_eq!(through(&mut limiter, 4096, HZ, HZ), 16);
    let second = through(&mut limiter, 4096, HZ, 2 * HZ);
    assert!((255..=257).contains(&second), "{second}");
}

#[test]
fn more_than_the_burst_is_delayed_not_refused() {
    let mut limiter = Limiter::new(UNLIMITED, Rate { per_second: 1000, burst: 1 }, HZ);
    assert_eq!(limiter.admit(0), Ok(()));
    limiter.take(5000, 0);
    // The debt is paid after five seconds less the burst.
    assert_eq!(limiter.admit(1), Err(5 * HZ - HZ / 1000 + 1));
    assert_eq!(limiter.admit(5 * HZ), Ok(()));
}

#[test]
fn no_limit_is_no_limit() {
    let mut limiter = Limiter::default();
    limiter.take(u64::MAX, 0);
    assert_eq!(limiter.admit(0), Ok(()));
    let mut limiter = Limiter::new(UNLIMITED, UNLIMITED, HZ);
    limiter.take(u64::MAX, 0);
    assert_eq!(limiter.admit(0), Ok(()));
}

proptest! {
    /// Over any time no more than the burst and the rate, give or take the one that
    /// goes into debt; and nearly as much.
    #[test]
    fn the_rate_holds(
        per_second in 1..10_000_000_u64,
        burst in 1..10_000_u64,
        units in 1..100_000_u64,
        ticks in HZ..10 * HZ,
    ) {
        let mut limiter = Limiter::new(UNLIMITED, Rate { per_second, burst }, HZ);
        let start = HZ;
        let end = HZ + ticks;
        let mut now = start;
        let mut used = 0_u128;
        let mut waits = false;
        for _ in 0..1000 {
            match limiter.admit(now) {
                Ok(()) => {
                    limiter.take(units, now);
                    used += u128::from(units);
                }
                Err(at) if at > end => {
                    waits = true;
                    break;
                }
                Err(at) => {
                    prop_assert!(at > now);
                    now = at;
                }
            }
        }
        let allowed = |until: u64| {
            let elapsed = u128::from(until.saturating_sub(start));
            u128::from(burst) + elapsed * u128::from(per_second) / u128::from(HZ)
        };
        let slack = u128::from(units) + used / 1000 + 2;
        prop_assert!(used <= allowed(now) + slack, "{used} of {}", allowed(now));
        prop_assert!(!waits || used + slack >= allowed(end), "{used} of {}", allowed(end));
    }
}
