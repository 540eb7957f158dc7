//! The deadline region, from both sides.

use shmem::{Read, ReadWrite, Region, Word64, WordError, fence};

use crate::Tsc;

/// Offset of the deadline in its region.
const DEADLINE: usize = 0;
/// No deadline: what a client writes.
const NONE: u64 = u64::MAX;

/// Whether the client must notify the timer.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// It must, or it will not be woken in time.
    Needed,
    /// The timer will look at the word early enough without.
    NotNeeded,
}

/// The client's end.
#[derive(Debug)]
pub struct Sleeper {
    word: Word64<ReadWrite>,
    told: Option<Told>,
}

/// What the word held since the timer was last notified: nothing earlier than
/// `first`, nothing later than `latest`. Whichever of it the timer found when
/// it took up the notification, it looks again no earlier than `first` and no
/// later than `latest`.
#[derive(Clone, Copy, Debug)]
struct Told {
    first: Tsc,
    latest: Tsc,
}

impl Sleeper {
    /// The client's end of its deadline region; no deadline is set.
    ///
    /// # Errors
    /// The region does not hold the word.
    pub fn new(region: &Region<ReadWrite>) -> Result<Self, WordError> {
        let word = region.word64(DEADLINE)?;
        word.store(NONE);
        Ok(Sleeper { word, told: None })
    }

    /// Asks to be woken at `deadline`, or not at all. `now` reads the
    /// time-stamp counter; it is called after the word was written.
    ///
    /// A client that is woken by something else may as well leave its deadline
    /// where it is: if it then only moves later, that costs no notification,
    /// while one that was taken back must be announced again.
    ///
    /// # Returns
    /// Whether the timer must be notified: not if it is going to look at the
    /// word before the new deadline anyway.
    pub fn set(&mut self, deadline: Option<Tsc>, now: impl FnOnce() -> Tsc) -> Notify {
        let Some(deadline) = deadline else {
            self.word.store(NONE);
            self.told = None;
            return Notify::NotNeeded;
        };
        self.word.store(deadline.0);
        // The timer looks at `first` at the earliest. If that is still to come
        // once the word is visible, it will see the word.
        fence();
        match &mut self.told {
            Some(told) if told.latest <= deadline && now() < told.first => {
                told.latest = deadline;
                Notify::NotNeeded
            }
            told => {
                *told = Some(Told { first: deadline, latest: deadline });
                Notify::Needed
            }
        }
    }

    /// The timer notified: it has looked at the word, and looks again only
    /// when it is told to.
    pub fn woken(&mut self) {
        self.told = None;
    }
}

/// The timer's view of one client's deadline.
#[derive(Debug)]
pub struct ClientWord(Word64<Read>);

impl ClientWord {
    /// The timer's end of a client's deadline region.
    ///
    /// # Errors
    /// The region does not hold the word.
    pub fn new(region: &Region<Read>) -> Result<Self, WordError> {
        Ok(ClientWord(region.word64(DEADLINE)?))
    }

    /// What the client asks for now. Any value is valid; one in the past means
    /// at once.
    pub fn read(&self) -> Option<Tsc> {
        match self.0.load() {
            0 | NONE => None,
            ticks => Some(Tsc(ticks)),
        }
    }
}
