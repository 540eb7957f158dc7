//! The two ends of the page.

use shmem::{Read, ReadWrite, Region, WordError, Words};

use crate::layout::{Counter, ENTRY, EXITS, IDENTITY, REASONS, REMEMBERED, RING, WORDS, identity};
use crate::snapshot::{Exit, NotStatistics, Snapshot};

/// How often a reader looks again while the writer writes.
const ATTEMPTS: u32 = 4;

/// The VMM's end.
#[derive(Debug)]
pub struct Recorder(Words<ReadWrite, WORDS>);

impl Recorder {
    /// Starts counting at zero; `now` is the time.
    ///
    /// # Errors
    /// The region does not hold the words.
    pub fn new(region: &Region<ReadWrite>, now: u64) -> Result<Self, WordError> {
        let words = Words::new(region)?;
        for index in 0..WORDS {
            words.store(index, 0);
        }
        let recorder = Recorder(words);
        for moment in [Counter::Since, Counter::EnteredAt, Counter::ReturnedAt] {
            recorder.set(moment, now);
        }
        recorder.0.store(IDENTITY, identity());
        Ok(recorder)
    }

    /// A page in memory of this process.
    #[cfg(feature = "host")]
    pub fn host() -> Self {
        match Recorder::new(&Region::host(WORDS * 8), 0) {
            Ok(recorder) => recorder,
            Err(e) => unreachable!("{e}"),
        }
    }

    /// A counter.
    #[inline(always)]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.load(counter.word())
    }

    /// Sets a counter.
    #[inline(always)]
    pub fn set(&self, counter: Counter, value: u64) {
        self.0.store(counter.word(), value);
    }

    /// Adds to a counter.
    #[inline(always)]
    pub fn add(&self, counter: Counter, amount: u64) {
        self.set(counter, self.get(counter).wrapping_add(amount));
    }

    /// Records an exit.
    #[inline(always)]
    pub fn record(&self, exit: Exit) {
        const RECORDED: usize = Counter::Recorded.bytes();
        let number = self.0.load_at::<RECORDED>();
        let next = number.wrapping_add(1);
        self.0.store_at::<{ Counter::Begun.bytes() }>(next);
        let count = count_of(exit.reason);
        self.0.store(count, self.0.load(count).wrapping_add(1));
        let place = RING + number as usize % REMEMBERED * ENTRY;
        let what = [exit.reason.into(), exit.rip, exit.qualification, exit.guest_physical];
        self.0.store_four(place, what);
        self.0.store_at::<RECORDED>(next);
    }

    /// Exits with this reason; of all that have no count of their own if it has
    /// none.
    pub fn exits(&self, reason: u32) -> u64 {
        self.0.load(count_of(reason))
    }

    /// The guest is about to be entered. Distances are constants here and in
    /// [`Recorder::record`]: a dozen instructions fewer at each exit.
    #[inline(always)]
    pub fn entering(&self, now: u64) {
        const VMM: usize = Counter::Vmm.bytes();
        let here = now.wrapping_sub(self.0.load_at::<{ Counter::ReturnedAt.bytes() }>());
        self.0.store_at::<VMM>(self.0.load_at::<VMM>().wrapping_add(here));
        self.0.store_at::<{ Counter::EnteredAt.bytes() }>(now);
    }

    /// The processor is back from the guest.
    #[inline(always)]
    pub fn returned(&self, now: u64) {
        self.0.store_at::<{ Counter::ReturnedAt.bytes() }>(now);
    }

    /// The VMM begins to wait.
    pub fn falling_asleep(&self, now: u64) {
        self.entering(now);
        self.set(Counter::AsleepSince, now);
        self.add(Counter::Sleeps, 1);
    }

    /// It waited.
    pub fn woken(&self, now: u64) {
        self.add(Counter::Asleep, now.wrapping_sub(self.get(Counter::AsleepSince)));
        self.set(Counter::AsleepSince, 0);
        self.returned(now);
    }

    /// The guest ended.
    pub fn ended(&self, now: u64) {
        self.entering(now);
        self.set(Counter::EndedAt, now);
    }

    /// Everything, to look at.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.0.load_all(), false)
    }
}

/// The word that counts a reason.
#[inline(always)]
fn count_of(reason: u32) -> usize {
    EXITS + (reason as usize).min(REASONS)
}

/// A reader's end.
#[derive(Debug)]
pub struct Reader(Words<Read, WORDS>);

impl Reader {
    /// A reader's end of a VMM's page.
    ///
    /// # Errors
    /// The region does not hold the words.
    pub fn new(region: &Region<Read>) -> Result<Self, WordError> {
        Words::new(region).map(Reader)
    }

    /// What the page holds now.
    ///
    /// # Errors
    /// It is not, or not yet, a page of this layout.
    pub fn read(&self) -> Result<Snapshot, NotStatistics> {
        let found = self.0.load(IDENTITY);
        if found != identity() {
            return Err(if found == 0 {
                NotStatistics::NotStarted
            } else {
                NotStatistics::Foreign
            });
        }
        for _ in 1..ATTEMPTS {
            let snapshot = self.copy(false);
            if self.0.load(Counter::Begun.word()) == snapshot.get(Counter::Recorded) {
                return Ok(snapshot);
            }
        }
        Ok(self.copy(true))
    }

    fn copy(&self, torn: bool) -> Snapshot {
        // The number recorded is copied before what it covers: if no recording
        // was begun afterwards either, nothing changed in between.
        let recorded = self.0.load(Counter::Recorded.word());
        let mut words = self.0.load_all();
        words[Counter::Recorded.word()] = recorded;
        Snapshot::of(words, torn)
    }
}
