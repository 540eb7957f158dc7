//! The 16550: registers, a console that is full or empty, time.

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

pub(in super::super) const TARGET: Target = Target {
    runs: 40_000,
    ..Target::new("uart", "the 16550 keeps its bytes and deadlines", check)
};

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

const TRANSMITTER: u8 = 0;

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let mut device = Device { uart: Uart::new(tsc), tsc };
    let mut outside = FakeOutside { room: 2, ..FakeOutside::new() };
    // What the guest wrote to the transmitter, and what of it reached the console.
    let mut sent = Vec::new();
    let mut arrived = 0;
    for step in steps(bytes) {
        match step {
            Step::Read(offset) => {
                device.uart.read(offset, clock.now, &mut outside);
            }
            Step::Write(offset, value) => {
                if offset & 7 == TRANSMITTER {
                    sent.push(value);
                }
                device.uart.write(offset, value, clock.now, &mut outside);
            }
            Step::Pass(pause) => pass(&mut device, &mut clock, pause),
            Step::Other(n) if n & 1 == 0 => {
                outside.room = outside.room.saturating_add(usize::from(n >> 3));
                device.uart.writable(&mut outside);
            }
            Step::Other(n) => {
                outside.type_in(&[n; 3]);
                device.uart.readable(clock.now, &mut outside);
            }
        }
        // The console has what was sent, in that order; a FIFO that was cleared
        // or a divisor explains what is left out.
        for byte in &outside.written[arrived..] {
            let at = sent.iter().position(|sent| sent == byte);
            sent.drain(..=at.expect("the console shows what was sent"));
        }
        arrived = outside.written.len();
        twin(&device, clock.now);
    }
}
