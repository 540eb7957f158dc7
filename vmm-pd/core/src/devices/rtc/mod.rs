//! The real-time clock and CMOS memory of a PC: an MC146818A with the century
//! byte and what firmware records behind the clock's registers.
//!
//! The time registers are bytes in memory, as on the chip; they are carried
//! forward only when somebody looks. So whatever a guest writes stays as
//! written until the next second begins. Not here: daylight saving, the square
//! wave, the second bank of 128 bytes.
//!
//! The surprising fact: the clock follows guest time (the TSC), from the epoch
//! the configuration gives. It drifts from the host's by what the TSC's stated
//! frequency is wrong.

pub mod bits;
mod calendar;
mod cmos;
mod state;
#[cfg(test)]
mod tests;

pub use state::State;

use self::bits::{
    A, B, C, CRYSTAL, D_VALID, DV_RESET, DV_RUNNING, INDEX_NMI_MASK, REGISTER_A, REGISTER_B,
    REGISTER_C, REGISTER_D, UIP_LEAD,
};
use crate::layout::RamSize;
use crate::time::TscFrequency;
use crate::types::Ticks;

/// Microseconds in a second.
const MICROSECONDS: u64 = 1_000_000;

/// The clock and its memory.
pub struct Rtc {
    state: State,
    tsc: TscFrequency,
    deadline: Option<Ticks>,
}

impl Rtc {
    /// A running clock that shows `epoch_seconds` (since 1970, UTC) at `now`,
    /// in BCD and 24-hour mode, with memory sizes for `ram`.
    pub fn new(tsc: TscFrequency, epoch_seconds: u64, now: Ticks, ram: RamSize) -> Self {
        let mut rtc = Rtc {
            state: State {
                index: 0,
                nmi_masked: false,
                cmos: [[0; 32]; 4],
                flags: 0,
                second_began: now,
                periodic_began: now,
                periods_seen: 0,
            },
            tsc,
            deadline: None,
        };
        // 1,024 Hz, what firmware leaves there.
        rtc.set(REGISTER_A, DV_RUNNING | 0b0110);
        rtc.set(REGISTER_B, B::H24.bits());
        rtc.set(REGISTER_D, D_VALID);
        rtc.set_epoch(epoch_seconds);
        rtc.set_memory_sizes(ram);
        rtc
    }

    /// A clock as a snapshot recorded it.
    pub fn restore(tsc: TscFrequency, state: State) -> Self {
        let mut rtc = Rtc { state, tsc, deadline: None };
        rtc.plan();
        rtc
    }

    /// What a snapshot holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The RESET pin: interrupts off, time and memory kept (data sheet, "RESET").
    pub fn reset(&mut self, now: Ticks) {
        self.sync(now);
        let kept = self.b() - (B::PIE | B::AIE | B::UIE | B::SQWE);
        self.set(REGISTER_B, kept.bits());
        self.state.flags = 0;
        self.state.index = 0;
        self.state.nmi_masked = false;
        self.plan();
    }

    /// The interrupt output; high until register C is read.
    pub fn irq(&self) -> bool {
        self.state.flags & self.b().bits() & (C::PF | C::AF | C::UF).bits() != 0
    }

    /// Whether the index port masks NMIs.
    pub fn nmi_masked(&self) -> bool {
        self.state.nmi_masked
    }

    /// When [`Rtc::advance`] has something to do.
    pub fn deadline(&self) -> Option<Ticks> {
        self.deadline
    }

    /// Lets time pass. Cheap before the deadline: until then nothing can be seen
    /// outside, and registers are carried forward when they are read.
    pub fn advance(&mut self, now: Ticks) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.sync(now);
            self.plan();
        }
    }

    /// Writes the index port. It cannot be read.
    pub fn write_index(&mut self, value: u8) {
        self.state.index = value & !INDEX_NMI_MASK;
        self.state.nmi_masked = value & INDEX_NMI_MASK != 0;
    }

    /// Reads the data port.
    pub fn read(&mut self, now: Ticks) -> u8 {
        self.sync(now);
        match self.state.index {
            REGISTER_A => {
                let uip = if self.update_in_progress(now) { A::UIP.bits() } else { 0 };
                self.get(REGISTER_A) | uip
            }
            REGISTER_C => {
                let irqf = if self.irq() { C::IRQF.bits() } else { 0 };
                let value = self.state.flags | irqf;
                self.state.flags = 0;
                self.plan();
                value
            }
            index => self.get(index),
        }
    }

    /// Writes the data port.
    pub fn write(&mut self, value: u8, now: Ticks) {
        self.sync(now);
        match self.state.index {
            REGISTER_A => self.write_a(value & !A::UIP.bits(), now),
            REGISTER_B => self.write_b(B::from_bits_retain(value), now),
            REGISTER_C | REGISTER_D => {}
            index => self.set(index, value),
        }
        self.plan();
    }

    fn write_a(&mut self, value: u8, now: Ticks) {
        let was_held = self.divider_held();
        if value != self.get(REGISTER_A) {
            self.state.periodic_began = now;
            self.state.periods_seen = 0;
        }
        self.set(REGISTER_A, value);
        if was_held && !self.divider_held() {
            // The first update comes half a second after the divider starts
            // (data sheet, "Divider control").
            self.state.second_began = Ticks(now.0.saturating_sub(self.tsc.hz() / 2));
        }
    }

    fn write_b(&mut self, mut value: B, now: Ticks) {
        let was_set = self.b().contains(B::SET);
        if value.contains(B::SET) {
            value -= B::UIE;
        } else if was_set {
            // The divider ran on: what was missed are the updates, not the
            // phase within the second.
            let missed = now.since(self.state.second_began).0 / self.tsc.hz();
            self.skip_seconds(missed);
        }
        self.set(REGISTER_B, value.bits());
    }

    /// Brings registers and flags up to `now`.
    fn sync(&mut self, now: Ticks) {
        let seconds = now.since(self.state.second_began).0 / self.tsc.hz();
        if seconds > 0 && self.updating() {
            let before = self.epoch();
            if self.next_alarm(before).is_some_and(|wait| wait <= seconds) {
                self.state.flags |= C::AF.bits();
            }
            self.state.flags |= C::UF.bits();
            self.set_epoch(before.saturating_add(seconds));
            self.skip_seconds(seconds);
        }
        if let Some(rate) = self.periodic_rate() {
            let periods = self.tsc.periods(now.since(self.state.periodic_began), rate);
            if periods > self.state.periods_seen {
                self.state.periods_seen = periods;
                self.state.flags |= C::PF.bits();
            }
        }
    }

    /// Computes the deadline: the earliest enabled interrupt, none while the
    /// output is high already.
    fn plan(&mut self) {
        self.deadline = if self.irq() {
            None
        } else {
            [self.next_period(), self.next_update(), self.next_match()].into_iter().flatten().min()
        };
    }

    fn next_period(&self) -> Option<Ticks> {
        let rate = self.periodic_rate().filter(|_| self.b().contains(B::PIE))?;
        let next = self.state.periods_seen.saturating_add(1);
        Some(self.state.periodic_began.saturating_add(self.tsc.span(next, rate)))
    }

    fn next_update(&self) -> Option<Ticks> {
        let wanted = self.updating() && self.b().contains(B::UIE);
        wanted.then(|| self.state.second_began.saturating_add(Ticks(self.tsc.hz())))
    }

    fn next_match(&self) -> Option<Ticks> {
        let wanted = self.updating() && self.b().contains(B::AIE);
        let wait = if wanted { self.next_alarm(self.epoch())? } else { return None };
        Some(self.state.second_began.saturating_add(Ticks(wait.saturating_mul(self.tsc.hz()))))
    }

    /// Frequency of the periodic interrupt, in Hz; the two fastest taps of the
    /// 32,768 Hz divider do not exist and repeat slower ones (data sheet,
    /// table 5).
    fn periodic_rate(&self) -> Option<u64> {
        match self.get(REGISTER_A) & A::RS.bits() {
            _ if self.divider_held() => None,
            0 => None,
            1 => Some(256),
            2 => Some(128),
            select => Some(CRYSTAL >> (select - 1)),
        }
    }

    fn update_in_progress(&self, now: Ticks) -> bool {
        let passed = now.since(self.state.second_began).0;
        let lead = self.tsc.span(UIP_LEAD, MICROSECONDS).0;
        self.updating() && passed.saturating_add(lead) >= self.tsc.hz()
    }

    /// Whether the time registers advance.
    fn updating(&self) -> bool {
        !self.b().contains(B::SET) && !self.divider_held()
    }

    fn divider_held(&self) -> bool {
        self.get(REGISTER_A) & A::DV.bits() >= DV_RESET
    }

    fn skip_seconds(&mut self, seconds: u64) {
        let span = Ticks(seconds.saturating_mul(self.tsc.hz()));
        self.state.second_began = self.state.second_began.saturating_add(span);
    }
}
