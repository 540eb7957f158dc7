//! Why an access was refused. The fault is always the caller's or that of
//! whoever gave the caller its numbers; nothing was read or written.

use core::fmt;

/// A range that leaves its region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfBounds {
    /// Where the access began, in bytes from the region's start.
    pub offset: usize,
    /// How many bytes it wanted.
    pub length: usize,
    /// How many bytes the region has.
    pub size: usize,
}

/// A word that is not aligned to its size in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misaligned {
    /// Offset of the word from the region's start.
    pub offset: usize,
    /// Bytes of the word, and so its alignment.
    pub width: usize,
}

/// Why a region has no such word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordError {
    /// It would leave the region.
    OutOfBounds(OutOfBounds),
    /// It would not be aligned, and so not be read or written in one piece.
    Misaligned(Misaligned),
}

impl From<OutOfBounds> for WordError {
    fn from(e: OutOfBounds) -> Self {
        WordError::OutOfBounds(e)
    }
}

impl From<Misaligned> for WordError {
    fn from(e: Misaligned) -> Self {
        WordError::Misaligned(e)
    }
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutOfBounds { offset, length, size } = self;
        write!(f, "{length} bytes at offset {offset:#x} leave a region of {size:#x} bytes")
    }
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misaligned { offset, width } = self;
        write!(f, "the word at offset {offset:#x} is not aligned to its {width} bytes")
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WordError::OutOfBounds(e) => e.fmt(f),
            WordError::Misaligned(e) => e.fmt(f),
        }
    }
}
