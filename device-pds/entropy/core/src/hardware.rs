//! The processor's own generator.

use core::fmt;

use rand_core::TryRng;
use rdrand::{RdRand, RdSeed};

/// Where raw randomness comes from.
pub trait Source {
    /// A word, or nothing if there is none now.
    fn word(&mut self) -> Option<u64>;
}

/// RDSEED where there is one: it gives what the noise source yields. Else RDRAND, which
/// gives the output of a generator that is seeded from it (Intel SDM vol. 1, 7.3.17).
pub enum Hardware {
    /// RDSEED.
    Seed(RdSeed),
    /// RDRAND.
    Rand(RdRand),
}

/// The processor has neither instruction (or an AMD one whose RDRAND is known to be
/// broken). There is nothing else to make randomness of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoGenerator;

impl fmt::Display for NoGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this processor has neither RDSEED nor a sound RDRAND: leave the entropy domain out of the system",
        )
    }
}

impl Hardware {
    /// The better of the two.
    ///
    /// # Errors
    /// There is neither.
    pub fn detect() -> Result<Self, NoGenerator> {
        if let Ok(seed) = RdSeed::new() {
            return Ok(Hardware::Seed(seed));
        }
        RdRand::new().map(Hardware::Rand).map_err(|_| NoGenerator)
    }
}

impl fmt::Debug for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hardware({self})")
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hardware::Seed(_) => "RDSEED",
            Hardware::Rand(_) => "RDRAND",
        })
    }
}

impl Source for Hardware {
    /// The instruction may come too early; the crate repeats it a few times.
    fn word(&mut self) -> Option<u64> {
        match self {
            Hardware::Seed(seed) => seed.try_next_u64().ok(),
            Hardware::Rand(rand) => rand.try_next_u64().ok(),
        }
    }
}
