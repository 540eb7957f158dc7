//! How much somebody may do in a second: a virtio device, a port of a switch.
//!
//! A bucket of tokens, told as time: each unit takes so many ticks to grow back, and
//! what has to be remembered is only when the bucket will be full again. It needs no
//! division while the device works, and no timer unless somebody waits.
//!
//! The surprising fact: a request is let through if the bucket holds anything at all,
//! and may then leave it in debt. So one that is larger than the burst is delayed,
//! never refused, and the rate holds over any longer time.
//!
//! Not here: a clock. Time is whatever ticks the caller counts.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod tests;

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

impl Rate {
    /// A rate with a burst; 0: a tenth of a second's worth.
    pub const fn new(per_second: u64, burst: u64) -> Rate {
        Rate { per_second, burst: if burst == 0 { per_second / 10 } else { burst } }
    }
}

/// A bucket for one kind of unit.
#[derive(Clone, Debug)]
struct Bucket {
    /// u64 in which a unit grows back, in 2^-24 ticks.
    unit: u64,
    /// u64 in which an empty bucket is full.
    whole: u64,
    /// When it will be full.
    full: u64,
}

impl Bucket {
    /// A full bucket, or none for a rate of zero, which means no limit.
    fn new(rate: Rate, hz: u64) -> Option<Self> {
        let unit = (u128::from(hz) << POINT).checked_div(rate.per_second.into())?;
        // Nothing faster than the finest fraction of a tick is limited.
        let unit = u64::try_from(unit).unwrap_or(u64::MAX).max(1);
        Some(Bucket { unit, whole: ticks(unit, rate.burst.max(1)), full: 0 })
    }

    /// When there is something in it.
    fn ready(&self) -> u64 {
        // The time of a whole bucket before it is full it is empty; a tick later there is
        // something.
        let empty = self.full.checked_sub(self.whole);
        empty.map_or(0, |empty| empty.saturating_add(1))
    }

    fn take(&mut self, units: u64, now: u64) {
        self.full = self.full.max(now).saturating_add(ticks(self.unit, units));
    }
}

/// What so many units are worth.
fn ticks(unit: u64, units: u64) -> u64 {
    let exact = (u128::from(unit) * u128::from(units)) >> POINT;
    u64::try_from(exact).unwrap_or(u64::MAX)
}

/// What a device may do: operations and bytes, each limited or not.
#[derive(Clone, Default, Debug)]
pub struct Limiter {
    operations: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl Limiter {
    /// Full buckets, for a clock of `hz` ticks a second. A rate of zero a second
    /// is no limit.
    pub fn new(operations: Rate, bytes: Rate, hz: u64) -> Self {
        Limiter { operations: Bucket::new(operations, hz), bytes: Bucket::new(bytes, hz) }
    }

    /// Whether another operation may begin; if not, when.
    ///
    /// # Errors
    /// The time from which on it may, later than `now`.
    #[inline]
    pub fn admit(&self, now: u64) -> Result<(), u64> {
        let ready = |bucket: &Option<Bucket>| bucket.as_ref().map_or(0, Bucket::ready);
        let at = ready(&self.operations).max(ready(&self.bytes));
        if at <= now { Ok(()) } else { Err(at) }
    }

    /// An operation of so many bytes begins.
    #[inline]
    pub fn take(&mut self, bytes: u64, now: u64) {
        if let Some(bucket) = &mut self.operations {
            bucket.take(1, now);
        }
        if let Some(bucket) = &mut self.bytes {
            bucket.take(bytes, now);
        }
    }
}
