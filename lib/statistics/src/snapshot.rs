//! A copy of the page, which nobody changes any more.

use core::fmt;

use crate::layout::{Counter, ENTRY, EXITS, REASONS, REMEMBERED, RING, WORDS};

/// One exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exit {
    /// Exit reason.
    pub reason: u32,
    /// Instruction pointer.
    pub rip: u64,
    /// Exit qualification.
    pub qualification: u64,
    /// Guest-physical address, for EPT exits.
    pub guest_physical: u64,
}

/// Why a page cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStatistics {
    /// Its VMM has not started.
    NotStarted,
    /// It is of another layout, or something else altogether.
    Foreign,
}

impl fmt::Display for NotStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotStatistics::NotStarted => "the VMM has not started counting",
            NotStatistics::Foreign => "the VMM's page has another layout",
        })
    }
}

/// What a VMM was doing, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Its guest was running.
    Guest(u64),
    /// It was handling an exit or notification.
    Vmm(u64),
    /// It was waiting for its guest to wake.
    Asleep(u64),
    /// Nothing: its guest had ended.
    Ended(u64),
}

/// The counters at one moment. All of it may be a hostile VMM's invention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    words: [u64; WORDS],
    torn: bool,
}

impl Snapshot {
    pub(crate) const fn of(words: [u64; WORDS], torn: bool) -> Self {
        Snapshot { words, torn }
    }

    /// Nothing happened yet: to be filled from what somebody tells.
    pub const fn nothing() -> Self {
        Snapshot::of([0; WORDS], false)
    }

    /// Sets a counter.
    pub const fn set(&mut self, counter: Counter, value: u64) {
        self.words[counter.word()] = value;
    }

    /// Sets the count of exits with a reason.
    pub fn set_exits(&mut self, reason: u32, count: u64) {
        self.words[EXITS + (reason as usize).min(REASONS)] = count;
    }

    /// Sets the exit with this number.
    pub const fn set_exit(&mut self, number: u64, exit: Exit) {
        let place = RING + (number % REMEMBERED as u64) as usize * ENTRY;
        self.words[place] = exit.reason as u64;
        self.words[place + 1] = exit.rip;
        self.words[place + 2] = exit.qualification;
        self.words[place + 3] = exit.guest_physical;
    }

    /// Says whether the newest exit may be a mixture.
    pub const fn set_torn(&mut self, torn: bool) {
        self.torn = torn;
    }

    /// Exits were being recorded each time it was read: the newest of them may
    /// be a mixture.
    pub const fn torn(&self) -> bool {
        self.torn
    }

    /// A counter.
    pub const fn get(&self, counter: Counter) -> u64 {
        self.words[counter.word()]
    }

    /// Exits in all.
    pub const fn total(&self) -> u64 {
        self.get(Counter::Recorded)
    }

    /// Exits with this reason; of all that have no count of their own if it has
    /// none.
    pub fn exits(&self, reason: u32) -> u64 {
        self.words[EXITS + (reason as usize).min(REASONS)]
    }

    /// Reasons that occurred, with their counts; `None` stands for all that have
    /// no count of their own.
    pub fn by_reason(&self) -> impl Iterator<Item = (Option<u32>, u64)> + '_ {
        (0u32..)
            .zip(&self.words[EXITS..=EXITS + REASONS])
            .filter(|&(_, &count)| count != 0)
            .map(|(reason, &count)| ((reason < REASONS as u32).then_some(reason), count))
    }

    /// The last exits, the newest first.
    pub fn last(&self) -> impl Iterator<Item = Exit> + '_ {
        let total = self.total();
        (1..=total.min(REMEMBERED as u64)).map(move |back| {
            let place = RING + ((total - back) % REMEMBERED as u64) as usize * ENTRY;
            Exit {
                reason: self.words[place] as u32,
                rip: self.words[place + 1],
                qualification: self.words[place + 2],
                guest_physical: self.words[place + 3],
            }
        })
    }

    /// What the VMM was doing.
    pub const fn activity(&self) -> Activity {
        let entered = self.get(Counter::EnteredAt);
        let returned = self.get(Counter::ReturnedAt);
        match (self.get(Counter::EndedAt), self.get(Counter::AsleepSince)) {
            (0, 0) if entered > returned => Activity::Guest(entered),
            (0, 0) => Activity::Vmm(returned),
            (0, since) => Activity::Asleep(since),
            (ended, _) => Activity::Ended(ended),
        }
    }

    /// Ticks since counting began, in the guest, in the VMM and asleep, what has
    /// begun by `now` included; until the guest's end if it has ended. They add up to the time that passed, if the VMM
    /// tells the truth. The kernel's share of an exit counts as the guest's.
    pub const fn ticks(&self, now: u64) -> Ticks {
        let mut vmm = self.get(Counter::Vmm);
        let mut asleep = self.get(Counter::Asleep);
        match self.activity() {
            Activity::Guest(_) | Activity::Ended(_) => {}
            Activity::Vmm(since) => vmm = vmm.saturating_add(now.saturating_sub(since)),
            Activity::Asleep(since) => asleep = asleep.saturating_add(now.saturating_sub(since)),
        }
        let until = match self.activity() {
            Activity::Ended(at) => at,
            Activity::Guest(_) | Activity::Vmm(_) | Activity::Asleep(_) => now,
        };
        let all = until.saturating_sub(self.get(Counter::Since));
        Ticks { guest: all.saturating_sub(vmm).saturating_sub(asleep), vmm, asleep }
    }
}

/// Where time went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticks {
    /// In the guest, and in the kernel on the way to it and back.
    pub guest: u64,
    /// In the VMM, its kernel calls included.
    pub vmm: u64,
    /// Asleep.
    pub asleep: u64,
}
