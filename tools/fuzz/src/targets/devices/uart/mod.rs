//! The 16550 against another one: registers, a console that is full or empty, time.

mod model;

use arbitrary::Unstructured;
use vmm_core::{
    devices::uart::{State, Uart},
    outside::testing::FakeOutside,
    time::TscFrequency,
    types::Ticks,
};

use super::{Step, Timed, pass, twin};
use crate::{
    Target,
    targets::input::{Clock, frequency, steps},
};
use model::Model;

pub(in super::super) const TARGET: Target =
    Target { runs: 40_000, ..Target::new("uart", "the 16550 does what another one does", check) };

struct Device {
    uart: Uart,
    tsc: TscFrequency,
}

impl Timed for Device {
    type State = State;

    fn state(&self, _: Ticks) -> State {
        self.uart.state().clone()
    }
    fn restored(&self, state: State, _: Ticks) -> Self {
        Device { uart: Uart::restore(self.tsc, state), tsc: self.tsc }
    }
    fn deadline(&self) -> Option<Ticks> {
        self.uart.deadline()
    }
    fn advance(&mut self, now: Ticks) {
        self.uart.advance(now);
    }
    fn lines(&self) -> u64 {
        self.uart.irq().into()
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let mut device = Device { uart: Uart::new(tsc), tsc };
    let mut outside = FakeOutside { room: 2, ..FakeOutside::new() };
    let mut model = Model::new(tsc, 2);
    // No byte is the same as the last ones: so none can stand for another.
    let mut key = 0_u8;
    for step in steps(bytes) {
        match step {
            Step::Read(offset) => {
                let value = device.uart.read(offset, clock.now, &mut outside);
                let expected = model.read(offset, clock.now);
                assert_eq!(value, expected, "register {} reads so", offset & 7);
            }
            Step::Write(offset, value) => {
                device.uart.write(offset, value, clock.now, &mut outside);
                model.write(offset, value, clock.now);
            }
            Step::Pass(pause) => {
                pass(&mut device, &mut clock, pause);
                model.pass(clock.now);
            }
            Step::Other(n) if n & 1 == 0 => {
                let room = usize::from(n >> 3);
                outside.room = outside.room.saturating_add(room);
                model.room = model.room.saturating_add(room);
                device.uart.writable(&mut outside);
                model.writable();
            }
            Step::Other(n) => {
                for _ in 0..=n >> 5 {
                    key = key.wrapping_add(1);
                    outside.type_in(&[key]);
                    model.typed.push_back(key);
                }
                device.uart.readable(clock.now, &mut outside);
                model.readable(clock.now);
            }
        }
        assert_eq!(device.uart.irq(), model.irq(), "the interrupt output, after {step:?}");
        assert_eq!(device.uart.deadline(), model.deadline(), "the deadline, after {step:?}");
        assert!(outside.written == model.written, "what was sent, after {step:?}");
        twin(&device, clock.now);
    }
}
