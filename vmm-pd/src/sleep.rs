//! Waiting without a guest to run: for notifications, and for a moment that
//! a timer keeps.
//!
//! Two kinds of timer serve: our timer domain by words in shared memory, which never
//! holds this domain up, and any that answers sDDF's calls, which does while it
//! answers. Which it is, the system description says: by regions or by `pp="true"`.

use core::fmt;

use deadline::{ClockError, ClockReader, Frequency, Notify, Sleeper, Tsc};
use sddf::timer::{self, Call, TimerError};
use sel4_microkit::{
    Channel, ChannelSet, Event, MessageInfo, get_mr, recv, set_mr, timestamp_counter,
};
use shmem::{Read, ReadWrite, Region, WordError};
use statistics::Recorder;
use vmm_core::types::Ticks;

/// The timer's client end.
#[derive(Debug)]
pub struct Timer {
    channel: Channel,
    frequency: Frequency,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Words(Sleeper),
    Calls(timer::Client),
}

/// Why there is no timer.
#[derive(Debug)]
pub enum NoTimer {
    /// One of the two regions alone.
    Half,
    /// Neither regions nor the right to call.
    Neither,
    /// A region is too small.
    Region(WordError),
    /// Our timer domain states a clock that cannot be.
    Clock(ClockError),
    /// A timer that is called tells a time that cannot be.
    Time(TimerError),
}

impl fmt::Display for NoTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTimer::Half => f.write_str(
                "timer: of the regions `deadline` and `clock` one is mapped: map both or neither",
            ),
            NoTimer::Neither => f.write_str(
                "timer: map the regions `deadline` and `clock`, or let this domain call its \
                 channel 2 (pp=\"true\")",
            ),
            NoTimer::Region(e) => write!(f, "timer regions: {e}"),
            NoTimer::Clock(e) => write!(f, "{e}"),
            NoTimer::Time(e) => write!(f, "{e}"),
        }
    }
}

impl Timer {
    /// Attaches to the timer at the other end of a channel, and waits until it has
    /// measured the clock, or measures it.
    ///
    /// # Errors
    /// The system description is wrong, or the timer is defective.
    pub fn new(
        deadline: Option<Region<ReadWrite>>,
        clock: Option<Region<Read>>,
        channel: Channel,
    ) -> Result<Self, NoTimer> {
        let (frequency, kind) = match (deadline, clock) {
            (Some(deadline), Some(clock)) => {
                let sleeper = Sleeper::new(&deadline).map_err(NoTimer::Region)?;
                let clock = ClockReader::new(&clock).map_err(NoTimer::Region)?;
                (measured(&clock).map_err(NoTimer::Clock)?, Kind::Words(sleeper))
            }
            (None, None) if channel.may_call() => {
                let time = || call(channel, Call::Time);
                let hz = timer::measure(time, timestamp_counter).map_err(NoTimer::Time)?;
                let implausible = NoTimer::Clock(ClockError::Implausible { hz });
                let frequency = Frequency::new(hz).ok_or(implausible)?;
                (frequency, Kind::Calls(timer::Client::new(hz)))
            }
            (None, None) => return Err(NoTimer::Neither),
            _ => return Err(NoTimer::Half),
        };
        Ok(Timer { channel, frequency, kind })
    }

    /// How fast the time-stamp counter is.
    pub const fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// Waits for a notification, at the latest until `until`.
    ///
    /// # Returns
    /// The channels on which notifications came.
    pub fn sleep(&mut self, until: Option<Ticks>, statistics: &Recorder) -> ChannelSet {
        self.ask(until);
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
                    match &mut self.kind {
                        Kind::Words(sleeper) => sleeper.woken(),
                        Kind::Calls(client) => client.notified(),
                    }
                }
                channels
            }
            // A VMM has neither callers nor children.
            Event::Protected(..) | Event::Fault(..) => ChannelSet::default(),
        }
    }

    /// Asks to be woken.
    fn ask(&mut self, until: Option<Ticks>) {
        match &mut self.kind {
            Kind::Words(sleeper) => {
                let now = || Tsc(timestamp_counter());
                match sleeper.set(until.map(|t| Tsc(t.0)), now) {
                    Notify::Needed => self.channel.notify(),
                    Notify::NotNeeded => {}
                }
            }
            Kind::Calls(client) => {
                let now = timestamp_counter();
                if let Some(until) = until.filter(|until| until.0 > now)
                    && let Some(wish) = client.wish(until.0, now)
                {
                    call(self.channel, wish);
                }
            }
        }
    }
}

/// The clock, once the timer domain has measured it.
fn measured(clock: &ClockReader) -> Result<Frequency, ClockError> {
    loop {
        match clock.read() {
            // It notifies when it has.
            Err(ClockError::NotReady) => drop(recv()),
            other => return other.map(|clock| clock.frequency),
        }
    }
}

/// Calls the timer.
///
/// # Returns
/// The first word of its answer.
fn call(channel: Channel, call: Call) -> u64 {
    let (label, word) = call.message();
    set_mr(0, word.unwrap_or(0));
    channel.pp_call(MessageInfo::new(label, word.is_some().into()));
    get_mr(0)
}
