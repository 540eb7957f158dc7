//! What is fuzzed.

/// A property that holds for any bytes.
pub struct Target {
    /// Its name, and its corpus's.
    pub name: &'static str,
    /// What must hold, in a few words.
    pub about: &'static str,
    /// Panics if the property does not hold.
    pub check: fn(&[u8]),
    /// How many made inputs a test run tries, chosen so that each target takes
    /// a few seconds.
    pub runs: u64,
    /// The longest input that is made, in bytes.
    pub longest: usize,
    /// Inputs to start from besides the corpus: files of this repository, and
    /// what is quicker made than kept.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Byte strings that mean something to the code under test.
    pub words: &'static [&'static [u8]],
}

impl Target {
    /// With what most targets have: inputs that are steps, and no words.
    pub const fn new(name: &'static str, about: &'static str, check: fn(&[u8])) -> Self {
        Target { name, about, check, runs: 20_000, longest: 1024, seeds: Vec::new, words: &[] }
    }
}
