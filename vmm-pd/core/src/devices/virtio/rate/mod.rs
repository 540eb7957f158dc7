//! How much a device may do in a second.
//!
//! A bucket of tokens, told as time: each unit takes so many ticks to grow back, and
//! what has to be remembered is only when the bucket will be full again. It needs no
//! division while the device works, and no timer unless somebody waits.
//!
//! The surprising fact: a request is let through if the bucket holds anything at all,
//! and may then leave it in debt. So one that is larger than the burst is delayed,
//! never refused, and the rate holds over any longer time.

#[cfg(test)]
mod tests;

use crate::time::TscFrequency;
use crate::types::Ticks;

/// Bits behind the point of a unit's ticks. 100 GHz shifted by it still fits 64 bits.
const POINT: u32 = 24;

/// One kind of unit: so many a second, and so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Units a second.
    pub per_second: u64,
    /// Units at once after a pause; at least one is assumed.
    pub burst: u64,
}

/// A bucket for one kind of unit.
#[derive(Clone, Debug)]
struct Bucket {
    /// Ticks in which a unit grows back, in 2^-24 ticks.
    unit: u64,
    /// Ticks in which an empty bucket is full.
    whole: Ticks,
    /// When it will be full.
    full: Ticks,
}

impl Bucket {
    /// A full bucket, or none for a rate of zero, which means no limit.
    fn new(rate: Rate, tsc: TscFrequency) -> Option<Self> {
        let unit = (u128::from(tsc.hz()) << POINT).checked_div(rate.per_second.into())?;
        // Nothing faster than the finest fraction of a tick is limited.
        let unit = u64::try_from(unit).unwrap_or(u64::MAX).max(1);
        Some(Bucket { unit, whole: ticks(unit, rate.burst.max(1)), full: Ticks(0) })
    }

    /// When there is something in it.
    fn ready(&self) -> Ticks {
        // The time of a whole bucket before it is full it is empty; a tick later there is
        // something.
        let empty = self.full.0.checked_sub(self.whole.0);
        Ticks(empty.map_or(0, |empty| empty.saturating_add(1)))
    }

    fn take(&mut self, units: u64, now: Ticks) {
        self.full = self.full.max(now).saturating_add(ticks(self.unit, units));
    }
}

/// What so many units are worth.
fn ticks(unit: u64, units: u64) -> Ticks {
    let exact = (u128::from(unit) * u128::from(units)) >> POINT;
    Ticks(u64::try_from(exact).unwrap_or(u64::MAX))
}

/// What a device may do: operations and bytes, each limited or not.
#[derive(Clone, Default, Debug)]
pub struct Limiter {
    operations: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl Limiter {
    /// Full buckets. A rate of zero a second is no limit.
    pub fn new(operations: Rate, bytes: Rate, tsc: TscFrequency) -> Self {
        Limiter { operations: Bucket::new(operations, tsc), bytes: Bucket::new(bytes, tsc) }
    }

    /// Whether another operation may begin; if not, when.
    ///
    /// # Errors
    /// The time from which on it may, later than `now`.
    #[inline]
    pub fn admit(&self, now: Ticks) -> Result<(), Ticks> {
        let ready = |bucket: &Option<Bucket>| bucket.as_ref().map_or(Ticks(0), Bucket::ready);
        let at = ready(&self.operations).max(ready(&self.bytes));
        if at <= now { Ok(()) } else { Err(at) }
    }

    /// An operation of so many bytes begins.
    #[inline]
    pub fn take(&mut self, bytes: u64, now: Ticks) {
        if let Some(bucket) = &mut self.operations {
            bucket.take(1, now);
        }
        if let Some(bucket) = &mut self.bytes {
            bucket.take(bytes, now);
        }
    }
}
