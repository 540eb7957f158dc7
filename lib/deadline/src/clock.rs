//! The clock region: what the timer measured, for all its clients.

use core::fmt;

use shmem::{Read, ReadWrite, Region, Rights, Word32, Word64, WordError};

/// Offset of the generation.
const GENERATION: usize = 0;
/// Offset of the frequency.
const FREQUENCY: usize = 8;

/// How often a reader tries again while the timer writes. It writes once in
/// its life and takes two stores for it.
const ATTEMPTS: u32 = 3;

/// The frequency of the time-stamp counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Frequency(u64);

impl Frequency {
    /// The least that is believed, in Hz: slower than any processor with VT-x,
    /// or emulator at work.
    pub const MIN: u64 = 1_000_000;

    /// The most that is believed, in Hz.
    pub const MAX: u64 = 100_000_000_000;

    /// A frequency within its bounds.
    pub const fn new(hz: u64) -> Option<Self> {
        if hz >= Self::MIN && hz <= Self::MAX { Some(Frequency(hz)) } else { None }
    }

    /// In Hz.
    pub const fn hz(self) -> u64 {
        self.0
    }
}

/// What the timer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Of the time-stamp counter.
    pub frequency: Frequency,
    /// Differs each time the timer domain started.
    pub generation: u32,
}

/// Why there is nothing to read from the clock region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockError {
    /// The timer has not measured yet; it notifies when it has.
    NotReady,
    /// The timer wrote a frequency that no processor has: it is defective.
    Implausible {
        /// In Hz.
        hz: u64,
    },
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockError::NotReady => f.write_str("the timer domain has not measured the clock yet"),
            ClockError::Implausible { hz } => {
                write!(f, "the timer domain states a clock of {hz} Hz, which no processor has")
            }
        }
    }
}

#[derive(Debug)]
struct Words<R: Rights> {
    generation: Word32<R>,
    frequency: Word64<R>,
}

impl<R: Rights> Words<R> {
    fn new(region: &Region<R>) -> Result<Self, WordError> {
        Ok(Words { generation: region.word32(GENERATION)?, frequency: region.word64(FREQUENCY)? })
    }
}

/// The timer's end.
#[derive(Debug)]
pub struct ClockWriter(Words<ReadWrite>);

impl ClockWriter {
    /// The timer's end of the clock region.
    ///
    /// # Errors
    /// The region does not hold the words.
    pub fn new(region: &Region<ReadWrite>) -> Result<Self, WordError> {
        Ok(ClockWriter(Words::new(region)?))
    }

    /// States the frequency, as a new generation.
    pub fn publish(&mut self, frequency: Frequency) {
        let writing = self.0.generation.load() | 1;
        self.0.generation.store(writing);
        self.0.frequency.store(frequency.hz());
        // Zero means never written, so the generation passes over it.
        self.0.generation.store(if writing == u32::MAX { 2 } else { writing + 1 });
    }
}

/// A client's end.
#[derive(Debug)]
pub struct ClockReader(Words<Read>);

impl ClockReader {
    /// A client's end of the clock region.
    ///
    /// # Errors
    /// The region does not hold the words.
    pub fn new(region: &Region<Read>) -> Result<Self, WordError> {
        Ok(ClockReader(Words::new(region)?))
    }

    /// What the timer states now.
    ///
    /// # Errors
    /// Nothing yet, or nothing credible.
    pub fn read(&self) -> Result<Clock, ClockError> {
        for _ in 0..ATTEMPTS {
            let generation = self.0.generation.load();
            let hz = self.0.frequency.load();
            if generation != 0
                && generation.is_multiple_of(2)
                && self.0.generation.load() == generation
            {
                let frequency = Frequency::new(hz).ok_or(ClockError::Implausible { hz })?;
                return Ok(Clock { frequency, generation });
            }
        }
        Err(ClockError::NotReady)
    }
}
