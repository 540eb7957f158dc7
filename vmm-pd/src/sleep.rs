//! Waiting without a guest to run: for notifications, and for a moment that
//! the timer domain keeps.

use deadline::{Clock, ClockError, ClockReader, Notify, Sleeper, Tsc};
use sel4_microkit::{Channel, ChannelSet, Event, recv, timestamp_counter};
use shmem::{Read, ReadWrite, Region, WordError};
use statistics::Recorder;
use vmm_core::types::Ticks;

/// The timer domain's client end.
#[derive(Debug)]
pub struct Timer {
    sleeper: Sleeper,
    clock: ClockReader,
    channel: Channel,
}

impl Timer {
    /// Attaches to the two regions.
    ///
    /// # Errors
    /// They are too small: the system description is wrong.
    pub fn new(
        deadline: &Region<ReadWrite>,
        clock: &Region<Read>,
        channel: Channel,
    ) -> Result<Self, WordError> {
        Ok(Timer { sleeper: Sleeper::new(deadline)?, clock: ClockReader::new(clock)?, channel })
    }

    /// The clock, once the timer has measured it.
    ///
    /// # Errors
    /// The timer states a clock that cannot be.
    pub fn clock(&self) -> Result<Clock, ClockError> {
        loop {
            match self.clock.read() {
                // It notifies when it has.
                Err(ClockError::NotReady) => drop(recv()),
                other => return other,
            }
        }
    }

    /// Waits for a notification, at the latest until `until`.
    ///
    /// # Returns
    /// The channels on which notifications came.
    pub fn sleep(&mut self, until: Option<Ticks>, statistics: &Recorder) -> ChannelSet {
        let now = || Tsc(timestamp_counter());
        match self.sleeper.set(until.map(|t| Tsc(t.0)), now) {
            Notify::Needed => self.channel.notify(),
            Notify::NotNeeded => {}
        }
        let now = timestamp_counter();
        if until.is_some_and(|t| t.0 <= now) {
            return ChannelSet::default();
        }
        statistics.falling_asleep(now);
        let event = recv();
        statistics.woken(timestamp_counter());
        match event {
            Event::Notified(channels) => {
                if channels.contains(self.channel) {
                    self.sleeper.woken();
                }
                channels
            }
            // A VMM has neither callers nor children.
            Event::Protected(..) | Event::Fault(..) => ChannelSet::default(),
        }
    }
}
