//! The MC146818: index and data ports, interrupts, any date.

use arbitrary::Unstructured;
use vmm_core::{
    devices::rtc::{Rtc, State},
    layout::RamSize,
    time::TscFrequency,
    types::Ticks,
};

use super::{Step, Timed, pass, twin};
use crate::{
    Target,
    targets::input::{Clock, frequency, steps, take},
};

pub(in super::super) const TARGET: Target = Target {
    runs: 15_000,
    longest: 400,
    ..Target::new("rtc", "the clock interrupts whenever it is looked at", check)
};

/// Index of register A.
const REGISTER_A: u8 = 0x0a;

struct Device {
    rtc: Rtc,
    tsc: TscFrequency,
}

impl Timed for Device {
    type State = State;

    /// Brought to `now`, which a look at register A does.
    fn state(&self, now: Ticks) -> State {
        let was = self.rtc.state();
        let mut rtc = Rtc::restore(self.tsc, was.clone());
        rtc.write_index(REGISTER_A);
        rtc.read(now);
        State { index: was.index, nmi_masked: was.nmi_masked, ..rtc.state().clone() }
    }
    fn restored(&self, state: State, _: Ticks) -> Self {
        Device { rtc: Rtc::restore(self.tsc, state), tsc: self.tsc }
    }
    fn deadline(&self) -> Option<Ticks> {
        self.rtc.deadline()
    }
    fn advance(&mut self, now: Ticks) {
        self.rtc.advance(now);
    }
    fn lines(&self) -> u64 {
        u64::from(self.rtc.irq()) | u64::from(self.rtc.nmi_masked()) << 1
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    // Up to the year 6300; a clock of four digits shows 9999.
    let epoch = u64::from(take::<u32>(&mut bytes)) << (take::<u8>(&mut bytes) & 5);
    let ram = RamSize::new(256 << 20).expect("a usual size");
    let mut device = Device { rtc: Rtc::new(tsc, epoch, clock.now, ram), tsc };
    for step in steps(bytes) {
        match step {
            Step::Read(index) => {
                device.rtc.write_index(index);
                device.rtc.read(clock.now);
            }
            Step::Write(index, value) => {
                device.rtc.write_index(index);
                device.rtc.write(value, clock.now);
            }
            Step::Pass(pause) => pass(&mut device, &mut clock, pause),
            Step::Other(0) => device.rtc.reset(clock.now),
            Step::Other(n) => {
                device.rtc.write_index(n);
            }
        }
        twin(&device, clock.now);
    }
}
