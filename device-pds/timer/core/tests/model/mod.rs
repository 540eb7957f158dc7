//! An HPET after its specification, and a time-stamp counter, over a simulated
//! time. Every access costs time, so races between driver and counter happen
//! as they do on hardware.

use std::cell::RefCell;
use std::rc::Rc;

use deadline::Tsc;
use timer_core::hpet::{Capabilities, Configuration, Register, Registers, TimerConfiguration};

pub const FS_PER_NS: u128 = 1_000_000;
const FS_PER_S: u128 = 1_000_000_000_000_000;

#[derive(Debug)]
pub struct Machine {
    /// Femtoseconds since the start.
    time: u128,
    pub period_fs: u32,
    pub tsc_hz: u64,
    /// What one access to a register costs.
    pub access_fs: u128,
    /// What one read of the time-stamp counter costs.
    pub tsc_fs: u128,
    pub capabilities: u32,
    pub counter_runs: bool,
    configuration: u32,
    counter_at_start: u32,
    started: u128,
    timers: [(u32, u32); 3],
    /// An edge reached the unmasked pin.
    pub pending: bool,
    /// The kernel masked the pin when it delivered the last one.
    pub masked: bool,
    pub interrupts: u64,
    pub accesses: u64,
}

pub const CAPABILITIES: u32 = 0x8086_a201;

impl Machine {
    pub fn new(period_fs: u32, tsc_hz: u64) -> Self {
        Machine {
            time: 0,
            period_fs,
            tsc_hz,
            access_fs: 100 * FS_PER_NS,
            tsc_fs: 10 * FS_PER_NS,
            capabilities: CAPABILITIES,
            counter_runs: true,
            configuration: 0,
            counter_at_start: 0xffff_ff00,
            started: 0,
            // As firmware may have left them: periodic, interrupting, level.
            timers: [(0x5e, 77), (0x4e, 99), (0x3e06, 5)],
            pending: false,
            masked: false,
            interrupts: 0,
            accesses: 0,
        }
    }

    fn enabled(&self) -> bool {
        self.configuration & Configuration::ENABLE.bits() != 0
    }

    /// Not cut to 32 bits.
    fn counter_at(&self, time: u128) -> u128 {
        let ticks = if self.counter_runs && self.enabled() {
            (time - self.started) / u128::from(self.period_fs)
        } else {
            0
        };
        u128::from(self.counter_at_start) + ticks
    }

    fn interrupting(&self) -> bool {
        let (configuration, _) = self.timers[0];
        let legacy = Configuration::ENABLE | Configuration::LEGACY_REPLACEMENT;
        self.configuration & legacy.bits() == legacy.bits()
            && configuration & TimerConfiguration::INTERRUPT.bits() != 0
    }

    /// When comparator 0 matches next, after now.
    fn next_match(&self) -> Option<u128> {
        if !self.interrupting() || !self.counter_runs {
            return None;
        }
        let now = self.counter_at(self.time);
        let ahead = u128::from(self.timers[0].1.wrapping_sub(now as u32));
        let ahead = if ahead == 0 { 1 << 32 } else { ahead };
        let tick = now + ahead - u128::from(self.counter_at_start);
        Some(self.started + tick * u128::from(self.period_fs))
    }

    /// Lets time pass, but not beyond an interrupt that reaches the kernel.
    /// Returns whether the whole time has passed.
    pub fn advance_to(&mut self, until: u128) -> bool {
        while let Some(at) = self.next_match().filter(|&at| at <= until) {
            self.time = at;
            if !self.masked {
                self.interrupts += 1;
                self.pending = true;
                self.masked = true;
                return false;
            }
        }
        self.time = self.time.max(until);
        true
    }

    /// Lets time pass while the processor is busy: interrupts wait.
    pub fn spend(&mut self, fs: u128) {
        let until = self.time + fs;
        while !self.advance_to(until) {}
    }

    pub fn time(&self) -> u128 {
        self.time
    }

    pub fn tsc(&self) -> Tsc {
        Tsc((self.time * u128::from(self.tsc_hz) / FS_PER_S) as u64 + 1)
    }

    pub fn ticks(&self, fs: u128) -> u64 {
        (fs * u128::from(self.tsc_hz) / FS_PER_S) as u64
    }
}

#[derive(Clone, Debug)]
pub struct Shared(pub Rc<RefCell<Machine>>);

impl Shared {
    pub fn new(machine: Machine) -> Self {
        Shared(Rc::new(RefCell::new(machine)))
    }

    pub fn read_tsc(&self) -> Tsc {
        let mut m = self.0.borrow_mut();
        let half = m.tsc_fs / 2;
        m.spend(half);
        let value = m.tsc();
        m.spend(half);
        value
    }
}

impl Registers for Shared {
    fn read(&self, register: Register) -> u32 {
        let mut m = self.0.borrow_mut();
        m.accesses += 1;
        let half = m.access_fs / 2;
        m.spend(half);
        let value = match register {
            Register::Capabilities => m.capabilities,
            Register::Period => m.period_fs,
            Register::Configuration => m.configuration,
            Register::InterruptStatus => 0,
            Register::Counter => m.counter_at(m.time) as u32,
            Register::TimerConfiguration(n) => m.timers[n as usize].0,
            Register::Comparator(n) => m.timers[n as usize].1,
        };
        m.spend(half);
        value
    }

    fn write(&mut self, register: Register, value: u32) {
        let mut m = self.0.borrow_mut();
        m.accesses += 1;
        let half = m.access_fs / 2;
        m.spend(half);
        match register {
            Register::Capabilities | Register::Period => panic!("{register:?} is read-only"),
            Register::Configuration => {
                m.counter_at_start = m.counter_at(m.time) as u32;
                m.started = m.time;
                m.configuration = value;
            }
            Register::InterruptStatus => {}
            Register::Counter => panic!("nobody needs to write the counter"),
            Register::TimerConfiguration(n) => {
                assert!(
                    u32::from(n) <= (m.capabilities & Capabilities::LAST_TIMER.bits()) >> 8,
                    "comparator {n} does not exist"
                );
                m.timers[n as usize].0 = value;
            }
            Register::Comparator(n) => m.timers[n as usize].1 = value,
        }
        m.spend(half);
    }
}
