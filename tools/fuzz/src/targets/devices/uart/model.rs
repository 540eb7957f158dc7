//! A second 16550, after the data sheet's tables (PC16550D, section 8), with plain
//! numbers instead of named bits. It shares nothing with the one under test but the
//! console's rules: output takes no time, input is taken as far as there is room,
//! and one byte at a time while nobody asks for interrupts.

use std::collections::VecDeque;

use vmm_core::{time::TscFrequency, types::Ticks};

/// In Hz; the divisor counts sixteenths of it.
const CLOCK: u128 = 1_843_200;

/// The UART, and its end of the console.
pub struct Model {
    tsc: TscFrequency,
    /// IER, FCR, LCR, MCR, SCR as they were last written, without bits that are not.
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scratch: u8,
    divisor: u16,
    /// MSR's low half.
    changes: u8,
    overrun: bool,
    /// The transmitter has become empty, and nobody has heard.
    empty: bool,
    timed_out: bool,
    quiet_at: Option<Ticks>,
    received: VecDeque<u8>,
    unsent: VecDeque<u8>,
    /// What is typed and not taken yet.
    pub typed: VecDeque<u8>,
    /// What the console takes yet, and what it took.
    pub room: usize,
    pub written: Vec<u8>,
}

impl Model {
    pub fn new(tsc: TscFrequency, room: usize) -> Self {
        Model {
            tsc,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            scratch: 0,
            divisor: 1,
            changes: 0,
            overrun: false,
            empty: false,
            timed_out: false,
            quiet_at: None,
            received: VecDeque::new(),
            unsent: VecDeque::new(),
            typed: VecDeque::new(),
            room,
            written: Vec::new(),
        }
    }

    /// Bytes that a FIFO, or the register in its place, holds.
    fn depth(&self) -> usize {
        if self.fcr & 1 == 1 { 16 } else { 1 }
    }

    fn loops(&self) -> bool {
        self.mcr & 0x10 != 0
    }

    /// Four characters: start, word, parity and stop bits (8.10), rounded up to
    /// whole ticks.
    fn quiet(&self) -> Ticks {
        let lcr = u128::from(self.lcr);
        let bits = 4 * (1 + 5 + (lcr & 3) + (lcr >> 3 & 1) + 1 + (lcr >> 2 & 1));
        let sixteenths = bits * 16 * u128::from(self.divisor.max(1));
        let ticks = (sixteenths * u128::from(self.tsc.hz())).div_ceil(CLOCK);
        Ticks(ticks.try_into().unwrap_or(u64::MAX))
    }

    fn heard(&mut self, now: Ticks) {
        let counts = self.fcr & 1 == 1 && !self.received.is_empty();
        self.quiet_at = counts.then(|| now.saturating_add(self.quiet()));
    }

    fn take(&mut self, now: Ticks) {
        let most = if self.ier & 1 == 1 { self.depth() } else { 1 };
        if self.loops() || self.received.len() >= most {
            return;
        }
        let count = self.typed.len().min(most - self.received.len());
        if count > 0 {
            self.received.extend(self.typed.drain(..count));
            self.heard(now);
        }
    }

    fn take_if_none(&mut self, now: Ticks) {
        if self.received.is_empty() {
            self.take(now);
        }
    }

    pub fn pass(&mut self, now: Ticks) {
        if self.quiet_at.is_some_and(|at| now >= at) {
            (self.quiet_at, self.timed_out) = (None, true);
        }
    }

    /// The console has something, or has room.
    pub fn readable(&mut self, now: Ticks) {
        if self.ier & 1 == 1 {
            self.take(now);
        }
    }

    pub fn writable(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let count = self.room.min(self.unsent.len());
        self.room -= count;
        self.written.extend(self.unsent.drain(..count));
        self.empty |= self.unsent.is_empty();
    }

    fn level(&self) -> usize {
        match self.fcr {
            fcr if fcr & 1 == 0 => 1,
            fcr => [1, 4, 8, 14][usize::from(fcr >> 6)],
        }
    }

    /// IIR's low half, by table 4: the first that is asked for and is there.
    fn cause(&self) -> u8 {
        let waits = self.received.len();
        let table = [
            (4, self.overrun, 0b0110),
            (1, waits >= self.level(), 0b0100),
            (1, self.timed_out && waits > 0, 0b1100),
            (2, self.empty, 0b0010),
            (8, self.changes != 0, 0b0000),
        ];
        let asked = |(enabled, is, _): &&(u8, bool, u8)| self.ier & enabled != 0 && *is;
        table.iter().find(asked).map_or(0b0001, |(_, _, code)| *code)
    }

    pub fn irq(&self) -> bool {
        self.mcr & 0x18 == 0x08 && self.cause() != 1
    }

    pub fn deadline(&self) -> Option<Ticks> {
        let waits = self.ier & 1 == 1 && self.received.len() < self.level() && !self.timed_out;
        self.quiet_at.filter(|_| waits)
    }

    /// MSR's high half: a peer that is there, or the outputs in the data sheet's
    /// order (8.6.7).
    fn inputs(&self) -> u8 {
        if !self.loops() {
            return 0xb0;
        }
        let output = |n: u8| self.mcr >> n & 1;
        output(1) << 4 | output(0) << 5 | output(2) << 6 | output(3) << 7
    }

    pub fn read(&mut self, offset: u8, now: Ticks) -> u8 {
        self.pass(now);
        match (offset & 7, self.lcr >> 7) {
            (0, 1) => self.divisor as u8,
            (1, 1) => (self.divisor >> 8) as u8,
            (0, _) => {
                self.take_if_none(now);
                let byte = self.received.pop_front().unwrap_or(0);
                self.timed_out = false;
                self.take_if_none(now);
                self.heard(now);
                byte
            }
            (1, _) => self.ier,
            (2, _) => {
                let cause = self.cause();
                // Reading says so (table 4, "interrupt reset control").
                self.empty &= cause != 0b0010;
                cause | if self.fcr & 1 == 1 { 0xc0 } else { 0 }
            }
            (3, _) => self.lcr,
            (4, _) => self.mcr,
            (5, _) => {
                self.take_if_none(now);
                let mut status = u8::from(!self.received.is_empty());
                status |= u8::from(self.overrun) << 1;
                status |= if self.unsent.is_empty() { 0x60 } else { 0 };
                self.overrun = false;
                status
            }
            (6, _) => self.inputs() | std::mem::take(&mut self.changes),
            _ => self.scratch,
        }
    }

    pub fn write(&mut self, offset: u8, value: u8, now: Ticks) {
        self.pass(now);
        match (offset & 7, self.lcr >> 7) {
            (0, 1) => self.divisor = self.divisor & 0xff00 | u16::from(value),
            (1, 1) => self.divisor = self.divisor & 0x00ff | u16::from(value) << 8,
            (0, _) => self.transmit(value, now),
            (1, _) => {
                let newly = value & !self.ier;
                self.ier = value & 15;
                self.empty |= newly & 2 != 0 && self.unsent.is_empty();
                if newly & 1 != 0 {
                    self.take(now);
                }
            }
            (2, _) => {
                let switched = (value ^ self.fcr) & 1 == 1;
                if switched || value & 3 == 3 {
                    self.received.clear();
                    (self.timed_out, self.quiet_at) = (false, None);
                }
                if switched || value & 5 == 5 {
                    self.empty |= !self.unsent.is_empty();
                    self.unsent.clear();
                }
                self.fcr = if value & 1 == 1 { value & 0xc1 } else { 0 };
                self.readable(now);
            }
            (3, _) => self.lcr = value,
            (4, _) => {
                let before = self.inputs();
                self.mcr = value & 0x1f;
                let (fell, changed) = (before & !self.inputs(), before ^ self.inputs());
                // RI counts only when it goes away.
                self.changes |= changed >> 4 & 0b1011 | fell >> 4 & 0b0100;
                self.readable(now);
            }
            (5 | 6, _) => {}
            _ => self.scratch = value,
        }
    }

    fn transmit(&mut self, byte: u8, now: Ticks) {
        self.empty = false;
        if self.loops() {
            let full = self.received.len() >= self.depth();
            self.overrun |= full;
            if full && self.fcr & 1 == 1 {
                // The FIFO keeps what it has (8.6.4, OE).
            } else {
                if full {
                    self.received.clear();
                }
                self.received.push_back(byte);
                self.heard(now);
            }
        } else if self.unsent.is_empty() && self.room > 0 {
            self.room -= 1;
            self.written.push(byte);
        } else {
            if self.unsent.len() < self.depth() {
                self.unsent.push_back(byte);
            }
            return;
        }
        self.empty = self.unsent.is_empty();
    }
}
