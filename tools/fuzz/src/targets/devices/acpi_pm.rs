//! ACPI's fixed hardware, and the two reset registers.

use arbitrary::Unstructured;
use vmm_core::{
    devices::acpi_pm::{AcpiPm, Register, State, TimerWidth},
    time::TscFrequency,
    types::Ticks,
};

use super::{Step, Timed, pass, twin};
use crate::{
    Target,
    targets::input::{Clock, frequency, steps, take},
};

pub(in super::super) const TARGET: Target = Target {
    runs: 40_000,
    ..Target::new("acpi-pm", "the power-management timer carries whenever it is looked at", check)
};

struct Device {
    pm: AcpiPm,
    tsc: TscFrequency,
    width: TimerWidth,
}

impl Timed for Device {
    type State = State;

    /// Brought to `now`, which a look at the status does.
    fn state(&self, now: Ticks) -> State {
        let mut pm = AcpiPm::restore(self.tsc, self.width, self.pm.state().clone());
        pm.read(Register::Event(0), now);
        pm.state().clone()
    }
    fn restored(&self, state: State, _: Ticks) -> Self {
        let Device { tsc, width, .. } = *self;
        Device { pm: AcpiPm::restore(tsc, width, state), tsc, width }
    }
    fn deadline(&self) -> Option<Ticks> {
        self.pm.deadline()
    }
    fn advance(&mut self, now: Ticks) {
        self.pm.advance(now);
    }
    fn lines(&self) -> u64 {
        self.pm.sci().into()
    }
}

fn register(n: u8) -> Register {
    match n >> 3 & 7 {
        0 => Register::Event(n & 3),
        1 => Register::Control(n & 1),
        2 => Register::Timer(n & 3),
        3 => Register::Gpe(n & 3),
        4 => Register::ResetControl,
        5 => Register::SystemControlA,
        // Numbers that no decoder of ports hands on must do no harm either.
        6 => Register::Event(n),
        _ => Register::Control(n),
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let width = if take(&mut bytes) { TimerWidth::Bits32 } else { TimerWidth::Bits24 };
    let mut device = Device { pm: AcpiPm::new(tsc, width, clock.now), tsc, width };
    for step in steps(bytes) {
        match step {
            Step::Read(n) => {
                device.pm.read(register(n), clock.now);
            }
            Step::Write(n, value) => {
                // A request is the machine's; the device goes on.
                let _request = device.pm.write(register(n), value, clock.now);
            }
            Step::Pass(pause) => pass(&mut device, &mut clock, pause),
            Step::Other(0) => device.pm.press_power_button(),
            Step::Other(n) => device.pm.rtc_line(n & 1 != 0),
        }
        twin(&device, clock.now);
    }
}
