//! The protocol of sDDF's timers (0.7, `include/sddf/timer/protocol.h` and
//! `client.h`): protected procedure calls, by which any client can use any timer.
//!
//! | label | words in          | words out                | meaning                     |
//! | ----- | ----------------- | ------------------------ | --------------------------- |
//! | 0     | none              | nanoseconds since start  | what time is it             |
//! | 1     | nanoseconds ahead | none                     | notify then; replaces what was asked before |
//!
//! What is none of these is answered with an empty message, as sDDF's drivers
//! do. Nanoseconds count from a moment of the timer's choice.
//!
//! Not here: the calls themselves. The surprising fact: a wish cannot be taken back,
//! so a client is notified for wishes that it gave up long ago.

use core::fmt;

/// Label of the question for the time.
const GET_TIME: u64 = 0;

/// Label of the wish to be notified.
const SET_TIMEOUT: u64 = 1;

/// A call, as it is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// What time is it.
    Time,
    /// Notify after so many nanoseconds.
    Timeout {
        /// From now.
        nanoseconds: u64,
    },
}

impl Call {
    /// A call of a label, so many words, and this first word; none if it is no
    /// call of this protocol.
    pub const fn parse(label: u64, length: u8, word: u64) -> Option<Call> {
        match (label, length) {
            (GET_TIME, _) => Some(Call::Time),
            // The word of a message without one is nobody's.
            (SET_TIMEOUT, 1..) => Some(Call::Timeout { nanoseconds: word }),
            _ => None,
        }
    }

    /// Its label and its word, if it has one.
    pub const fn message(self) -> (u64, Option<u64>) {
        match self {
            Call::Time => (GET_TIME, None),
            Call::Timeout { nanoseconds } => (SET_TIMEOUT, Some(nanoseconds)),
        }
    }
}

/// How long a client compares its counter with the timer's time: a call takes some
/// microseconds at most, so that the result is right to a thousandth.
const MEASURED_NS: u64 = 50_000_000;

/// Questions until the timer's time must have advanced by that, however fast the
/// calls are.
const QUESTIONS_MAX: u32 = 10_000_000;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// Why a client cannot use the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerError {
    /// Its time does not advance.
    Stands,
    /// Its time went back.
    Back,
}

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimerError::Stands => "the timer's time stands still: it is defective or no timer",
            TimerError::Back => "the timer's time went back: it is defective or no timer",
        })
    }
}

/// How fast a counter of the client's own is, in Hz, by the timer's time.
///
/// # Errors
/// What the timer says is no time.
pub fn measure(
    mut time: impl FnMut() -> u64,
    mut counter: impl FnMut() -> u64,
) -> Result<u64, TimerError> {
    // The time is as of some moment within the call: take its middle.
    let mut sample = || {
        let before = counter();
        let time = time();
        let after = counter();
        (time, before.wrapping_add(after.wrapping_sub(before) / 2))
    };
    let (first, start) = sample();
    let mut last = first;
    for _ in 0..QUESTIONS_MAX {
        let (time, now) = sample();
        if time < last {
            return Err(TimerError::Back);
        }
        last = time;
        let passed = time - first;
        if passed >= MEASURED_NS {
            let ticks = u128::from(now.wrapping_sub(start));
            let hz = (ticks * NS_PER_SECOND).div_ceil(passed.into());
            return Ok(u64::try_from(hz).unwrap_or(u64::MAX));
        }
    }
    Err(TimerError::Stands)
}

/// The client's end: knows what the timer was asked last.
#[derive(Debug)]
pub struct Client {
    hz: u64,
    /// When the timer will notify, in ticks of the client's counter.
    asked: Option<u64>,
}

impl Client {
    /// Of a counter so fast; 0 is taken for 1.
    pub const fn new(hz: u64) -> Self {
        Client { hz: if hz == 0 { 1 } else { hz }, asked: None }
    }

    /// What to call for, to be notified when the counter is at `deadline`; nothing
    /// if that was asked already.
    pub fn wish(&mut self, deadline: u64, now: u64) -> Option<Call> {
        if self.asked == Some(deadline) {
            return None;
        }
        self.asked = Some(deadline);
        let ticks = u128::from(deadline.saturating_sub(now));
        let nanoseconds = (ticks * NS_PER_SECOND).div_ceil(self.hz.into());
        // sDDF's drivers add it to their time and do not look for an overflow.
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX).clamp(SOON_NS, FAR_NS);
        Some(Call::Timeout { nanoseconds })
    }

    /// The timer notified: it keeps no wish any more.
    pub const fn notified(&mut self) {
        self.asked = None;
    }
}

/// Nearer than this nobody is woken, in nanoseconds: sDDF's `tsc_hpet` reads its
/// counter before it sets its comparator, and sleeps through what came between.
const SOON_NS: u64 = 10_000;

/// Farther ahead than this nobody is woken, in nanoseconds: 292 years.
const FAR_NS: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_understood_as_it_was_meant_and_nothing_else_is() {
        for call in [Call::Time, Call::Timeout { nanoseconds: 7 }] {
            let (label, word) = call.message();
            let length = u8::from(word.is_some());
            assert_eq!(Call::parse(label, length, word.unwrap_or(3)), Some(call));
        }
        assert_eq!(Call::parse(SET_TIMEOUT, 0, 7), None);
        assert_eq!(Call::parse(2, 1, 7), None);
    }

    #[test]
    fn a_timer_whose_time_is_none_is_told() {
        assert_eq!(measure(|| 5, || 1), Err(TimerError::Stands));
        let time = Cell::new(100);
        let back = || {
            time.set(time.get() - 1);
            time.get()
        };
        assert_eq!(measure(back, || 1), Err(TimerError::Back));
    }

    #[test]
    fn what_was_asked_is_asked_again_only_once_it_came() {
        let mut client = Client::new(2_000_000_000);
        let timeout = |nanoseconds| Some(Call::Timeout { nanoseconds });
        assert_eq!(client.wish(1_000_000, 0), timeout(500_000));
        assert_eq!(client.wish(1_000_000, 900_000), None);
        assert_eq!(client.wish(2_000_000, 900_001), timeout(550_000));
        client.notified();
        assert_eq!(client.wish(2_000_000, 1_999_999), timeout(SOON_NS));
        assert_eq!(client.wish(1, 2_500_000), timeout(SOON_NS));
        assert_eq!(client.wish(u64::MAX, 0), Some(Call::Timeout { nanoseconds: FAR_NS }));
    }

    proptest! {
        #[test]
        fn a_counter_is_measured_to_a_thousandth(
            hz in 1_000_000..10_000_000_000u64, call_ns in 100..20_000u64, origin: u64
        ) {
            let ns = Cell::new(0u64);
            let counter = || {
                ns.set(ns.get() + call_ns / 3);
                origin.wrapping_add((u128::from(ns.get()) * u128::from(hz) / NS_PER_SECOND) as u64)
            };
            let time = || {
                ns.set(ns.get() + call_ns / 3);
                ns.get()
            };
            let measured = measure(time, counter).unwrap();
            prop_assert!(measured.abs_diff(hz) <= hz / 1000, "{measured} for {hz}");
        }
    }
}
