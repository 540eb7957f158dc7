//! A table of words, for whoever touches many of them often.
//!
//! Bounds and alignment are checked once for the whole table. An index that the
//! compiler can see to be in range then costs nothing, and one that is part of
//! the type ([`Words::load_at`]) not even the sum with the table's address: each
//! access is one instruction, as to memory of one's own. The surprising fact is
//! that the compiler cannot do this by itself, because it does not see into the
//! accesses.

use core::fmt;

use crate::error::WordError;
use crate::raw;
use crate::region::{Region, Rights, Writable};

/// `N` aligned words of eight bytes.
///
/// Invariant: the region is exactly the words, and aligned to eight bytes.
pub struct Words<R: Rights, const N: usize>(Region<R>);

impl<R: Rights, const N: usize> Words<R, N> {
    /// The first `N` words of a region.
    ///
    /// # Errors
    /// It is smaller, or not aligned to a word in memory.
    pub fn new(region: &Region<R>) -> Result<Self, WordError> {
        // Alignment is the first word's; a table of none has no word to ask.
        if N > 0 {
            region.word64(0)?;
        }
        Ok(Words(region.sub(0, N.saturating_mul(8))?))
    }

    /// A word as it is now; see [`Word64::load`](crate::Word64::load).
    ///
    /// # Panics
    /// The index is not below `N`.
    #[inline(always)]
    pub fn load(&self, index: usize) -> u64 {
        assert!(index < N);
        // SAFETY: the invariant and the assertion: the word is mapped readable.
        unsafe { raw::load_u64(self.0.base().as_ptr().cast::<u64>().wrapping_add(index)) }
    }

    /// The word `BYTES / 8`, as it is now. That it is one is checked at compile
    /// time.
    #[inline(always)]
    pub fn load_at<const BYTES: usize>(&self) -> u64 {
        const { assert!(BYTES.is_multiple_of(8) && BYTES / 8 < N) };
        // SAFETY: the invariant and the assertion: the word is mapped readable.
        unsafe { raw::load_u64_at::<BYTES>(self.0.base().as_ptr().cast::<u64>()) }
    }

    /// Copies all of them out. Each word is whole; together they may be a
    /// mixture of what a racing writer wrote.
    pub fn load_all(&self) -> [u64; N] {
        core::array::from_fn(|index| self.load(index))
    }
}

impl<R: Writable, const N: usize> Words<R, N> {
    /// Sets a word; see [`Word64::store`](crate::Word64::store).
    ///
    /// # Panics
    /// The index is not below `N`.
    #[inline(always)]
    pub fn store(&self, index: usize, value: u64) {
        assert!(index < N);
        // SAFETY: the invariant and the assertion: the word is mapped writable.
        unsafe { raw::store_u64(self.0.base().as_ptr().cast::<u64>().wrapping_add(index), value) }
    }

    /// Sets the word `BYTES / 8`. That it is one is checked at compile time.
    #[inline(always)]
    pub fn store_at<const BYTES: usize>(&self, value: u64) {
        const { assert!(BYTES.is_multiple_of(8) && BYTES / 8 < N) };
        // SAFETY: the invariant and the assertion: the word is mapped writable.
        unsafe { raw::store_u64_at::<BYTES>(self.0.base().as_ptr().cast::<u64>(), value) }
    }

    /// Sets neighbouring words, from one on.
    ///
    /// # Panics
    /// One of them is not below `N`.
    #[inline(always)]
    pub fn store_four(&self, first: usize, [a, b, c, d]: [u64; 4]) {
        assert!(first < N && first + 3 < N);
        let to = self.0.base().as_ptr().cast::<u64>().wrapping_add(first);
        // SAFETY: the invariant and the assertion: the word is mapped writable.
        unsafe { raw::store_u64_at::<0>(to, a) };
        // SAFETY: as above.
        unsafe { raw::store_u64_at::<8>(to, b) };
        // SAFETY: as above.
        unsafe { raw::store_u64_at::<16>(to, c) };
        // SAFETY: as above.
        unsafe { raw::store_u64_at::<24>(to, d) };
    }
}

impl<R: Rights, const N: usize> fmt::Debug for Words<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({:p}, {N})", self.0.base())
    }
}
