//! The VMX-preemption timer as the guest's deadline.
//!
//! It counts guest time only (its value is saved at an exit and counts on at
//! the next entry), at the rate of the time-stamp counter shifted right by an
//! amount that only the kernel could read from IA32_VMX_MISC. So the first
//! runs measure the rate. The surprising fact: it is never off. In an emulator
//! a guest that spins with interrupts disabled would keep host interrupts out
//! for good, and even on silicon the time spent outside the guest makes it
//! late, so it is set anew every so often.

use sel4::vmx::field;
use sel4_microkit::timestamp_counter;
use vmm_core::{time::LongestRun, types::Ticks, vm::NEVER};

use super::{Refused, Vtx};

/// Entries after which the timer is set anew: time outside the guest makes it
/// late by that of so many exits at most.
const ENTRIES_MAX: u32 = 64;

/// What is written while the rate is measured: long against the cost of an
/// exit, short against any deadline.
const MEASURE: u32 = 8192;

/// After so many runs without another's turn a guest has the processor to itself:
/// a tick of the kernel's certainly came meanwhile.
const RUNS_ALONE: u32 = 3;

/// Largest shift that IA32_VMX_MISC can state.
const SHIFT_MAX: u32 = 31;

/// How long after a blocked NMI the guest is looked at again, in ticks.
const NMI_RETRY: Ticks = Ticks(10_000);

/// The timer and what it was set to.
#[derive(Debug)]
pub struct PreemptionTimer {
    /// Ticks of the time-stamp counter are `1 << shift` of the timer's.
    shift: Option<u32>,
    /// The deadline it was last set for; no deadline at all is the far future, until
    /// the timer expires.
    armed: Ticks,
    /// Entries that it is good for; none if it must be set before the next.
    left: u32,
    set_at: u64,
    longest: LongestRun,
    /// How long the guest was to run from then on.
    run: Ticks,
    /// Runs in a row, each ended by the timer, during which nobody else was busy.
    alone: u32,
}

impl PreemptionTimer {
    pub const fn new(longest: LongestRun) -> Self {
        PreemptionTimer {
            shift: None,
            armed: NEVER,
            left: 0,
            set_at: 0,
            longest,
            run: Ticks(0),
            alone: 0,
        }
    }

    /// Counts an entry, and says whether the timer must be set before it.
    #[inline(always)]
    pub fn is_due(&mut self, deadline: Ticks) -> bool {
        // Whatever it wraps to, the timer is set then, and this with it.
        let (left, none) = self.left.overflowing_sub(1);
        self.left = left;
        none || self.armed != deadline
    }

    /// It must be set before the next entry.
    pub fn make_due(&mut self) {
        self.left = 0;
    }

    /// Sets the timer for `deadline`, or the end of the longest run.
    ///
    /// # Returns
    /// What to write to the timer's field.
    fn set(&mut self, wanted: Ticks) -> u32 {
        let now = timestamp_counter();
        let value = match self.shift {
            None => MEASURE,
            Some(shift) => {
                let left = Ticks(wanted.0.saturating_sub(now));
                self.run = self.longest.run(left, self.alone >= RUNS_ALONE);
                // Rounded up: early is a wasted exit.
                (self.run.0.div_ceil(1 << shift)) as u32
            }
        };
        self.armed = wanted;
        self.left = ENTRIES_MAX - 1;
        self.set_at = now;
        value
    }

    /// It ran out.
    pub fn expired(&mut self) {
        if self.shift.is_none() && self.left == ENTRIES_MAX - 1 {
            // Nothing else stopped the guest since it was set: the time that
            // passed is the timer's, an exit and an entry.
            let ratio = timestamp_counter().saturating_sub(self.set_at) / u64::from(MEASURE);
            self.shift = Some(ratio.max(1).ilog2().min(SHIFT_MAX));
        } else {
            let passed = Ticks(timestamp_counter().saturating_sub(self.set_at));
            let alone = self.longest.was_alone(self.run, passed);
            self.alone = if alone { self.alone.saturating_add(1) } else { 0 };
        }
        self.make_due();
    }
}

impl Vtx {
    /// Ends the guest's run at `deadline`.
    ///
    /// # Errors
    /// The kernel refused this or something before it.
    #[inline(never)]
    pub(super) fn set_timer(&mut self, deadline: Ticks) -> Result<(), Refused> {
        let deadline = if self.nmi_poll { self.nmi_retry().min(deadline) } else { deadline };
        let value = self.timer.set(deadline);
        self.write(field::PREEMPTION_TIMER_VALUE, value.into());
        if self.nmi_poll {
            self.timer.make_due();
        }
        self.refused.map_or(Ok(()), Err)
    }

    /// The deadline at which a guest with a blocked NMI is looked at again.
    fn nmi_retry(&self) -> Ticks {
        Ticks(timestamp_counter()).saturating_add(NMI_RETRY)
    }
}
