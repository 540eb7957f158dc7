//! The processor's own generator.

use core::fmt;

use rand_core::TryRng;
use rdrand::{RdRand, RdSeed};

/// Where raw randomness comes from.
pub trait Source {
    /// A word, or nothing if there is none now.
    fn word(&mut self) -> Option<u64>;
}

/// RDSEED where there is one: it gives what the noise source yields. All processors of a
/// package share it, so it may have nothing for a while; RDRAND then has, whose output is
/// that of a generator seeded from the same source (Intel SDM vol. 1, 7.3.17).
pub struct Hardware {
    seed: Option<RdSeed>,
    rand: Option<RdRand>,
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
    /// What this processor has.
    ///
    /// # Errors
    /// There is neither.
    pub fn detect() -> Result<Self, NoGenerator> {
        match (RdSeed::new().ok(), RdRand::new().ok()) {
            (None, None) => Err(NoGenerator),
            (seed, rand) => Ok(Hardware { seed, rand }),
        }
    }
}

impl fmt::Debug for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hardware({self})")
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.seed, &self.rand) {
            (Some(_), Some(_)) => "RDSEED, and RDRAND while that has nothing",
            (Some(_), None) => "RDSEED",
            (None, _) => "RDRAND",
        })
    }
}

impl Source for Hardware {
    /// Either instruction may come too early; the crate repeats it a few times.
    fn word(&mut self) -> Option<u64> {
        let seed = self.seed.as_mut().and_then(|seed| seed.try_next_u64().ok());
        seed.or_else(|| self.rand.as_mut()?.try_next_u64().ok())
    }
}
