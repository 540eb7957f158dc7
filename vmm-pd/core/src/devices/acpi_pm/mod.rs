//! ACPI fixed hardware: PM1 events and control, the power-management timer, an
//! empty general-purpose event block; and the two reset registers that live in
//! the same chip on a PC.
//!
//! There is no legacy mode and no SMI: the machine is in ACPI mode from its
//! first instruction, as the FADT says. Of the sleep states only S5 exists.
//! The surprising fact: the timer costs nothing while its interrupt is off. Its
//! carry is noticed when somebody looks.

pub mod bits;
mod state;
#[cfg(test)]
mod tests;

pub use state::State;

use self::bits::{
    PM_TIMER_HZ, Pm1Control, Pm1Enable, Pm1Status, ResetControl, SLP_TYP_SHIFT, SystemControlA,
};
use super::request::{Request, ResetSource};
use crate::layout::numbers::SLEEP_TYPE_S5;
use crate::time::TscFrequency;
use crate::types::Ticks;

/// How many bits of the timer count (FADT TMR_VAL_EXT).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerWidth {
    /// 24.
    Bits24,
    /// 32.
    Bits32,
}

/// A byte register of the PM1 and GPE blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// PM1a event block, bytes 0 to 3: status, then enable.
    Event(u8),
    /// PM1a control block, bytes 0 and 1.
    Control(u8),
    /// Power-management timer, bytes 0 to 3.
    Timer(u8),
    /// General-purpose event block 0, bytes 0 to 3: no event exists.
    Gpe(u8),
    /// Reset control register.
    ResetControl,
    /// System control port A.
    SystemControlA,
}

/// The block.
pub struct AcpiPm {
    state: State,
    tsc: TscFrequency,
    width: TimerWidth,
    deadline: Option<Ticks>,
}

impl AcpiPm {
    /// The block after power-on; the timer is zero at `now`.
    pub fn new(tsc: TscFrequency, width: TimerWidth, now: Ticks) -> Self {
        let state = State {
            status: 0,
            enable: 0,
            rtc_line: false,
            control: Pm1Control::SCI_EN.bits(),
            timer_began: now,
            carries_seen: 0,
            reset_control: 0,
            system_control_a: SystemControlA::A20.bits(),
        };
        AcpiPm { state, tsc, width, deadline: None }
    }

    /// The block as a snapshot recorded it.
    pub fn restore(tsc: TscFrequency, width: TimerWidth, state: State) -> Self {
        let mut pm = AcpiPm { state, tsc, width, deadline: None };
        pm.plan();
        pm
    }

    /// What a snapshot holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The system control interrupt, level-triggered.
    pub fn sci(&self) -> bool {
        self.state.status & self.state.enable != 0
    }

    /// When [`AcpiPm::advance`] has something to do.
    pub fn deadline(&self) -> Option<Ticks> {
        self.deadline
    }

    /// Lets time pass. Cheap before the deadline: until then nothing can be seen
    /// outside.
    pub fn advance(&mut self, now: Ticks) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.sync(now);
            self.plan();
        }
    }

    /// Somebody pressed the power button.
    pub fn press_power_button(&mut self) {
        self.state.status |= Pm1Status::PWRBTN.bits();
        self.plan();
    }

    /// The real-time clock's interrupt line, whenever it may have changed; its
    /// rise is an event of its own (4.8.3.1.1: RTC_STS).
    pub fn rtc_line(&mut self, level: bool) {
        if level && !self.state.rtc_line {
            self.state.status |= Pm1Status::RTC.bits();
            self.plan();
        }
        self.state.rtc_line = level;
    }

    /// The whole timer, as an aligned 32-bit read sees it.
    pub fn timer(&self, now: Ticks) -> u32 {
        let count = self.tsc.periods(now.since(self.state.timer_began), PM_TIMER_HZ);
        // The counter wraps; that is what it is for.
        (count & ((1 << self.bits()) - 1)) as u32
    }

    /// Reads one byte.
    pub fn read(&mut self, register: Register, now: Ticks) -> u8 {
        match register {
            Register::Event(byte @ 0..2) => {
                self.sync(now);
                byte_of(self.state.status, byte)
            }
            Register::Event(byte) => byte_of(self.state.enable, byte),
            Register::Control(byte) => byte_of(self.state.control, byte),
            Register::Timer(byte) => self.timer(now).to_le_bytes()[usize::from(byte & 3)],
            Register::Gpe(_) => 0,
            Register::ResetControl => self.state.reset_control,
            Register::SystemControlA => self.state.system_control_a,
        }
    }

    /// Writes one byte.
    pub fn write(&mut self, register: Register, value: u8, now: Ticks) -> Option<Request> {
        match register {
            Register::Event(byte @ 0..2) => {
                self.sync(now);
                self.state.status &= !with_byte(0, byte, value);
                self.plan();
                None
            }
            Register::Event(byte) => {
                let enable = with_byte(self.state.enable, byte, value);
                self.sync(now);
                self.state.enable = Pm1Enable::from_bits_truncate(enable).bits();
                self.plan();
                None
            }
            Register::Control(byte) => self.write_control(byte, value),
            // The timer is read-only, and no general-purpose event exists.
            Register::Timer(_) | Register::Gpe(_) => None,
            Register::ResetControl => self.write_reset_control(value),
            Register::SystemControlA => self.write_system_control_a(value),
        }
    }

    fn write_control(&mut self, byte: u8, value: u8) -> Option<Request> {
        let written = Pm1Control::from_bits_retain(with_byte(self.state.control, byte, value));
        let kept = written & (Pm1Control::BM_RLD | Pm1Control::SLP_TYP) | Pm1Control::SCI_EN;
        self.state.control = kept.bits();
        // Only the byte that holds SLP_EN can set it: it never reads as one.
        let sleep_type = (written & Pm1Control::SLP_TYP).bits() >> SLP_TYP_SHIFT;
        let sleeps = written.contains(Pm1Control::SLP_EN);
        (sleeps && sleep_type == u16::from(SLEEP_TYPE_S5)).then_some(Request::PowerOff)
    }

    fn write_reset_control(&mut self, value: u8) -> Option<Request> {
        let before = ResetControl::from_bits_retain(self.state.reset_control);
        let after = ResetControl::from_bits_truncate(value);
        self.state.reset_control = after.bits();
        (after - before)
            .contains(ResetControl::RCPU)
            .then_some(Request::Reset(ResetSource::ResetControl))
    }

    fn write_system_control_a(&mut self, value: u8) -> Option<Request> {
        let before = SystemControlA::from_bits_retain(self.state.system_control_a);
        let after = SystemControlA::from_bits_retain(value);
        self.state.system_control_a = value;
        (after - before)
            .contains(SystemControlA::FAST_RESET)
            .then_some(Request::Reset(ResetSource::FastReset))
    }

    /// Notices changes of the timer's top bit.
    fn sync(&mut self, now: Ticks) {
        let carries = self.carries(now);
        if carries > self.state.carries_seen {
            self.state.carries_seen = carries;
            self.state.status |= Pm1Status::TMR.bits();
        }
    }

    /// How often the top bit has changed since the timer was zero.
    fn carries(&self, now: Ticks) -> u64 {
        self.tsc.periods(now.since(self.state.timer_began), PM_TIMER_HZ) >> (self.bits() - 1)
    }

    fn plan(&mut self) {
        let wanted = self.state.enable & Pm1Enable::TMR.bits() != 0 && !self.sci();
        self.deadline = wanted.then(|| {
            let next = self.state.carries_seen.saturating_add(1);
            let counts = next.saturating_mul(1 << (self.bits() - 1));
            self.state.timer_began.saturating_add(self.tsc.span(counts, PM_TIMER_HZ))
        });
    }

    fn bits(&self) -> u32 {
        match self.width {
            TimerWidth::Bits24 => 24,
            TimerWidth::Bits32 => 32,
        }
    }
}

/// A byte of a word register; only the lowest bit of `byte` counts.
fn byte_of(word: u16, byte: u8) -> u8 {
    word.to_le_bytes()[usize::from(byte & 1)]
}

fn with_byte(word: u16, byte: u8, value: u8) -> u16 {
    let mut bytes = word.to_le_bytes();
    bytes[usize::from(byte & 1)] = value;
    u16::from_le_bytes(bytes)
}
