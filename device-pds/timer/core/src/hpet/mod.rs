//! Driver of the High Precision Event Timer (IA-PC HPET Specification 1.0a):
//! comparator 0, one-shot, edge-triggered, compared on 32 bits.
//!
//! **The interrupt is I/O APIC pin 2, edge-triggered, active high**, by
//! LegacyReplacement. That one route exists everywhere: Bochs 2.7 offers pins
//! 0-23 in the routing capability but connects pin 2 only through
//! LegacyReplacement, QEMU's `pc` offers nothing but pin 2, its `q35` pins 2,
//! 8 and 16-23, Intel's chipsets 20-23. It also silences the 8254, which
//! firmware and seL4's calibration leave running and which otherwise drives
//! the same pin some twenty times a second. The RTC loses its interrupt, which
//! nobody has a use for here.
//!
//! An edge that comes while the kernel has the pin masked is lost (82093AA,
//! 3.2.4). So the interrupt is acknowledged first, and after every interrupt
//! the comparator is armed anew from the counter as it is then.
//!
//! 32 bits suffice and work on every HPET: the counter's low half is read in
//! one access (a 64-bit read may be torn where the bus is narrower, 2.4.7),
//! and a delay of up to 2^31 ticks, 21 s at 100 MHz, is told from one that is
//! past. Whoever needs longer arms again. In this mode the counter's wrap may
//! interrupt too; that is one spurious interrupt in 43 s at 100 MHz.

mod bits;

use core::fmt;

pub use bits::{Capabilities, Configuration, Register, TimerConfiguration};

/// Size of the register block (1.0a, 2.3.1).
pub const BLOCK_SIZE: usize = 0x400;

/// The comparator in use: the one that LegacyReplacement connects to pin 2.
const TIMER: u8 = 0;

/// Longest period of the counter, in femtoseconds (2.3.4).
pub const PERIOD_MAX_FS: u32 = 0x05f5_e100;

/// Shortest believed: 1 GHz.
const PERIOD_MIN_FS: u32 = 1_000_000;

/// Shortest delay that is armed, in counter ticks: 1.3 us at Bochs's 100 MHz,
/// 9 us at the chipsets' 14.318 MHz. Shorter than it takes to find out that a
/// match was missed, it would be missed.
pub const MIN_DELAY: u32 = 128;

/// Longest delay that is armed, in counter ticks: half of what 32 bits tell
/// apart, less the margin that [`Hpet::arm`] may add.
pub const MAX_DELAY: u32 = (1 << 31) - (MIN_DELAY << ARM_ATTEMPTS);

/// How often arming is tried, each time with twice the margin: the last is
/// 84 ms at 100 MHz, so that only a counter that runs wild exceeds it.
const ARM_ATTEMPTS: u32 = 16;

/// The comparator may take a few ticks to learn what was written to it.
const SETTLE: i32 = 8;

/// Access to the register block.
pub trait Registers {
    /// Reads 32 bits.
    fn read(&self, register: Register) -> u32;

    /// Writes 32 bits.
    fn write(&mut self, register: Register, value: u32);
}

/// Why the HPET cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HpetError {
    /// Nothing, or something else, answers at its address: all ones or a
    /// revision of zero. The description maps the wrong page, or firmware has
    /// left the HPET off.
    Absent {
        /// What was read.
        capabilities: u32,
    },
    /// The counter's period is outside the specification.
    Period {
        /// In femtoseconds.
        femtoseconds: u32,
    },
    /// It lacks LegacyReplacement, the only way to I/O APIC pin 2.
    NoLegacyReplacement,
    /// The counter passed every value that was armed before it could be
    /// looked at: it runs wild, or this domain is hardly ever scheduled.
    Runaway,
}

impl fmt::Display for HpetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HpetError::Absent { capabilities } => {
                write!(
                    f,
                    "no HPET answers in its region (capabilities {capabilities:#010x}); check phys_addr and the firmware"
                )
            }
            HpetError::Period { femtoseconds } => {
                write!(
                    f,
                    "the HPET states a period of {femtoseconds} fs, which its specification does not allow"
                )
            }
            HpetError::NoLegacyReplacement => f.write_str(
                "the HPET lacks LegacyReplacement, so it cannot interrupt on I/O APIC pin 2",
            ),
            HpetError::Runaway => f.write_str("the HPET's counter outran every comparator value"),
        }
    }
}

/// A running HPET. Holding one proves that the block answered as an HPET and
/// that no other comparator interrupts.
#[derive(Debug)]
pub struct Hpet<R> {
    registers: R,
    period_fs: u32,
    armed: bool,
}

impl<R: Registers> Hpet<R> {
    /// Stops whatever the HPET was doing and starts its counter, with no
    /// interrupt armed.
    ///
    /// # Errors
    /// It is not there or cannot be used; see [`HpetError`].
    pub fn start(mut registers: R) -> Result<Self, HpetError> {
        let word = registers.read(Register::Capabilities);
        let capabilities = Capabilities::from_bits_retain(word);
        if word == u32::MAX || capabilities.revision() == 0 {
            return Err(HpetError::Absent { capabilities: word });
        }
        let period_fs = registers.read(Register::Period);
        if !(PERIOD_MIN_FS..=PERIOD_MAX_FS).contains(&period_fs) {
            return Err(HpetError::Period { femtoseconds: period_fs });
        }
        if !capabilities.contains(Capabilities::LEGACY_REPLACEMENT) {
            return Err(HpetError::NoLegacyReplacement);
        }
        registers.write(Register::Configuration, 0);
        for n in 0..capabilities.timers() {
            registers.write(Register::TimerConfiguration(n), 0);
        }
        registers.write(Register::InterruptStatus, u32::MAX);
        registers.write(Register::TimerConfiguration(TIMER), TimerConfiguration::MODE_32.bits());
        let running = Configuration::ENABLE | Configuration::LEGACY_REPLACEMENT;
        registers.write(Register::Configuration, running.bits());
        Ok(Hpet { registers, period_fs, armed: false })
    }

    /// The counter's period in femtoseconds, at most [`PERIOD_MAX_FS`].
    pub fn period_fs(&self) -> u32 {
        self.period_fs
    }

    /// The counter's low half.
    #[inline]
    pub fn counter(&self) -> u32 {
        self.registers.read(Register::Counter)
    }

    /// Interrupts once, `delay` counter ticks from now or a little later; the
    /// delay is brought within [`MIN_DELAY`] and [`MAX_DELAY`]. Replaces what
    /// was armed before.
    ///
    /// The comparator matches on equality only, so a value that the counter
    /// has already passed would interrupt after the next wrap. Hence the look
    /// at the counter afterwards.
    ///
    /// # Errors
    /// [`HpetError::Runaway`].
    pub fn arm(&mut self, delay: u32) -> Result<(), HpetError> {
        let delay = delay.clamp(MIN_DELAY, MAX_DELAY);
        let mut target = self.counter().wrapping_add(delay);
        for attempt in 0..ARM_ATTEMPTS {
            self.registers.write(Register::Comparator(TIMER), target);
            if !self.armed {
                let on = TimerConfiguration::MODE_32 | TimerConfiguration::INTERRUPT;
                self.registers.write(Register::TimerConfiguration(TIMER), on.bits());
                self.armed = true;
            }
            let now = self.counter();
            if target.wrapping_sub(now) as i32 >= SETTLE {
                return Ok(());
            }
            target = now.wrapping_add(MIN_DELAY << attempt);
        }
        Err(HpetError::Runaway)
    }

    /// Interrupts no more.
    pub fn disarm(&mut self) {
        if self.armed {
            let off = TimerConfiguration::MODE_32;
            self.registers.write(Register::TimerConfiguration(TIMER), off.bits());
            self.armed = false;
        }
    }
}
