//! ChaCha20 over the processor's generator.
//!
//! Before each block of output the key is replaced by one made of the old generator's
//! output and fresh words of the hardware. So what was handed out cannot be computed
//! from what is in memory later, and a generator whose state was once known recovers
//! with the next block. The output is as good as the better of the two.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::hardware::Source;
use crate::health::{AT_START, Health, Unhealthy};

/// Bytes of output for one key.
pub const BLOCK: usize = 1024;

/// Words of a key.
const KEY: usize = 4;

/// How often a source that has nothing is asked again for one word: each asking is a
/// few tries already, and RDSEED is shared by the processors of a package.
const PATIENCE: u32 = 64;

/// Why there is no output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The source has nothing now. Ask again later.
    Dry,
    /// The source is broken; there will be no more, ever.
    Broken(Unhealthy),
}

impl From<Unhealthy> for Failure {
    fn from(e: Unhealthy) -> Self {
        Failure::Broken(e)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Dry => f.write_str("the processor's generator has nothing now"),
            Failure::Broken(e) => e.fmt(f),
        }
    }
}

/// The generator. Making one proves that the source passed its test at start.
#[derive(Debug)]
pub struct Generator<S> {
    source: S,
    health: Health,
    cipher: ChaCha20Rng,
    broken: Option<Unhealthy>,
}

impl<S: Source> Generator<S> {
    /// Tests the source and takes the first key from it.
    ///
    /// # Errors
    /// It has nothing, or fails.
    pub fn new(source: S) -> Result<Self, Failure> {
        let cipher = ChaCha20Rng::from_seed([0; 32]);
        let mut generator = Generator { source, health: Health::default(), cipher, broken: None };
        for _ in 0..AT_START {
            generator.word()?;
        }
        generator.rekey()?;
        Ok(generator)
    }

    /// Fills a block with output of a key of its own.
    ///
    /// # Errors
    /// As [`Generator::new`]; the block then holds zeroes.
    pub fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<(), Failure> {
        block.fill(0);
        if let Some(e) = self.broken {
            return Err(e.into());
        }
        self.rekey()?;
        self.cipher.fill_bytes(block);
        Ok(())
    }

    /// Replaces the key.
    fn rekey(&mut self) -> Result<(), Failure> {
        let mut seed = [0; 32];
        let mut fresh = [0; KEY];
        for word in &mut fresh {
            *word = self.word()?;
        }
        for (part, word) in seed.as_chunks_mut::<8>().0.iter_mut().zip(fresh) {
            *part = (self.cipher.next_u64() ^ word).to_le_bytes();
        }
        self.cipher = ChaCha20Rng::from_seed(seed);
        Ok(())
    }

    /// A word of the source that passed the tests.
    fn word(&mut self) -> Result<u64, Failure> {
        let word = (0..PATIENCE).find_map(|_| self.source.word()).ok_or(Failure::Dry)?;
        match self.health.look(word) {
            Ok(()) => Ok(word),
            Err(e) => {
                self.broken = Some(e);
                Err(e.into())
            }
        }
    }
}
