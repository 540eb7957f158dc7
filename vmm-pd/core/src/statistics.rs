//! What a guest did: counts of exits by reason, and the last of them.
//!
//! Cheap, because it is done at every exit: one addition and four stores, no
//! clock, no division.

/// Exits remembered for a report.
pub const REMEMBERED: usize = 16;

/// Reasons that have a count of their own: 0 to 79 (Intel SDM vol. 3D, appendix
/// C); whatever else is counted together behind them.
const REASONS: usize = 80;

/// One exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    /// Exit reason.
    pub reason: u32,
    /// Instruction pointer.
    pub rip: u64,
    /// Exit qualification.
    pub qualification: u64,
    /// Guest-physical address, for EPT exits.
    pub guest_physical: u64,
}

/// The counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statistics {
    exits: [u64; REASONS + 1],
    last: [Remembered; REMEMBERED],
    /// Exits so far; the low bits say where the next one is remembered.
    total: u64,
    /// Returns without an exit.
    pub notifications: u64,
    /// Interrupts injected.
    pub interrupts: u64,
    /// NMIs of the host that arrived while the guest ran.
    pub host_nmis: u64,
    /// Accesses to MSRs that do not exist.
    pub unknown_msrs: u64,
    /// The last of those.
    pub last_unknown_msr: u32,
}

impl Default for Statistics {
    fn default() -> Self {
        Self::new()
    }
}

impl Statistics {
    /// Nothing happened yet.
    pub const fn new() -> Self {
        const NONE: Remembered =
            Remembered { reason: 0, rip: 0, qualification: 0, guest_physical: 0 };
        Statistics {
            exits: [0; REASONS + 1],
            last: [NONE; REMEMBERED],
            total: 0,
            notifications: 0,
            interrupts: 0,
            host_nmis: 0,
            unknown_msrs: 0,
            last_unknown_msr: 0,
        }
    }

    /// Records an exit.
    pub fn record(&mut self, exit: Remembered) {
        let reason = (exit.reason as usize).min(REASONS);
        self.exits[reason] = self.exits[reason].wrapping_add(1);
        self.last[(self.total % REMEMBERED as u64) as usize] = exit;
        self.total = self.total.wrapping_add(1);
    }

    /// Exits so far.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Exits with this reason; of all that have no count of their own if it has
    /// none.
    pub fn exits(&self, reason: u32) -> u64 {
        self.exits[(reason as usize).min(REASONS)]
    }

    /// Reasons that occurred, with their counts; `None` stands for all that have
    /// no count of their own.
    pub fn by_reason(&self) -> impl Iterator<Item = (Option<u32>, u64)> + '_ {
        (0u32..)
            .zip(self.exits)
            .filter(|&(_, count)| count != 0)
            .map(|(reason, count)| ((reason < REASONS as u32).then_some(reason), count))
    }

    /// The last exits, the newest first.
    pub fn last(&self) -> impl Iterator<Item = Remembered> + '_ {
        let count = self.total.min(REMEMBERED as u64);
        (1..=count).map(|back| self.last[((self.total - back) % REMEMBERED as u64) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn exit(reason: u32, rip: u64) -> Remembered {
        Remembered { reason, rip, ..Remembered::default() }
    }

    #[test]
    fn the_last_exits_come_newest_first() {
        let mut s = Statistics::new();
        assert_eq!(s.last().count(), 0);
        for n in 0..40 {
            s.record(exit(10, n));
        }
        let rips: Vec<u64> = s.last().map(|e| e.rip).collect();
        assert_eq!(rips, (24..40).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_reason_beyond_the_table_is_counted_with_the_others() {
        let mut s = Statistics::new();
        for reason in [10, 10, 80, u32::MAX] {
            s.record(exit(reason, 0));
        }
        assert_eq!(s.exits(10), 2);
        assert_eq!(s.by_reason().collect::<Vec<_>>(), [(Some(10), 2), (None, 2)]);
        assert_eq!(s.total(), 4);
    }
}
