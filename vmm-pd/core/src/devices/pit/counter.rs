//! One counter of the 8254 (data sheet, "Mode Definitions"). It sees time as
//! the number of its input's clock, and is asked: nothing ticks.

use super::bits::{control, status};
use super::state::{Access, CounterState, Mode, Next, Run};

/// Later clocks are not told apart: so no sum below can overflow. At 1.19 MHz
/// this is 60,000 years away.
pub(super) const LAST_CLOCK: i64 = i64::MAX / 4;

/// The largest count, which is written as 0.
const MAX_COUNT: u32 = 0x1_0000;

impl Mode {
    /// From the control word's three bits; 6 and 7 are 2 and 3.
    fn from_bits(bits: u8) -> Mode {
        match bits & 7 {
            0 => Mode::TerminalCount,
            1 => Mode::OneShot,
            2 | 6 => Mode::Rate,
            3 | 7 => Mode::Square,
            4 => Mode::SoftwareStrobe,
            _ => Mode::HardwareStrobe,
        }
    }

    fn to_bits(self) -> u8 {
        match self {
            Mode::TerminalCount => 0,
            Mode::OneShot => 1,
            Mode::Rate => 2,
            Mode::Square => 3,
            Mode::SoftwareStrobe => 4,
            Mode::HardwareStrobe => 5,
        }
    }

    pub(super) fn is_periodic(self) -> bool {
        matches!(self, Mode::Rate | Mode::Square)
    }
}

impl CounterState {
    pub(super) const fn new(gate: bool) -> Self {
        CounterState {
            mode: Mode::Square,
            access: Access::Both,
            bcd: false,
            gate,
            count: MAX_COUNT,
            next: None,
            run: Run::Idle,
            low_byte: None,
            read_high: false,
            latched_count: None,
            latched_status: None,
        }
    }

    /// Clocks since the count was loaded.
    fn elapsed(&self, clock: i64) -> i64 {
        match self.run {
            Run::Idle => 0,
            Run::Paused(elapsed) => elapsed,
            Run::Since(since) => (clock - since).max(0),
        }
    }

    fn length(&self) -> i64 {
        i64::from(self.count)
    }

    /// Clocks of a square wave's high half: the longer one of an odd count.
    fn high_half(&self) -> i64 {
        (self.length() + 1) / 2
    }

    /// Takes over a count whose time has come.
    pub(super) fn catch_up(&mut self, clock: i64) {
        let Some(Next { count, at: Some(at) }) = self.next else { return };
        if at > clock {
            return;
        }
        let in_low_half = self.mode == Mode::Square && self.is_middle(at);
        self.next = None;
        self.count = count;
        // In mid-wave the new count begins with its low half.
        self.run = Run::Since(if in_low_half { at - self.high_half() } else { at });
    }

    fn is_middle(&self, clock: i64) -> bool {
        self.elapsed(clock) % self.length() != 0
    }

    /// Level of the output. A count of 1 is illegal in the periodic modes (data
    /// sheet, figure 14); the output then stays high.
    pub(super) fn output(&self, clock: i64) -> bool {
        let elapsed = self.elapsed(clock);
        let phase = elapsed % self.length();
        match (self.mode, self.run) {
            (Mode::TerminalCount, Run::Idle) => false,
            (_, Run::Idle) | (Mode::Rate | Mode::Square, Run::Paused(_)) => true,
            (Mode::TerminalCount | Mode::OneShot, _) => elapsed >= self.length(),
            (Mode::Rate, Run::Since(_)) => self.count == 1 || phase != self.length() - 1,
            (Mode::Square, Run::Since(_)) => phase < self.high_half(),
            // The strobe lasts one clock, gate or no gate.
            (Mode::SoftwareStrobe | Mode::HardwareStrobe, Run::Paused(_)) => true,
            (Mode::SoftwareStrobe | Mode::HardwareStrobe, Run::Since(_)) => {
                elapsed != self.length()
            }
        }
    }

    /// What the counting element shows.
    pub(super) fn value(&self, clock: i64) -> u16 {
        let elapsed = self.elapsed(clock);
        let phase = elapsed % self.length();
        let value = match self.mode {
            Mode::TerminalCount | Mode::OneShot | Mode::SoftwareStrobe | Mode::HardwareStrobe => {
                self.length() - elapsed
            }
            Mode::Rate => self.length() - phase,
            // By twos, twice a wave; an odd count begins one lower.
            Mode::Square => {
                let into_half =
                    if phase < self.high_half() { phase } else { phase - self.high_half() };
                (self.length() & !1) - 2 * into_half
            }
        };
        if self.bcd {
            to_bcd(value.rem_euclid(10_000) as u16)
        } else {
            value.rem_euclid(i64::from(MAX_COUNT)) as u16
        }
    }

    /// The first clock after `clock` at which the output rises, if it does so by
    /// itself.
    pub(super) fn next_rise(&self, clock: i64) -> Option<i64> {
        let Run::Since(since) = self.run else { return None };
        let once = match self.mode {
            Mode::TerminalCount | Mode::OneShot => since + self.length(),
            Mode::SoftwareStrobe | Mode::HardwareStrobe => since + self.length() + 1,
            Mode::Rate | Mode::Square => return self.next_period(since, clock),
        };
        (once > clock).then_some(once)
    }

    fn next_period(&self, since: i64, clock: i64) -> Option<i64> {
        match self.next {
            // A new count begins with its low half before this wave has ended.
            Some(Next { count, at: Some(at) })
                if self.mode == Mode::Square && self.is_middle(at) =>
            {
                Some(at + i64::from(count / 2).max(1))
            }
            _ if self.count == 1 => None,
            _ => {
                let clock = clock.max(since);
                Some(clock - (clock - since) % self.length() + self.length())
            }
        }
    }

    /// Where a periodic mode takes over a new count: the end of the period, or
    /// of the half of a square wave.
    fn boundary(&self, since: i64, clock: i64) -> i64 {
        let clock = clock.max(since);
        let phase = (clock - since) % self.length();
        let half = self.high_half();
        let end = if self.mode == Mode::Square && phase < half && half < self.length() {
            half
        } else {
            self.length()
        };
        clock - phase + end
    }

    /// Sets the gate's level.
    pub(super) fn set_gate(&mut self, level: bool, clock: i64) {
        if level == self.gate {
            return;
        }
        self.catch_up(clock);
        self.gate = level;
        match (self.mode, level, self.run) {
            (Mode::OneShot | Mode::HardwareStrobe, true, _) => self.trigger(clock),
            (Mode::OneShot | Mode::HardwareStrobe, false, _) | (_, _, Run::Idle) => {}
            (Mode::Rate | Mode::Square, true, _) => self.trigger(clock),
            (Mode::TerminalCount | Mode::SoftwareStrobe, true, Run::Paused(elapsed)) => {
                self.run = Run::Since(clock - elapsed);
            }
            (_, true, Run::Since(_)) | (_, false, Run::Paused(_)) => {}
            (_, false, Run::Since(_)) => {
                self.run = Run::Paused(self.elapsed(clock));
                // No period will end now: a new count waits for the trigger.
                self.next = self.next.map(|next| Next { at: None, ..next });
            }
        }
    }

    /// A rising gate: loads the count at the next clock.
    fn trigger(&mut self, clock: i64) {
        if let Some(next) = self.next.take() {
            self.count = next.count;
        }
        self.run = Run::Since(clock + 1);
    }

    /// A count was written in full.
    fn load(&mut self, raw: u16, clock: i64) {
        let count = match (raw, self.bcd) {
            (0, false) => MAX_COUNT,
            (0, true) => 10_000,
            (raw, false) => u32::from(raw),
            (raw, true) => from_bcd(raw),
        };
        match (self.mode, self.run) {
            (Mode::OneShot | Mode::HardwareStrobe, _)
            | (Mode::Rate | Mode::Square, Run::Paused(_)) => {
                self.next = Some(Next { count, at: None });
            }
            // After the illegal count of 1 no period would end.
            (Mode::Rate | Mode::Square, Run::Since(since)) if self.count != 1 => {
                let at = Some(self.boundary(since, clock));
                self.next = Some(Next { count, at });
            }
            (
                Mode::TerminalCount | Mode::SoftwareStrobe | Mode::Rate | Mode::Square,
                Run::Idle | Run::Paused(_) | Run::Since(_),
            ) => {
                self.count = count;
                self.next = None;
                self.run = if self.gate { Run::Since(clock + 1) } else { Run::Paused(0) };
            }
        }
    }

    /// The control word: everything but the gate starts anew. `access` is not
    /// the latch command.
    pub(super) fn write_control(&mut self, word: u8, access: Access, clock: i64) {
        // The count that it had is kept, whether anybody has looked at it or not.
        self.catch_up(clock);
        *self = CounterState {
            mode: Mode::from_bits(word >> control::MODE_SHIFT),
            access,
            bcd: word & control::BCD != 0,
            count: self.count,
            ..CounterState::new(self.gate)
        };
    }

    /// Writes a byte of a count.
    pub(super) fn write(&mut self, byte: u8, clock: i64) {
        self.catch_up(clock);
        match (self.access, self.low_byte.take()) {
            (Access::Low, _) => self.load(u16::from(byte), clock),
            (Access::High, _) => self.load(u16::from(byte) << 8, clock),
            (Access::Both, Some(low)) => self.load(u16::from_le_bytes([low, byte]), clock),
            (Access::Both, None) => {
                self.low_byte = Some(byte);
                // The first byte stops mode 0, and the output falls.
                if self.mode == Mode::TerminalCount {
                    self.run = Run::Idle;
                }
            }
        }
    }

    /// Reads a byte: of a latched status, a latched count, or the running one.
    pub(super) fn read(&mut self, clock: i64) -> u8 {
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        self.catch_up(clock);
        let value = self.latched_count.unwrap_or_else(|| self.value(clock));
        let [low, high] = value.to_le_bytes();
        let (byte, last) = match self.access {
            Access::Low => (low, true),
            Access::High => (high, true),
            Access::Both => {
                self.read_high = !self.read_high;
                if self.read_high { (low, false) } else { (high, true) }
            }
        };
        if last {
            self.latched_count = None;
        }
        byte
    }

    /// Latches the count, unless one waits to be read.
    pub(super) fn latch_count(&mut self, clock: i64) {
        self.catch_up(clock);
        if self.latched_count.is_none() {
            self.latched_count = Some(self.value(clock));
        }
    }

    /// Latches the status, unless one waits to be read.
    pub(super) fn latch_status(&mut self, clock: i64) {
        self.catch_up(clock);
        if self.latched_status.is_some() {
            return;
        }
        let output = if self.output(clock) { status::OUTPUT } else { 0 };
        let waits = match self.run {
            Run::Idle => true,
            Run::Paused(_) => false,
            Run::Since(since) => since > clock,
        };
        let null = if waits || self.next.is_some() { status::NULL_COUNT } else { 0 };
        let access: u8 = match self.access {
            Access::Low => 1,
            Access::High => 2,
            Access::Both => 3,
        };
        self.latched_status = Some(
            output
                | null
                | access << control::ACCESS_SHIFT
                | self.mode.to_bits() << control::MODE_SHIFT
                | if self.bcd { control::BCD } else { 0 },
        );
    }

    /// The same with every value in its range, for states from outside.
    pub(super) fn checked(mut self) -> Self {
        let clock = |clock: i64| clock.clamp(-LAST_CLOCK, LAST_CLOCK);
        self.count = self.count.clamp(1, MAX_COUNT);
        self.run = match self.run {
            Run::Idle => Run::Idle,
            Run::Paused(elapsed) => Run::Paused(elapsed.clamp(0, LAST_CLOCK)),
            Run::Since(since) => Run::Since(clock(since)),
        };
        self.next = self
            .next
            .map(|next| Next { count: next.count.clamp(1, MAX_COUNT), at: next.at.map(clock) });
        self
    }
}

fn to_bcd(n: u16) -> u16 {
    let digit = |unit: u16| n / unit % 10;
    digit(1000) << 12 | digit(100) << 8 | digit(10) << 4 | digit(1)
}

/// Digits above nine count as what they are; the chip leaves them undefined.
fn from_bcd(bcd: u16) -> u32 {
    let digit = |shift: u32| u32::from(bcd >> shift & 0xF);
    digit(12) * 1000 + digit(8) * 100 + digit(4) * 10 + digit(0)
}
