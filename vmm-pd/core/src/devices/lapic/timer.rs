//! The local APIC's timer (Intel SDM vol. 3A, 11.5.4): one-shot, periodic,
//! TSC-deadline.
//!
//! It counts periods of the core crystal clock that CPUID leaf 15h states
//! ([`CoreCrystal`]), which is the TSC divided by a whole number; so all sums
//! here are exact. Nothing ticks: a count is where it was at some point in time,
//! and every question is answered from there. The surprising fact: a period
//! that the guest missed is gone, as on hardware, where the interrupt would
//! still be pending; only one is delivered however late.

use super::bits::DIVIDE;
use super::state::TimerState;
use crate::time::TscFrequency;
use crate::types::Ticks;

/// A periodic timer interrupts at most this often a second. A guest that asks
/// for more would have no time to run anything; below, every period counts.
/// (Linux's KVM draws the same line at 5,000 for guests it does not know.)
pub const FASTEST_PERIODIC_HZ: u64 = 10_000;

/// The core crystal clock as CPUID leaf 15h describes it: EAX, EBX, ECX (Intel
/// SDM vol. 2A, "CPUID", table 3-8). The APIC timer is fed by it: Linux takes
/// ECX for the timer's frequency and measures nothing.
///
/// The crystal is the TSC itself as long as its frequency fits into ECX (up to
/// 4.29 GHz), and else the TSC divided by the smallest whole number that makes
/// it fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreCrystal {
    /// EAX: denominator of the ratio TSC/crystal. Always 1.
    pub denominator: u32,
    /// EBX: numerator of that ratio.
    pub numerator: u32,
    /// ECX: frequency of the crystal in Hz, rounded down.
    pub hz: u32,
}

impl CoreCrystal {
    /// For a TSC of this frequency.
    pub const fn of(tsc: TscFrequency) -> Self {
        // At most 100 GHz / 2^32 + 1 = 24.
        let numerator = tsc.hz() / (1 << 32) + 1;
        let hz = tsc.hz() / numerator;
        CoreCrystal { denominator: 1, numerator: numerator as u32, hz: hz as u32 }
    }
}

/// What expiry means (vol. 3A, table 11-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimerMode {
    OneShot,
    Periodic,
    TscDeadline,
    /// Encoding 3: never expires.
    Reserved,
}

impl TimerMode {
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => TimerMode::OneShot,
            1 => TimerMode::Periodic,
            2 => TimerMode::TscDeadline,
            _ => TimerMode::Reserved,
        }
    }

    const fn counts(self) -> bool {
        matches!(self, TimerMode::OneShot | TimerMode::Periodic)
    }
}

/// The timer without its LVT entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Timer {
    /// Ticks of the TSC in one period of the crystal.
    crystal: u64,
    /// Ticks between two interrupts of the fastest periodic timer.
    shortest: u64,
    mode: TimerMode,
    divide: u8,
    initial: u32,
    /// The count at `since`; 0 if stopped.
    count: u32,
    since: Ticks,
    tsc_deadline: u64,
    /// When it expires next.
    due: Option<Ticks>,
}

impl Timer {
    pub(super) const fn new(tsc: TscFrequency) -> Self {
        Timer {
            crystal: CoreCrystal::of(tsc).numerator as u64,
            shortest: tsc.hz() / FASTEST_PERIODIC_HZ,
            mode: TimerMode::OneShot,
            divide: 0,
            initial: 0,
            count: 0,
            since: Ticks(0),
            tsc_deadline: 0,
            due: None,
        }
    }

    /// As after reset.
    pub(super) const fn reset(&mut self) {
        self.mode = TimerMode::OneShot;
        self.divide = 0;
        self.disarm();
    }

    const fn disarm(&mut self) {
        self.initial = 0;
        self.count = 0;
        self.tsc_deadline = 0;
        self.due = None;
    }

    /// Ticks in one count. Divide configuration 0 is a division by 2, 111b
    /// (bits 3, 1, 0) by 1 (figure 11-10).
    fn unit(&self) -> u64 {
        let code = u32::from(self.divide & 0b11 | (self.divide & 0b1000) >> 1);
        self.crystal << ((code + 1) & 7)
    }

    /// The span of so many counts; at most 2^32 * 128 * 24, so it fits.
    fn span(&self, counts: u32) -> Ticks {
        Ticks(u64::from(counts).saturating_mul(self.unit()))
    }

    pub(super) const fn due(&self) -> Option<Ticks> {
        self.due
    }

    pub(super) const fn initial(&self) -> u32 {
        self.initial
    }

    pub(super) const fn divide(&self) -> u32 {
        self.divide as u32
    }

    pub(super) const fn tsc_deadline(&self) -> u64 {
        self.tsc_deadline
    }

    /// The current count. The timer must have been advanced to `now`.
    pub(super) fn current(&self, now: Ticks) -> u32 {
        if !self.mode.counts() || self.count == 0 {
            return 0;
        }
        let elapsed = now.since(self.since).0 / self.unit();
        let count = u64::from(self.count);
        let left = if elapsed < count {
            count - elapsed
        } else if self.mode == TimerMode::Periodic && self.initial != 0 {
            let initial = u64::from(self.initial);
            initial - (elapsed - count) % initial
        } else {
            0
        };
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Starts counting down from `count`; 0 stops.
    fn count_from(&mut self, count: u32, now: Ticks) {
        self.count = count;
        self.since = now;
        self.due = (count != 0).then(|| now.saturating_add(self.span(count)));
    }

    /// Writes the initial count: starts, or stops with 0. Ignored in
    /// TSC-deadline mode (11.5.4.1).
    pub(super) fn set_initial(&mut self, initial: u32, now: Ticks) {
        if self.mode.counts() {
            self.initial = initial;
            self.count_from(initial, now);
        }
    }

    /// Writes the divide configuration; a running count goes on from where it
    /// is. The timer must have been advanced to `now`.
    pub(super) fn set_divide(&mut self, divide: u32, now: Ticks) {
        let divide = (divide & DIVIDE) as u8;
        if divide == self.divide {
            return;
        }
        let current = self.current(now);
        self.divide = divide;
        if self.mode.counts() {
            self.count_from(current, now);
        }
    }

    /// Changes the mode. To or from TSC-deadline mode disarms (11.5.4.1); between
    /// one-shot and periodic a running count goes on.
    pub(super) fn set_mode(&mut self, mode: TimerMode, now: Ticks) {
        if mode == self.mode {
            return;
        }
        if mode.counts() && self.mode.counts() {
            let current = self.current(now);
            self.mode = mode;
            self.count_from(current, now);
        } else {
            self.mode = mode;
            self.disarm();
        }
    }

    /// Writes IA32_TSC_DEADLINE: arms, or disarms with 0. Ignored in the other
    /// modes (11.5.4.1).
    pub(super) fn set_tsc_deadline(&mut self, deadline: u64) {
        if self.mode == TimerMode::TscDeadline {
            self.tsc_deadline = deadline;
            self.due = (deadline != 0).then_some(Ticks(deadline));
        }
    }

    /// Brings the timer to `now`.
    ///
    /// # Returns
    /// Whether it expired, once or more often.
    pub(super) fn advance(&mut self, now: Ticks) -> bool {
        match self.due {
            Some(due) if due <= now => self.expire(due, now),
            Some(_) | None => return false,
        }
        true
    }

    fn expire(&mut self, due: Ticks, now: Ticks) {
        self.due = None;
        match self.mode {
            TimerMode::OneShot => self.count = 0,
            TimerMode::Periodic => self.next_period(due, now),
            TimerMode::TscDeadline | TimerMode::Reserved => self.tsc_deadline = 0,
        }
    }

    /// Finds the last reload before `now`, and the expiry after it. `due` is a
    /// point at which the count was reloaded.
    fn next_period(&mut self, due: Ticks, now: Ticks) {
        let period = self.span(self.initial).0;
        if period == 0 {
            self.count = 0;
            return;
        }
        let into_period = now.since(due).0 % period;
        self.since = Ticks(now.0.saturating_sub(into_period));
        self.count = self.initial;
        let periods = if period < self.shortest {
            into_period.saturating_add(self.shortest).div_ceil(period)
        } else {
            1
        };
        self.due = Some(self.since.saturating_add(Ticks(periods.saturating_mul(period))));
    }

    pub(super) fn save(&self, now: Ticks) -> TimerState {
        TimerState {
            divide: self.divide,
            initial: self.initial,
            count: self.count,
            elapsed: now.since(self.since).0,
            due_in: self.due.map(|due| due.since(now).0),
            tsc_deadline: self.tsc_deadline,
        }
    }

    pub(super) fn restore(&mut self, state: &TimerState, mode: TimerMode, now: Ticks) {
        self.mode = mode;
        self.divide = state.divide & DIVIDE as u8;
        self.initial = state.initial;
        self.count = state.count;
        self.since = Ticks(now.0.saturating_sub(state.elapsed));
        self.tsc_deadline = 0;
        self.due = None;
        match mode {
            TimerMode::OneShot | TimerMode::Periodic if self.count != 0 => {
                self.due = state.due_in.map(|due_in| now.saturating_add(Ticks(due_in)));
            }
            TimerMode::TscDeadline => self.set_tsc_deadline(state.tsc_deadline),
            TimerMode::OneShot | TimerMode::Periodic | TimerMode::Reserved => {}
        }
    }
}
