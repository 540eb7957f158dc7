//! A second 8254, after the data sheet's mode definitions (231164-005): counting
//! elements that are led from event to event, where the one under test computes
//! from elapsed clocks. Whole periods in which nothing else happens are skipped.

/// A counter.
#[derive(Clone, Debug)]
pub struct Counter {
    mode: u8,
    /// Read/write: 1 low, 2 high, 3 both.
    access: u8,
    bcd: bool,
    gate: bool,
    /// What is counted from.
    count: i64,
    /// A count that waits: for the end of a (half) period, or for a trigger.
    waits: Option<(i64, Until)>,
    /// Clocks since the count was loaded; -1 before the clock that loads it; none
    /// before the first.
    at: Option<i64>,
    /// A low gate holds it.
    held: bool,
    low: Option<u8>,
    high_is_next: bool,
    latched: Option<u16>,
    status: Option<u8>,
    /// How often the output rose by itself.
    pub rises: u64,
    /// A count of 1, which the data sheet forbids in modes 2 and 3, was met: when
    /// the output rises is then anybody's guess.
    pub lawless: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    Boundary,
    Trigger,
}

impl Counter {
    pub fn new(gate: bool) -> Self {
        Counter {
            mode: 3,
            access: 3,
            bcd: false,
            gate,
            count: 0x1_0000,
            waits: None,
            at: None,
            held: false,
            low: None,
            high_is_next: false,
            latched: None,
            status: None,
            rises: 0,
            lawless: false,
        }
    }

    fn is_periodic(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    /// Clocks of the first half of a square wave.
    fn half(&self) -> i64 {
        self.count - self.count / 2
    }

    /// Lets clocks pass.
    pub fn pass(&mut self, clocks: i64) {
        let Some(mut at) = self.at.filter(|_| !self.held) else { return };
        let mut left = clocks;
        if !self.is_periodic() {
            // One event, after which it counts on and nothing happens.
            let rises_at = if self.mode < 2 { self.count } else { self.count + 1 };
            self.rises += u64::from(at < rises_at && rises_at <= at + left);
            self.at = Some(at + left);
            return;
        }
        while left > 0 {
            if at < 0 {
                (at, left) = (at + 1, left - 1);
                continue;
            }
            if self.waits.is_none() && at == 0 && left >= self.count {
                let periods = left / self.count;
                left -= periods * self.count;
                self.rises += if self.count == 1 { 0 } else { periods as u64 };
                continue;
            }
            let square = self.mode == 3;
            let in_first_half = square && at < self.half() && self.half() < self.count;
            let event = if in_first_half { self.half() } else { self.count };
            let step = left.min(event - at);
            (at, left) = (at + step, left - step);
            if at < event {
                break;
            }
            let new = match self.waits {
                Some((count, Until::Boundary)) => {
                    self.waits = None;
                    Some(count)
                }
                _ => None,
            };
            if !in_first_half {
                self.rises += u64::from(self.count > 1);
                at = 0;
            }
            if let Some(count) = new {
                self.count = count;
                self.lawless |= count == 1;
                // In mid-wave it begins with its low half.
                at = if in_first_half { self.half() } else { 0 };
                if at == self.count {
                    at = 0;
                }
            }
        }
        self.at = Some(at);
    }

    /// Clocks since the load, whichever state it is in.
    fn elapsed(&self) -> i64 {
        self.at.unwrap_or(0).max(0)
    }

    pub fn output(&self) -> bool {
        let Some(_) = self.at else { return self.mode != 0 };
        let at = self.elapsed();
        match self.mode {
            0 | 1 => at >= self.count,
            2 => self.held || self.count == 1 || at != self.count - 1,
            3 => self.held || at < self.half(),
            _ => self.held || at != self.count,
        }
    }

    fn value(&self) -> u16 {
        let at = self.elapsed();
        let shown = match self.mode {
            // It counts by twos, once in each half, and an odd count as the next lower.
            3 => self.count / 2 * 2 - 2 * if at < self.half() { at } else { at - self.half() },
            _ => self.count - at,
        };
        if self.bcd {
            let n = shown.rem_euclid(10_000);
            (0..4).map(|digit| (n / 10_i64.pow(digit) % 10) << (4 * digit)).sum::<i64>() as u16
        } else {
            shown as u16
        }
    }

    fn load(&mut self, raw: u16) {
        let digits = |shift: u32| i64::from(raw >> shift & 15);
        let count = match (self.bcd, raw) {
            (false, 0) => 0x1_0000,
            (true, 0) => 10_000,
            (false, raw) => raw.into(),
            (true, _) => (0..4).map(|n| digits(4 * n) * 10_i64.pow(n)).sum(),
        };
        self.lawless |= self.is_periodic() && (count == 1 || self.count == 1);
        let counts = self.at.is_some() && !self.held;
        if matches!(self.mode, 1 | 5) || (self.is_periodic() && self.held) {
            self.waits = Some((count, Until::Trigger));
        } else if self.is_periodic() && counts && self.count != 1 {
            self.waits = Some((count, Until::Boundary));
        } else {
            (self.count, self.waits) = (count, None);
            (self.at, self.held) = if self.gate { (Some(-1), false) } else { (Some(0), true) };
        }
    }

    pub fn set_gate(&mut self, level: bool) {
        if level == self.gate {
            return;
        }
        self.gate = level;
        match (self.mode, level) {
            (1 | 5, false) => {}
            (1 | 5, true) => self.trigger(),
            (2 | 3, true) if self.at.is_some() => self.trigger(),
            (_, true) => self.held = false,
            (_, false) if self.at.is_some() => {
                (self.at, self.held) = (Some(self.elapsed()), true);
                self.waits = self.waits.map(|(count, _)| (count, Until::Trigger));
            }
            (_, false) => {}
        }
    }

    fn trigger(&mut self) {
        if let Some((count, _)) = self.waits.take() {
            self.count = count;
        }
        (self.at, self.held) = (Some(-1), false);
    }

    /// A control word for this counter.
    pub fn control(&mut self, word: u8) {
        let access = word >> 4 & 3;
        if access == 0 {
            return self.latch();
        }
        let mode = word >> 1 & 7;
        *self = Counter {
            mode: if mode > 5 { mode - 4 } else { mode },
            access,
            bcd: word & 1 == 1,
            count: self.count,
            rises: self.rises,
            ..Counter::new(self.gate)
        };
    }

    pub fn latch(&mut self) {
        self.latched = Some(self.latched.unwrap_or(self.value()));
    }

    pub fn latch_status(&mut self) {
        let null = self.waits.is_some()
            || match self.at {
                None => true,
                Some(at) => at < 0,
            };
        let status = u8::from(self.output()) << 7
            | u8::from(null) << 6
            | self.access << 4
            | self.mode << 1
            | u8::from(self.bcd);
        self.status = Some(self.status.unwrap_or(status));
    }

    pub fn write(&mut self, byte: u8) {
        match (self.access, self.low.take()) {
            (1, _) => self.load(byte.into()),
            (2, _) => self.load(u16::from(byte) << 8),
            (_, Some(low)) => self.load(u16::from(byte) << 8 | u16::from(low)),
            (_, None) => {
                self.low = Some(byte);
                if self.mode == 0 {
                    (self.at, self.held) = (None, false);
                }
            }
        }
    }

    pub fn read(&mut self) -> u8 {
        if let Some(status) = self.status.take() {
            return status;
        }
        let value = self.latched.unwrap_or(self.value());
        let high = match self.access {
            1 => false,
            2 => true,
            _ => {
                self.high_is_next = !self.high_is_next;
                !self.high_is_next
            }
        };
        if self.access != 3 || high {
            self.latched = None;
        }
        if high { (value >> 8) as u8 } else { value as u8 }
    }
}
