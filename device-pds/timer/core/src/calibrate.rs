//! Measures the time-stamp counter's frequency against the HPET's counter.
//!
//! Two samples, [`SPAN_FS`] apart, each bracket a read of the HPET between two
//! reads of the time-stamp counter. That bounds the frequency from both sides;
//! if the bounds are too far apart, as they are where an access to the HPET
//! takes microseconds, the second sample is taken anew after twice the time.
//! The result is the roundest number within the bounds: where the true value
//! is round (an emulator's, a nominal clock's) this finds it exactly, and else
//! it errs no more than the measurement itself.

use core::fmt;

use deadline::{Frequency, Tsc};

use crate::hpet::{Hpet, Registers};

/// Least distance of the two samples, in femtoseconds: 10 ms. One tick of a
/// 14.318 MHz counter is then 7 parts in a million.
const SPAN_FS: u64 = 10_000_000_000_000;

/// Femtoseconds in a second.
const FEMTOSECONDS: u128 = 1_000_000_000_000_000;

/// Reads for each sample, of which the tightest counts: an interrupt or a
/// preemption spoils one of them at most.
const READS: u32 = 8;

/// How far apart the bounds may be: one part in so many.
pub const TOLERANCE: u64 = 10_000;

/// How often the distance may double: the last is 640 ms, which even a 1 GHz
/// counter does in 31 bits.
const DOUBLINGS: u32 = 6;

/// Reads of the HPET after which a counter that has not come anywhere counts
/// as stopped. At 100 ns a read, faster than any, this is a second.
const PATIENCE: u32 = 10_000_000;

/// Why there is no frequency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CalibrationError {
    /// The HPET's counter does not advance.
    Stopped,
    /// The bounds never came close enough: this domain is preempted all the
    /// time (it must have a priority above its clients').
    Noisy {
        /// Lower bound of the last measurement, in Hz.
        low: u64,
        /// Upper bound.
        high: u64,
    },
    /// The time-stamp counter runs at a frequency that no processor has.
    Implausible {
        /// In Hz.
        hz: u64,
    },
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CalibrationError::Stopped => f.write_str("the HPET's counter stands still"),
            CalibrationError::Noisy { low, high } => write!(
                f,
                "the time-stamp counter's frequency is between {low} and {high} Hz, too wide; is this domain preempted?"
            ),
            CalibrationError::Implausible { hz } => {
                write!(f, "the time-stamp counter measures {hz} Hz, which no processor has")
            }
        }
    }
}

/// The HPET's counter had this value between these two times.
#[derive(Clone, Copy)]
struct Sample {
    before: Tsc,
    counter: u32,
    after: Tsc,
}

impl Sample {
    fn window(&self) -> u64 {
        self.after.0.saturating_sub(self.before.0)
    }
}

/// Measures; takes 10 ms where an access to the HPET costs less than 400 ns.
///
/// # Errors
/// The clocks cannot be compared; see [`CalibrationError`].
pub fn calibrate<R: Registers>(
    hpet: &Hpet<R>,
    mut now: impl FnMut() -> Tsc,
) -> Result<Frequency, CalibrationError> {
    let span = u32::try_from(SPAN_FS / u64::from(hpet.period_fs())).unwrap_or(u32::MAX);
    let first = sample(hpet, &mut now);
    let mut bounds = (0, u64::MAX);
    for doubling in 0..=DOUBLINGS {
        let last = sample_after(hpet, &mut now, first.counter, span << doubling)?;
        bounds = frequency_bounds(&first, &last, hpet.period_fs());
        let (low, high) = bounds;
        if high.saturating_sub(low) <= low / TOLERANCE {
            let hz = roundest(low, high);
            return Frequency::new(hz).ok_or(CalibrationError::Implausible { hz });
        }
    }
    let (low, high) = bounds;
    Err(CalibrationError::Noisy { low, high })
}

/// A sample at least `span` ticks of the HPET after `since`.
fn sample_after<R: Registers>(
    hpet: &Hpet<R>,
    now: &mut impl FnMut() -> Tsc,
    since: u32,
    span: u32,
) -> Result<Sample, CalibrationError> {
    for _ in 0..PATIENCE {
        if hpet.counter().wrapping_sub(since) >= span {
            return Ok(sample(hpet, now));
        }
    }
    Err(CalibrationError::Stopped)
}

fn sample<R: Registers>(hpet: &Hpet<R>, now: &mut impl FnMut() -> Tsc) -> Sample {
    let mut read = || {
        let before = now();
        let counter = hpet.counter();
        Sample { before, counter, after: now() }
    };
    let mut best = read();
    for _ in 1..READS {
        let next = read();
        if next.window() < best.window() {
            best = next;
        }
    }
    best
}

/// The counter may have been about to advance at either sample, so it ran for
/// less than one period more or less than the difference says.
fn frequency_bounds(first: &Sample, last: &Sample, period_fs: u32) -> (u64, u64) {
    let ticks = u128::from(last.counter.wrapping_sub(first.counter));
    let hz = |tsc: u64, ticks: u128| {
        let hz = (u128::from(tsc) * FEMTOSECONDS).checked_div(ticks * u128::from(period_fs));
        u64::try_from(hz.unwrap_or(u128::MAX)).unwrap_or(u64::MAX)
    };
    let shortest = last.before.0.saturating_sub(first.after.0);
    let longest = last.after.0.saturating_sub(first.before.0);
    (hz(shortest, ticks + 1), hz(longest, ticks.saturating_sub(1)))
}

/// The number from `low` to `high` with the most trailing zeros; of several,
/// the one closest to the middle.
fn roundest(low: u64, high: u64) -> u64 {
    let middle = low + (high - low) / 2;
    let mut best = middle;
    let mut unit = 10;
    while unit <= high {
        let rounded = (middle + unit / 2) / unit * unit;
        // If rounding the middle leaves the bounds, a coarser unit may still
        // not: 99 to 101 holds 100, though 95 to 97 holds no multiple of 10.
        if (low..=high).contains(&rounded) {
            best = rounded;
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => break,
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roundest_number_in_the_bounds_is_chosen() {
        assert_eq!(roundest(99_998_712, 100_000_900), 100_000_000);
        assert_eq!(roundest(2_995_180_001, 2_995_219_999), 2_995_200_000);
        assert_eq!(roundest(7, 7), 7);
        assert_eq!(roundest(12_341, 12_343), 12_342);
        assert_eq!(roundest(95, 105), 100);
    }

    #[test]
    fn bounds_contain_the_truth_whichever_way_the_counter_was_about_to_tick() {
        let at =
            |before, counter, after| Sample { before: Tsc(before), counter, after: Tsc(after) };
        let (low, high) =
            frequency_bounds(&at(100, u32::MAX - 9, 110), &at(1100, 90, 1110), 10_000_000);
        assert!(low <= 1_000_000_000 && 1_000_000_000 <= high, "{low} {high}");
        assert_eq!(frequency_bounds(&at(0, 5, 1), &at(2, 6, 3), 10_000_000).1, u64::MAX);
    }
}
