//! Whether a noise source still makes noise: the two continuous tests of NIST
//! SP 800-90B, and its test at start.
//!
//! A sample of the first test is a word of 64 bits, of the second a byte. A healthy
//! generator fails one of them about once in 2^20 words if it were as poor as assumed,
//! and practically never if its bytes are what they claim to be.

use core::fmt;

/// The same word this many times is too often (4.4.1). A word is assumed to have 20
/// bits at least: 1 + 20/20.
pub const REPETITIONS: u32 = 2;

/// Bytes of a window of the second test (4.4.2).
pub const WINDOW: u32 = 512;

/// The first byte of a window this many times in it is too often: a byte is assumed to
/// have 4 bits at least, and that is the smallest number that so many bytes reach with a
/// probability of at most 2^-20 (4.4.2: 1 + critbinom(512, 2^-4, 1 - 2^-20)).
pub const PROPORTION: u32 = 62;

/// Words looked at before the first is used (4.3: 1,024 samples at least).
pub const AT_START: u32 = 1024;

/// The source does not make noise any more. Whatever it said last is worth nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unhealthy {
    /// It repeats a word.
    Repeats(u64),
    /// It says a byte too often.
    Prefers(u8),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unhealthy::Repeats(word) => {
                write!(f, "the processor's generator repeats {word:#018x} (SP 800-90B, 4.4.1)")
            }
            Unhealthy::Prefers(byte) => write!(
                f,
                "the processor's generator says {byte:#04x} {PROPORTION} times in {WINDOW} bytes (SP 800-90B, 4.4.2)"
            ),
        }
    }
}

/// The tests as they stand.
#[derive(Clone, Debug, Default)]
pub struct Health {
    last: Option<u64>,
    repeated: u32,
    /// The first byte of the window.
    sample: u8,
    seen: u32,
    times: u32,
}

impl Health {
    /// Looks at a word.
    ///
    /// # Errors
    /// A test failed. The source is not to be used again.
    pub fn look(&mut self, word: u64) -> Result<(), Unhealthy> {
        self.repeated = if self.last == Some(word) { self.repeated.saturating_add(1) } else { 1 };
        self.last = Some(word);
        if self.repeated >= REPETITIONS {
            return Err(Unhealthy::Repeats(word));
        }
        for byte in word.to_le_bytes() {
            if self.seen == 0 {
                self.sample = byte;
                self.times = 0;
            }
            self.times += u32::from(byte == self.sample);
            if self.times >= PROPORTION {
                return Err(Unhealthy::Prefers(byte));
            }
            self.seen = (self.seen + 1) % WINDOW;
        }
        Ok(())
    }
}
