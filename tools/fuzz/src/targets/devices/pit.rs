//! The 8254 and the port that gates its third counter.

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

pub(in super::super) const TARGET: Target = Target {
    runs: 40_000,
    ..Target::new("pit", "the 8254 counts and rises whenever it is looked at", check)
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
    /// looked at, so there both may be right.
    fn agrees(&self, other: &Self) -> bool {
        self.deadline() == other.deadline() || self.slowed() || other.slowed()
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

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let mut device = Device { pit: Pit::new(tsc), tsc, high: true, rose: false };
    let mut port = SystemControlB::new();
    for step in steps(bytes) {
        device.rose = false;
        match step {
            Step::Read(n) => {
                let mut twin = twin(&device, clock.now);
                let value = device.pit.read(register(n), clock.now);
                assert_eq!(twin.pit.read(register(n), clock.now), value);
            }
            Step::Write(n, value) => {
                device.pit.write(register(n), value, clock.now);
                device.advance(clock.now);
            }
            Step::Pass(pause) => pass(&mut device, &mut clock, pause),
            Step::Other(n) if n & 1 == 0 => port.write(&mut device.pit, n >> 1, clock.now),
            Step::Other(_) => {
                port.read(&mut device.pit, clock.now);
            }
        }
        twin(&device, clock.now);
    }
}
