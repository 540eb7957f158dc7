//! Free slots of the initial task's capability space.

use sel4::{Word, cap::Slot};

use crate::boot_info::SlotRegion;

/// Bits that the initial task's capability addresses resolve.
const DEPTH: u8 = 64;

/// Hands out slots, one after another.
#[derive(Debug)]
pub struct Slots {
    next: Word,
    end: Word,
}

impl Slots {
    /// All of `region`.
    pub const fn new(region: SlotRegion) -> Self {
        Slots { next: region.start, end: region.end }
    }

    /// The first of `count` slots in a row, if there are so many.
    pub fn take(&mut self, count: Word) -> Option<Word> {
        let first = self.next;
        let next = first.checked_add(count).filter(|&n| n <= self.end)?;
        self.next = next;
        Some(first)
    }

    /// How many are left.
    pub const fn left(&self) -> Word {
        self.end - self.next
    }

    /// A slot of the initial task's space, fully resolved.
    pub const fn slot(index: Word) -> Slot {
        Slot { index, depth: DEPTH }
    }
}
