//! Conversion between the time-stamp counter and a device's own clock.

use crate::types::Ticks;

/// Nanoseconds in a second.
pub const NANOSECONDS: u64 = 1_000_000_000;

/// The frequency of the time-stamp counter, in Hz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TscFrequency(u64);

impl TscFrequency {
    /// `hz` must be between 1 MHz and 100 GHz; anything else is a calibration
    /// gone wrong.
    pub const fn new(hz: u64) -> Option<Self> {
        if hz >= 1_000_000 && hz <= 100_000_000_000 { Some(TscFrequency(hz)) } else { None }
    }

    /// In Hz.
    pub const fn hz(self) -> u64 {
        self.0
    }

    /// How many periods of a clock of `hz` fit into `span`, rounded down.
    /// Exact for any span; saturates.
    pub fn periods(self, span: Ticks, hz: u64) -> u64 {
        saturate(u128::from(span.0) * u128::from(hz) / u128::from(self.0))
    }

    /// The span of `periods` of a clock of `hz`, rounded up, so that after it
    /// that many periods have certainly passed. Saturates; zero for a stopped
    /// clock (`hz` 0).
    pub fn span(self, periods: u64, hz: u64) -> Ticks {
        if hz == 0 {
            return Ticks(0);
        }
        Ticks(saturate((u128::from(periods) * u128::from(self.0)).div_ceil(u128::from(hz))))
    }
}

/// A time slice of the kernel's (`TIME_SLICE`, tools/kernel).
const LONGEST_RUN_NS: u64 = 2_000_000;

/// As far as the timer interrupts of a busy guest are apart (each 4 ms in a Debian
/// kernel), and a little more.
const LONGEST_RUN_TO_DEADLINE_NS: u64 = 4_500_000;

/// Of a guest that has the processor to itself.
const LONGEST_RUN_ALONE_NS: u64 = 10_000_000;

/// How long a guest runs at most without an exit, so that it is preempted even
/// where the host's interrupts cannot end its run (an emulator that does not
/// exit for them while the guest has interrupts off). A run may be longer if a
/// deadline ends it: else each timer interrupt of a busy guest, which sets the next
/// with interrupts off, would cost one exit more. And it may be if nobody else was
/// busy during the last one: at most one guest can find that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LongestRun {
    any: Ticks,
    to_deadline: Ticks,
    alone: Ticks,
}

impl LongestRun {
    /// At this rate of the time-stamp counter.
    pub fn at(tsc: TscFrequency) -> Self {
        LongestRun {
            any: tsc.span(LONGEST_RUN_NS, NANOSECONDS),
            to_deadline: tsc.span(LONGEST_RUN_TO_DEADLINE_NS, NANOSECONDS),
            alone: tsc.span(LONGEST_RUN_ALONE_NS, NANOSECONDS),
        }
    }

    /// How long to run now, if a deadline is so far away.
    pub fn run(self, deadline: Ticks, alone: bool) -> Ticks {
        let longest = if alone { self.alone } else { self.any };
        if deadline <= self.to_deadline { deadline } else { deadline.min(longest) }
    }

    /// Whether a run of so many ticks, which took so long, was one of a guest that
    /// had the processor to itself: others took less than half a time slice. Nobody
    /// can tell from a run that is shorter than one.
    pub fn was_alone(self, run: Ticks, passed: Ticks) -> bool {
        run >= self.any && passed.0.saturating_sub(run.0) < self.any.0 / 2
    }
}

fn saturate(n: u128) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_n_periods_contains_n_periods() {
        for tsc in [1_000_000, 99_999_999, 100_000_000, 3_123_456_789] {
            let f = TscFrequency::new(tsc).unwrap();
            for hz in [1, 32_768, 1_193_182, 3_579_545, 1_000_000_000] {
                for n in [0, 1, 2, 1000, 123_456_789] {
                    assert!(f.periods(f.span(n, hz), hz) >= n, "{tsc} {hz} {n}");
                }
            }
        }
    }

    #[test]
    fn implausible_frequencies_are_refused() {
        assert_eq!(TscFrequency::new(0), None);
        assert_eq!(TscFrequency::new(u64::MAX), None);
    }

    #[test]
    fn a_guest_runs_to_a_near_deadline_or_for_a_time_slice_or_longer_alone() {
        for hz in [100_000_000, 3_000_000_000] {
            let longest = LongestRun::at(TscFrequency::new(hz).unwrap());
            let ms = |n: u64| Ticks(hz / 1000 * n);
            for alone in [false, true] {
                assert_eq!(longest.run(ms(1), alone), ms(1));
                assert_eq!(longest.run(ms(4), alone), ms(4));
            }
            assert_eq!(longest.run(ms(5), false), ms(2));
            assert_eq!(longest.run(Ticks(u64::MAX), false), ms(2));
            assert_eq!(longest.run(ms(5), true), ms(5));
            assert_eq!(longest.run(Ticks(u64::MAX), true), ms(10));
        }
    }

    #[test]
    fn a_run_beside_a_busy_domain_is_not_alone() {
        let longest = LongestRun::at(TscFrequency::new(100_000_000).unwrap());
        assert!(longest.was_alone(Ticks(200_000), Ticks(201_000)));
        assert!(!longest.was_alone(Ticks(200_000), Ticks(400_000)));
        assert!(!longest.was_alone(Ticks(200_000), Ticks(u64::MAX)));
        assert!(!longest.was_alone(Ticks(100_000), Ticks(100_000)));
    }
}
