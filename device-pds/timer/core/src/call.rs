//! The protocol of sDDF's timers (0.7, `include/sddf/timer/protocol.h` and
//! `client.h`): a protected procedure call, for clients that know no other.
//!
//! | label | words in          | words out                | meaning                     |
//! | ----- | ----------------- | ------------------------ | --------------------------- |
//! | 0     | none              | nanoseconds since start  | what time is it             |
//! | 1     | nanoseconds ahead | none                     | notify then; replaces what was asked before |
//!
//! What is none of these is answered with an empty message, as sDDF's drivers
//! do. Nanoseconds count from when the time-stamp counter was zero.

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
}
