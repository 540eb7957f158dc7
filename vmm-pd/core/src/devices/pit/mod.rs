//! The 8254 interval timer of a PC (Intel 8254 data sheet, 231164-005): three
//! counters of 1.193182 MHz, and the port that gates the third.
//!
//! Nothing ticks: counts and outputs are computed when asked for. Counter 0's
//! output is told as [`Output`], rises only: in the periodic modes it counts as
//! high between two of them, so its interrupt request stands until it is taken,
//! and nobody is woken for falling edges. The surprising fact: a control
//! word that comes while the output is low raises it, and so interrupts, as on
//! hardware.

pub mod bits;
mod counter;
#[cfg(test)]
mod counter_tests;
mod speaker;
pub mod state;
#[cfg(test)]
mod tests;

pub use speaker::SystemControlB;

use crate::time::TscFrequency;
use crate::types::Ticks;
use bits::{CLOCK_HZ, control};
use counter::LAST_CLOCK;
use state::{Access, CounterState, Mode, PitState};

/// Counter 0 interrupts at most this often a second in its periodic modes. A
/// guest that asks for more would have no time to run anything.
pub const FASTEST_PERIODIC_HZ: u64 = 10_000;

/// The shortest period, in clocks, that counts each time.
const SHORTEST: u32 = (CLOCK_HZ / FASTEST_PERIODIC_HZ) as u32;

/// The timer's registers, by their usual ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// 0x40: counter 0, the system timer.
    Counter0,
    /// 0x41: counter 1, once the refresh of memory.
    Counter1,
    /// 0x42: counter 2, the speaker.
    Counter2,
    /// 0x43: control word. Reads return nothing.
    Control,
}

/// Counter 0's output, for its interrupt line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Output {
    /// Low.
    Low,
    /// High, and was so when last told.
    High,
    /// High; since it was last told it has risen, once or more often.
    Rose,
}

/// The timer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pit {
    tsc: TscFrequency,
    /// When the clock was `base`.
    origin: Ticks,
    /// Ticks that had passed before `origin`.
    base: Ticks,
    counters: [CounterState; 3],
    /// When counter 0's output rises next.
    rise: Option<Ticks>,
    /// The same, but no sooner than a guest can live with.
    deadline: Option<Ticks>,
    rose: bool,
    /// Counter 0's output as its interrupt line sees it, until `rise`.
    high: bool,
}

impl Pit {
    /// As after power-up: nothing counts, outputs are high. The gates of counters 0 and 1 are
    /// wired high; that of counter 2 is low.
    pub const fn new(tsc: TscFrequency) -> Self {
        let counters = [CounterState::new(true), CounterState::new(true), CounterState::new(false)];
        let (origin, base) = (Ticks(0), Ticks(0));
        Pit { tsc, origin, base, counters, rise: None, deadline: None, rose: false, high: true }
    }

    /// For a snapshot.
    pub fn save(&self, now: Ticks) -> PitState {
        PitState {
            counters: self.counters.clone(),
            elapsed: self.ticks(now).0,
            rose: self.rose || self.has_risen(now),
        }
    }

    /// From a snapshot.
    pub fn restore(tsc: TscFrequency, state: PitState, now: Ticks) -> Self {
        let mut pit = Pit::new(tsc);
        pit.origin = now;
        pit.base = Ticks(state.elapsed);
        pit.counters = state.counters.map(CounterState::checked);
        // Gates 0 and 1 have nobody to change them.
        pit.counters[0].gate = true;
        pit.counters[1].gate = true;
        pit.rose = state.rose;
        pit.plan(now);
        pit
    }

    /// Ticks since the timer was made, wherever it has been since.
    fn ticks(&self, now: Ticks) -> Ticks {
        now.since(self.origin).saturating_add(self.base)
    }

    /// Clocks since the timer was made.
    fn clock(&self, now: Ticks) -> i64 {
        let clocks = self.tsc.periods(self.ticks(now), CLOCK_HZ);
        i64::try_from(clocks).map_or(LAST_CLOCK, |clocks| clocks.min(LAST_CLOCK))
    }

    /// When a clock will certainly have come.
    fn when(&self, clock: i64) -> Ticks {
        let span = self.tsc.span(u64::try_from(clock).unwrap_or(0), CLOCK_HZ);
        self.origin.saturating_add(span.since(self.base))
    }

    /// When [`Pit::advance`] is due: when counter 0's output rises.
    #[inline]
    pub fn deadline(&self) -> Option<Ticks> {
        self.deadline
    }

    /// Brings counter 0 to `now`. Also to be called after each write. Cheap if
    /// nothing happened.
    pub fn advance(&mut self, now: Ticks) -> Output {
        self.observe(now);
        if core::mem::take(&mut self.rose) {
            Output::Rose
        } else if self.high {
            Output::High
        } else {
            Output::Low
        }
    }

    fn has_risen(&self, now: Ticks) -> bool {
        self.rise.is_some_and(|rise| rise <= now)
    }

    /// Notes a rise that has come, and looks for the next.
    fn observe(&mut self, now: Ticks) {
        if self.has_risen(now) {
            self.rose = true;
            self.plan(now);
        }
    }

    /// Finds counter 0's next rise after `now`.
    fn plan(&mut self, now: Ticks) {
        let clock = self.clock(now);
        let counter = &mut self.counters[0];
        counter.catch_up(clock);
        let too_fast = counter.mode.is_periodic() && counter.count < SHORTEST;
        self.high = counter.mode != Mode::TerminalCount || counter.output(clock);
        let rise = counter.next_rise(clock);
        self.rise = rise.map(|rise| self.when(rise));
        self.deadline = match rise {
            Some(rise) if too_fast => Some(self.when(rise.max(clock + i64::from(SHORTEST)))),
            Some(_) | None => self.rise,
        };
    }

    /// Reads a register.
    pub fn read(&mut self, register: Register, now: Ticks) -> u8 {
        let clock = self.clock(now);
        match register {
            Register::Counter0 => self.counters[0].read(clock),
            Register::Counter1 => self.counters[1].read(clock),
            Register::Counter2 => self.counters[2].read(clock),
            Register::Control => 0xFF,
        }
    }

    /// Writes a register. Then call [`Pit::advance`].
    pub fn write(&mut self, register: Register, value: u8, now: Ticks) {
        self.observe(now);
        let clock = self.clock(now);
        // A count that was due in between decides where the output stood.
        self.counters[0].catch_up(clock);
        let was_high = self.counters[0].output(clock);
        match register {
            Register::Counter0 => self.counters[0].write(value, clock),
            Register::Counter1 => self.counters[1].write(value, clock),
            Register::Counter2 => self.counters[2].write(value, clock),
            Register::Control => self.write_control(value, clock),
        }
        self.rose |= !was_high && self.counters[0].output(clock);
        self.plan(now);
    }

    fn write_control(&mut self, word: u8, clock: i64) {
        let Some(counter) = self.counters.get_mut(usize::from(word >> control::COUNTER_SHIFT))
        else {
            self.read_back(word, clock);
            return;
        };
        match word >> control::ACCESS_SHIFT & 3 {
            0 => counter.latch_count(clock),
            1 => counter.write_control(word, Access::Low, clock),
            2 => counter.write_control(word, Access::High, clock),
            _ => counter.write_control(word, Access::Both, clock),
        }
    }

    fn read_back(&mut self, word: u8, clock: i64) {
        for (n, counter) in self.counters.iter_mut().enumerate() {
            if word >> control::FIRST_COUNTER_SHIFT >> n & 1 == 0 {
                continue;
            }
            if word & control::NO_COUNT == 0 {
                counter.latch_count(clock);
            }
            if word & control::NO_STATUS == 0 {
                counter.latch_status(clock);
            }
        }
    }

    /// Sets counter 2's gate.
    fn set_gate_2(&mut self, level: bool, now: Ticks) {
        let clock = self.clock(now);
        self.counters[2].set_gate(level, clock);
    }

    /// Counter 2's output.
    fn output_2(&mut self, now: Ticks) -> bool {
        let clock = self.clock(now);
        self.counters[2].catch_up(clock);
        self.counters[2].output(clock)
    }
}
