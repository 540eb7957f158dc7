//! Bytes as steps, moments and machines: what the targets have in common.

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::{time::TscFrequency, types::Ticks};

/// The rest of the bytes as steps, until they are used up.
pub(crate) fn steps<'a, T: Arbitrary<'a>>(
    mut bytes: Unstructured<'a>,
) -> impl Iterator<Item = T> + use<'a, T> {
    std::iter::from_fn(move || if bytes.is_empty() { None } else { T::arbitrary(&mut bytes).ok() })
}

/// A value from the bytes; zeros once they are used up.
pub(crate) fn take<'a, T: Arbitrary<'a> + Default>(bytes: &mut Unstructured<'a>) -> T {
    T::arbitrary(bytes).unwrap_or_default()
}

/// A span of time: any magnitude is as likely as any other.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Pause {
    mantissa: u16,
    exponent: u8,
}

impl Pause {
    pub(crate) fn ticks(self) -> Ticks {
        Ticks(u64::from(self.mantissa) << (self.exponent % 49))
    }
}

/// A frequency of the time-stamp counter: the emulated machine's, a usual one, the slowest,
/// the fastest.
pub(crate) fn frequency(bytes: &mut Unstructured<'_>) -> TscFrequency {
    const HZ: [u64; 4] = [100_000_000, 2_893_437_000, 1_000_000, 100_000_000_000];
    let hz = HZ[usize::from(take::<u8>(bytes) & 3)];
    TscFrequency::new(hz).expect("each lies between 1 MHz and 100 GHz")
}

/// Time as a run has it: it begins within 300 years of power-on and does not pass
/// the 400th. Beyond, clocks in 64 bits saturate, and then two ways of getting
/// there may differ by what was lost.
pub(crate) struct Clock {
    pub(crate) now: Ticks,
    last: Ticks,
}

impl Clock {
    pub(crate) fn new(tsc: TscFrequency, bytes: &mut Unstructured<'_>) -> Self {
        const YEAR: u64 = 365 * 86_400;
        let years = |n: u64| Ticks(tsc.hz().saturating_mul(n * YEAR).min(u64::MAX >> 2));
        let now = match take::<u8>(bytes) {
            0xff => years(300),
            n => Ticks(u64::from(n) * 1_000_000),
        };
        Clock { now, last: years(400) }
    }

    /// When a pause from now ends.
    pub(crate) fn after(&self, pause: Pause) -> Ticks {
        self.now.saturating_add(pause.ticks()).min(self.last).max(self.now)
    }
}
