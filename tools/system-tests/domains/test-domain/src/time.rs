//! Interrupts, and something that goes on whatever happens to others.

use sel4_microkit::{Channel, ChannelSet, IoPort};

use crate::console::say;

/// The real-time clock's interrupt, in `clock`.
const INTERRUPT: Channel = Channel::new(1);
/// The part `beat`, in `clock`.
const BEAT: Channel = Channel::new(2);
/// The part `gives_up`, in `beat`.
const GIVES_UP: Channel = Channel::new(2);

// Index and data port of the MC146818; its registers A, B and C (data sheet,
// "Registers").
const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
/// Divider for a 32,768 Hz crystal, and 32 interrupts a second.
const RATE: u8 = 0x20 | 0x0b;
/// 24-hour mode and the periodic interrupt.
const PERIODIC: u8 = 0x02 | 0x40;

/// The part that has the real-time clock: each of its interrupts becomes a
/// notification of `beat`.
pub struct Clock {
    ports: IoPort,
}

impl Clock {
    pub fn start() -> Self {
        let clock = Clock { ports: IoPort::new(0) };
        clock.write(REGISTER_A, RATE);
        clock.write(REGISTER_B, PERIODIC);
        clock.settle();
        clock
    }

    pub fn tick(&mut self, channels: ChannelSet) {
        assert!(channels.contains(INTERRUPT), "{channels:?} is not the clock's interrupt");
        // First the device, then the line: it is edge-triggered.
        self.settle();
        if let Err(error) = INTERRUPT.irq_ack() {
            panic!("{error}");
        }
        BEAT.notify();
    }

    /// Reading register C takes the interrupt request back.
    fn settle(&self) {
        self.ports.write_8(INDEX, REGISTER_C);
        self.ports.read_8(DATA);
    }

    fn write(&self, register: u8, value: u8) {
        self.ports.write_8(INDEX, register);
        self.ports.write_8(DATA, value);
    }
}

/// The part that shows that the system goes on.
#[derive(Default)]
pub struct Beat(u64);

impl Beat {
    pub fn tick(&mut self) {
        self.0 += 1;
        say!("beat {}", self.0);
        if self.0 == 1 && GIVES_UP.may_notify() {
            GIVES_UP.notify();
        }
    }
}
