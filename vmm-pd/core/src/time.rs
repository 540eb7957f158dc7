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
}
