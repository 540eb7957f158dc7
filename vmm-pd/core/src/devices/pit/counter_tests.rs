//! The counters against a chip that ticks: every rule of the data sheet's mode
//! definitions as what one clock does, and no arithmetic across clocks.

use std::vec::Vec;

use proptest::prelude::*;

use super::state::{Access, CounterState, Mode, Run};

/// A counter that is driven clock by clock.
struct Chip {
    mode: u8,
    bcd: bool,
    gate: bool,
    /// Count register.
    cr: i64,
    /// Counting element.
    ce: i64,
    /// What it was loaded with was odd.
    odd: bool,
    output: bool,
    /// The next clock loads the counting element.
    load: bool,
    loaded: bool,
}

impl Chip {
    fn control(&mut self, mode: u8, bcd: bool) {
        self.mode = mode;
        self.bcd = bcd;
        self.output = mode != 0;
        self.load = false;
        self.loaded = false;
    }

    fn write(&mut self, count: i64) {
        self.cr = count;
        match self.mode {
            0 => {
                self.output = false;
                self.load = true;
            }
            4 => self.load = true,
            2 | 3 => self.load |= !self.loaded,
            _ => {}
        }
    }

    fn set_gate(&mut self, level: bool) {
        let rose = level && !self.gate;
        self.gate = level;
        match self.mode {
            2 | 3 if !level => self.output = true,
            2 | 3 => self.load |= rose && self.loaded,
            1 | 5 => self.load |= rose,
            _ => {}
        }
    }

    fn reload(&mut self) {
        self.ce = if self.mode == 3 { self.cr & !1 } else { self.cr };
        self.odd = self.cr & 1 != 0;
        self.loaded = true;
    }

    fn clock(&mut self) {
        if self.mode >= 4 {
            self.output = true;
        }
        if self.load {
            self.load = false;
            self.reload();
            self.output = !matches!(self.mode, 0 | 1);
            return;
        }
        if !self.loaded || (!self.gate && !matches!(self.mode, 1 | 5)) {
            return;
        }
        match self.mode {
            0 | 1 => {
                self.ce -= 1;
                self.output |= self.ce == 0;
            }
            2 => {
                if self.ce == 1 {
                    self.reload();
                } else {
                    self.ce -= 1;
                }
                self.output = self.ce != 1;
            }
            3 => {
                // An odd count shows 0 for one clock of its high half.
                let odd_high = self.odd && self.output;
                let last = if odd_high { 0 } else { 2 };
                if self.ce == last {
                    self.output = !self.output;
                    self.reload();
                } else {
                    self.ce -= 2;
                }
            }
            _ => {
                self.ce -= 1;
                self.output = self.ce != 0;
            }
        }
    }

    fn value(&self) -> u16 {
        let value = self.ce.rem_euclid(if self.bcd { 10_000 } else { 0x1_0000 });
        if !self.bcd {
            return value as u16;
        }
        (0..4).fold(0, |bcd, n| bcd | (value / 10i64.pow(n) % 10) << (4 * n)) as u16
    }
}

#[derive(Clone, Debug)]
enum Step {
    Control { mode: u8, bcd: bool, count: u16 },
    Count(u16),
    Gate(bool),
}

fn count() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 2u16..20, 1 => Just(0), 1 => any::<u16>().prop_filter("1", |n| *n != 1)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..6, any::<bool>(), count())
            .prop_map(|(mode, bcd, count)| Step::Control { mode, bcd, count }),
        3 => count().prop_map(Step::Count),
        4 => any::<bool>().prop_map(Step::Gate),
    ]
}

/// What software must write for a count, and what is then counted.
fn encode(count: u16, bcd: bool) -> ([u8; 2], i64) {
    if !bcd {
        return (count.to_le_bytes(), if count == 0 { 0x1_0000 } else { i64::from(count) });
    }
    let count = count % 10_000;
    let count = if count == 1 { 0 } else { count };
    let digit = |n: u32| (count / 10u16.pow(n) % 10) << (4 * n);
    let word = digit(3) | digit(2) | digit(1) | digit(0);
    (word.to_le_bytes(), if count == 0 { 10_000 } else { i64::from(count) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_mode_counts_as_a_ticking_chip_does(
        gate in any::<bool>(),
        steps in prop::collection::vec((step(), 1i64..40), 1..20),
    ) {
        let mut counter = CounterState::new(gate);
        let mut chip =
            Chip { mode: 3, bcd: false, gate, cr: 0, ce: 0, odd: false, output: true, load: false, loaded: false };
        let mut clock = 0;
        let mut rises = Vec::new();
        let write = |counter: &mut CounterState, chip: &mut Chip, count, clock| {
            let ([low, high], count) = encode(count, chip.bcd);
            counter.write(low, clock);
            counter.write(high, clock);
            chip.write(count);
        };
        for (n, (step, gap)) in steps.into_iter().enumerate() {
            let was_high = counter.output(clock);
            match step {
                Step::Control { mode, bcd, count } => {
                    let word = 0x30 | mode << 1 | u8::from(bcd);
                    counter.write_control(word, Access::Both, clock);
                    chip.control(mode, bcd);
                    write(&mut counter, &mut chip, count, clock);
                }
                // A count means nothing before the first control word.
                Step::Count(_) if n == 0 => {}
                Step::Count(count) => write(&mut counter, &mut chip, count, clock),
                Step::Gate(level) => {
                    counter.set_gate(level, clock);
                    chip.set_gate(level);
                }
            }
            // A rise that was foretold before this step may not come now.
            rises.clear();
            // A strobe that a new count ends: the chip does so with the next clock.
            if !was_high && counter.output(clock) {
                rises.push(clock + 1);
            }
            for _ in 0..gap {
                rises.extend(counter.next_rise(clock));
                clock += 1;
                let was_high = chip.output;
                chip.clock();
                counter.catch_up(clock);
                prop_assert_eq!(counter.output(clock), chip.output, "output at {}", clock);
                if counter.run != Run::Idle {
                    prop_assert_eq!(counter.value(clock), chip.value(), "count at {}", clock);
                }
                // A one-shot's output falls with its trigger, which the closed
                // form shows one clock early.
                let rose = chip.output && !was_high;
                if rose || !matches!(counter.mode, Mode::TerminalCount | Mode::OneShot) {
                    prop_assert_eq!(
                        rises.contains(&clock) && !was_high,
                        rose,
                        "rise at {}", clock
                    );
                }
            }
        }
    }
}
