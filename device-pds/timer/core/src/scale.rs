//! From spans of the time-stamp counter to spans of the HPET's counter, by one
//! multiplication.

use deadline::Frequency;

use crate::hpet::MAX_DELAY;

/// Femtoseconds in a second.
const FEMTOSECONDS: u128 = 1_000_000_000_000_000;

/// The ratio of the HPET counter's frequency to the time-stamp counter's, as
/// a fixed-point number with 32 fraction bits, rounded up.
///
/// The HPET runs at 10 MHz to 1 GHz and the time-stamp counter at 1 MHz to
/// 100 GHz, so the ratio is below 2^10 and at least 2^-14, with 18 significant
/// bits at worst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    ratio: u64,
    /// Spans from here on take [`MAX_DELAY`] or more.
    longest: u64,
}

impl Scale {
    /// For a counter of this period, which is not zero.
    pub fn new(frequency: Frequency, period_fs: u32) -> Self {
        let tsc_per_tick_fs = u128::from(frequency.hz()) * u128::from(period_fs.max(1));
        let ratio = (FEMTOSECONDS << 32).div_ceil(tsc_per_tick_fs);
        let ratio = u64::try_from(ratio).unwrap_or(u64::MAX);
        let longest = (u128::from(MAX_DELAY) << 32) / u128::from(ratio);
        Scale { ratio, longest: u64::try_from(longest).unwrap_or(u64::MAX) }
    }

    /// The HPET ticks that a span of time-stamp ticks takes, rounded up, at
    /// most [`MAX_DELAY`].
    #[inline]
    pub fn delay(&self, span: u64) -> u32 {
        if span >= self.longest {
            return MAX_DELAY;
        }
        let ticks = (u128::from(span) * u128::from(self.ratio)) >> 32;
        // Below MAX_DELAY, since the span is below `longest`; plus one for
        // what the shift cut off.
        u32::try_from(ticks).unwrap_or(MAX_DELAY).saturating_add(1).min(MAX_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpet::PERIOD_MAX_FS;

    #[test]
    fn a_delay_covers_its_span_and_no_more_than_two_ticks_beyond() {
        for hz in [Frequency::MIN, 100_000_000, 2_995_200_000, Frequency::MAX] {
            for period in [1_000_000, 10_000_000, 69_841_279, PERIOD_MAX_FS] {
                let scale = Scale::new(Frequency::new(hz).unwrap(), period);
                for span in [0, 1, 999, 12_345, 1_000_000, hz / 10] {
                    let exact = u128::from(span) * FEMTOSECONDS;
                    let tick = u128::from(hz) * u128::from(period);
                    let ticks = u128::from(scale.delay(span));
                    if ticks < u128::from(MAX_DELAY) {
                        assert!(ticks * tick >= exact, "{hz} {period} {span}");
                        // The ratio is rounded up by at most one part in 2^18.
                        assert!(
                            ticks <= exact / tick + ((exact / tick) >> 17) + 2,
                            "{hz} {period} {span}"
                        );
                    }
                }
                assert_eq!(scale.delay(u64::MAX), MAX_DELAY);
            }
        }
    }

    #[test]
    fn equal_clocks_scale_one_to_one() {
        let scale = Scale::new(Frequency::new(100_000_000).unwrap(), 10_000_000);
        assert_eq!(scale.delay(5_000), 5_001);
    }
}
