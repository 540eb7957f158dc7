//! The 8254 and the port that gates its third counter, against another one.

mod model;

use arbitrary::Unstructured;
use vmm_core::{
    devices::pit::{
        FASTEST_PERIODIC_HZ, Output, Pit, Register, SystemControlB,
        bits::CLOCK_HZ,
        state::{Mode, PitState},
    },
    time::TscFrequency,
    types::Ticks,
};

use super::{Step, Timed, pass, twin};
use crate::{
    Target,
    targets::input::{Clock, frequency, steps},
};
use model::Counter;

pub(in super::super) const TARGET: Target = Target {
    runs: 40_000,
    ..Target::new("pit", "the 8254 counts and rises as another one does", check)
};

/// Clocks of a period that is not slowed down.
const SHORTEST: u32 = (CLOCK_HZ / FASTEST_PERIODIC_HZ) as u32;

struct Device {
    pit: Pit,
    tsc: TscFrequency,
    high: bool,
    rose: bool,
}

impl Timed for Device {
    type State = PitState;

    /// Counts that have run out are only brought forward when somebody looks;
    /// a snapshot's restorer does.
    fn state(&self, now: Ticks) -> PitState {
        Pit::restore(self.tsc, self.pit.save(now), now).save(now)
    }
    fn restored(&self, state: PitState, now: Ticks) -> Self {
        let Device { tsc, high, rose, .. } = *self;
        Device { pit: Pit::restore(tsc, state, now), tsc, high, rose }
    }
    fn deadline(&self) -> Option<Ticks> {
        self.pit.deadline()
    }
    fn advance(&mut self, now: Ticks) {
        match self.pit.advance(now) {
            Output::Low => self.high = false,
            Output::High => self.high = true,
            Output::Rose => (self.high, self.rose) = (true, true),
        }
    }
    /// A counter that runs too fast for a guest is slowed down from when it was
    /// looked at, so there both may be right; and one that ran too fast is late
    /// once more, by such a period at most.
    fn agrees(&self, other: &Self) -> bool {
        let late = match (self.deadline(), other.deadline()) {
            (Some(own), Some(its)) => Some(own.0.abs_diff(its.0)),
            (own, its) => (own == its).then_some(0),
        };
        let period = self.tsc.span(SHORTEST.into(), CLOCK_HZ).0;
        late.is_some_and(|late| late <= period) || self.slowed() || other.slowed()
    }
    fn lines(&self) -> u64 {
        u64::from(self.high) | u64::from(self.rose) << 1
    }
}

impl Device {
    fn slowed(&self) -> bool {
        let counter = &self.pit.save(Ticks(0)).counters[0];
        let next = counter.next.as_ref().map_or(u32::MAX, |next| next.count);
        matches!(counter.mode, Mode::Rate | Mode::Square) && counter.count.min(next) < SHORTEST
    }
}

fn register(n: u8) -> Register {
    match n & 3 {
        0 => Register::Counter0,
        1 => Register::Counter1,
        2 => Register::Counter2,
        _ => Register::Control,
    }
}

/// What the model is at: all counters, and the clock that drives them.
struct World {
    counters: [Counter; 3],
    clock: u64,
    tsc: TscFrequency,
}

impl World {
    fn new(tsc: TscFrequency, now: Ticks) -> Self {
        let counters = [Counter::new(true), Counter::new(true), Counter::new(false)];
        let mut world = World { counters, clock: 0, tsc };
        world.clock = world.clocks(now);
        world
    }

    fn clocks(&self, now: Ticks) -> u64 {
        let clocks = u128::from(now.0) * u128::from(CLOCK_HZ) / u128::from(self.tsc.hz());
        u64::try_from(clocks).expect("within 400 years")
    }

    fn pass(&mut self, now: Ticks) {
        let clock = self.clocks(now);
        for counter in &mut self.counters {
            counter.pass(i64::try_from(clock - self.clock).expect("within 400 years"));
        }
        self.clock = clock;
    }

    fn write(&mut self, n: u8, value: u8) {
        if n & 3 != 3 {
            return self.counters[usize::from(n & 3)].write(value);
        }
        if value >> 6 != 3 {
            return self.counters[usize::from(value >> 6)].control(value);
        }
        // Read-back: what is latched has a zero.
        for (n, counter) in self.counters.iter_mut().enumerate() {
            if value >> (n + 1) & 1 == 1 {
                if value & 0x20 == 0 {
                    counter.latch();
                }
                if value & 0x10 == 0 {
                    counter.latch_status();
                }
            }
        }
    }

    fn read(&mut self, n: u8) -> u8 {
        if n & 3 == 3 { 0xff } else { self.counters[usize::from(n & 3)].read() }
    }
}

/// Bits of port 0x61 (82371AB, 4.2.5.1): counter 2's gate, its output.
const GATE: u8 = 1;
const OUTPUT: u8 = 0x20;

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let mut device = Device { pit: Pit::new(tsc), tsc, high: true, rose: false };
    let mut port = SystemControlB::new();
    let mut world = World::new(tsc, clock.now);
    for step in steps(bytes) {
        device.rose = false;
        let rises = world.counters[0].rises;
        let was_high = world.counters[0].output();
        match step {
            Step::Read(n) => {
                let mut twin = twin(&device, clock.now);
                let value = device.pit.read(register(n), clock.now);
                assert_eq!(twin.pit.read(register(n), clock.now), value);
                assert_eq!(value, world.read(n), "register {} reads so", n & 3);
            }
            Step::Write(n, value) => {
                device.pit.write(register(n), value, clock.now);
                device.advance(clock.now);
                world.write(n, value);
                let raised = !was_high && world.counters[0].output();
                assert_eq!(device.rose, raised, "counter 0 rises at once, after {step:?}");
            }
            Step::Pass(pause) => {
                let (planned, was_slowed) = (device.deadline(), device.slowed());
                pass(&mut device, &mut clock, pause);
                world.pass(clock.now);
                let rose = world.counters[0].rises > rises;
                if !world.counters[0].lawless {
                    assert_eq!(device.rose, rose, "counter 0 rises by {:?}", clock.now);
                    let told = planned.is_some_and(|at| at <= clock.now);
                    let slowed = was_slowed || device.slowed();
                    assert!(told == rose || slowed, "{planned:?}, {:?}", clock.now);
                }
            }
            Step::Other(n) if n & 1 == 0 => {
                port.write(&mut device.pit, n >> 1, clock.now);
                world.counters[2].set_gate(n >> 1 & GATE != 0);
            }
            Step::Other(_) => {
                let value = port.read(&mut device.pit, clock.now);
                assert_eq!(value & OUTPUT != 0, world.counters[2].output(), "counter 2's output");
            }
        }
        twin(&device, clock.now);
    }
}
