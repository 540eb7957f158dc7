//! Who uses which part of a data region: runs of cells of one block each.

use super::wire::TRANSFER_SIZE;

/// Neighbouring cells that were allocated.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Run {
    first: u32,
    cells: u32,
}

impl Run {
    /// Offset of its first byte in the data region: what a request's buffer is.
    pub const fn offset(&self) -> u64 {
        self.first as u64 * TRANSFER_SIZE
    }

    /// Its blocks.
    pub const fn cells(&self) -> u32 {
        self.cells
    }

    /// Its bytes.
    pub const fn bytes(&self) -> u64 {
        self.cells as u64 * TRANSFER_SIZE
    }
}

/// The cells of a data region, at most `64 * WORDS` of them. The search goes on
/// where the last one ended, and skips what is used sixty-four cells at a time:
/// most allocations look at one word, none at more than all of them twice.
#[derive(Clone, Debug)]
pub struct Cells<const WORDS: usize> {
    /// A set bit is a cell in use, or beyond the region's end.
    used: [u64; WORDS],
    /// Cells of the region.
    cells: u32,
    /// Cells not in use.
    free: u32,
    /// Where the next search begins.
    cursor: u32,
}

impl<const WORDS: usize> Cells<WORDS> {
    /// The most cells that there can be.
    const MOST: u32 = {
        assert!(WORDS > 0 && WORDS <= 1 << 20, "cells are counted in 32 bits");
        WORDS as u32 * 64
    };

    /// The cells of a region of so many bytes: as many whole ones as it has,
    /// and no more than there is account for. None is in use.
    pub fn new(size: usize) -> Self {
        let whole = size / TRANSFER_SIZE as usize;
        let cells = u32::try_from(whole).unwrap_or(u32::MAX).min(Self::MOST);
        let mut all = Cells { used: [0; WORDS], cells, free: cells, cursor: 0 };
        all.mark(cells, Self::MOST - cells, true);
        all
    }

    /// Cells of the region.
    pub fn cells(&self) -> u32 {
        self.cells
    }

    /// Cells not in use; perhaps not neighbours.
    pub fn free_cells(&self) -> u32 {
        self.free
    }

    /// Takes neighbouring cells.
    ///
    /// # Returns
    /// `None` if there are not so many free neighbours, or none were wanted.
    pub fn allocate(&mut self, cells: u32) -> Option<Run> {
        if cells == 0 || cells > self.free {
            return None;
        }
        let first = self
            .search(self.cursor, self.cells, cells)
            .or_else(|| self.search(0, self.cells.min(self.cursor + cells), cells))?;
        self.mark(first, cells, true);
        self.free -= cells;
        self.cursor = first + cells;
        Some(Run { first, cells })
    }

    /// Gives cells back.
    pub fn free(&mut self, run: Run) {
        self.mark(run.first, run.cells, false);
        self.free += run.cells;
        if self.free == self.cells {
            // Start over: the first cells are warm, and a run that wraps is none.
            self.cursor = 0;
        }
    }

    /// The first run of free cells between two cells.
    fn search(&self, from: u32, to: u32, cells: u32) -> Option<u32> {
        let mut first = from;
        let mut at = from;
        while at < to {
            // Bits from `at` on; what is shifted in counts as free, and is cut
            // off by `in_word`.
            let word = self.word(at) >> (at % 64);
            let in_word = 64 - at % 64;
            let free = word.trailing_zeros().min(in_word);
            at += free;
            if at.min(to) - first >= cells {
                return Some(first);
            }
            if free < in_word {
                at += (word >> free).trailing_ones();
                first = at;
            }
        }
        None
    }

    fn word(&self, cell: u32) -> u64 {
        self.used.get(cell as usize / 64).copied().unwrap_or(u64::MAX)
    }

    fn mark(&mut self, first: u32, cells: u32, used: bool) {
        let mut at = first;
        let end = first + cells;
        while at < end {
            let bits = (64 - at % 64).min(end - at);
            let mask = (u64::MAX >> (64 - bits)) << (at % 64);
            if let Some(word) = self.used.get_mut(at as usize / 64) {
                debug_assert_eq!(*word & mask, if used { 0 } else { mask }, "one user a cell");
                if used { *word |= mask } else { *word &= !mask }
            }
            at += bits;
        }
    }
}
