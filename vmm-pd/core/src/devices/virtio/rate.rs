//! How much a device may do in a second: `lib/rate` on the guest's clock.

pub use rate::Rate;

use crate::time::TscFrequency;
use crate::types::Ticks;

/// What a device may do: operations and bytes, each limited or not.
#[derive(Clone, Default, Debug)]
pub struct Limiter(rate::Limiter);

impl Limiter {
    /// Full buckets. A rate of zero a second is no limit.
    pub fn new(operations: Rate, bytes: Rate, tsc: TscFrequency) -> Self {
        Limiter(rate::Limiter::new(operations, bytes, tsc.hz()))
    }

    /// Whether another operation may begin; if not, when.
    ///
    /// # Errors
    /// The time from which on it may, later than `now`.
    #[inline]
    pub fn admit(&self, now: Ticks) -> Result<(), Ticks> {
        self.0.admit(now.0).map_err(Ticks)
    }

    /// An operation of so many bytes begins.
    #[inline]
    pub fn take(&mut self, bytes: u64, now: Ticks) {
        self.0.take(bytes, now.0);
    }
}
