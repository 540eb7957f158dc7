//! Registers of the HPET (IA-PC HPET Specification 1.0a, 2.3). Each is 64 bits
//! wide; this driver uses their halves, for the reason given in `mod.rs`.

use bitflags::bitflags;

/// A 32-bit half of a register, or a whole one of which the upper half does
/// not matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// General Capabilities and ID, bits 31:0: see [`Capabilities`].
    Capabilities,
    /// General Capabilities and ID, bits 63:32: COUNTER_CLK_PERIOD.
    Period,
    /// General Configuration: see [`Configuration`].
    Configuration,
    /// General Interrupt Status: one bit a comparator, written to clear;
    /// always zero for edge-triggered ones.
    InterruptStatus,
    /// Main Counter Value, bits 31:0.
    Counter,
    /// Timer N Configuration and Capability, bits 31:0: see
    /// [`TimerConfiguration`].
    TimerConfiguration(u8),
    /// Timer N Comparator Value, bits 31:0.
    Comparator(u8),
}

impl Register {
    /// Offset in the register block.
    pub const fn offset(self) -> usize {
        match self {
            Register::Capabilities => 0x000,
            Register::Period => 0x004,
            Register::Configuration => 0x010,
            Register::InterruptStatus => 0x020,
            Register::Counter => 0x0f0,
            Register::TimerConfiguration(n) => 0x100 + 0x20 * n as usize,
            Register::Comparator(n) => 0x108 + 0x20 * n as usize,
        }
    }
}

bitflags! {
    /// General Capabilities and ID, bits 31:0 (2.3.4).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Capabilities: u32 {
        /// REV_ID, 7:0; zero is not allowed.
        const REVISION = 0xff;
        /// NUM_TIM_CAP, 12:8: number of the last comparator.
        const LAST_TIMER = 0x1f << 8;
        /// COUNT_SIZE_CAP: the main counter has 64 bits.
        const COUNTER_64 = 1 << 13;
        /// LEG_RT_CAP: LegacyReplacement is there.
        const LEGACY_REPLACEMENT = 1 << 15;
        /// VENDOR_ID, 31:16.
        const VENDOR = 0xffff << 16;
    }

    /// General Configuration (2.3.5). The other bits are reserved.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Configuration: u32 {
        /// ENABLE_CNF: the counter runs and interrupts are delivered.
        const ENABLE = 1 << 0;
        /// LEG_RT_CNF: comparator 0 takes the place of the 8254's interrupt
        /// (I/O APIC pin 2), comparator 1 that of the RTC's (pin 8).
        const LEGACY_REPLACEMENT = 1 << 1;
    }

    /// Timer N Configuration and Capability, bits 31:0 (2.3.8).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct TimerConfiguration: u32 {
        /// Tn_INT_TYPE_CNF: level-triggered rather than edge-triggered.
        const LEVEL = 1 << 1;
        /// Tn_INT_ENB_CNF.
        const INTERRUPT = 1 << 2;
        /// Tn_TYPE_CNF: periodic rather than one-shot.
        const PERIODIC = 1 << 3;
        /// Tn_PER_INT_CAP, read-only.
        const CAN_BE_PERIODIC = 1 << 4;
        /// Tn_SIZE_CAP, read-only: 64 bits.
        const CAN_BE_64 = 1 << 5;
        /// Tn_VAL_SET_CNF.
        const SET_ACCUMULATOR = 1 << 6;
        /// Tn_32MODE_CNF: compare the low 32 bits only.
        const MODE_32 = 1 << 8;
        /// Tn_INT_ROUTE_CNF, 13:9.
        const ROUTE = 0x1f << 9;
        /// Tn_FSB_EN_CNF: interrupt by message.
        const MESSAGE = 1 << 14;
        /// Tn_FSB_INT_DEL_CAP, read-only.
        const CAN_MESSAGE = 1 << 15;
    }
}

impl Capabilities {
    /// How many comparators there are.
    pub const fn timers(self) -> u8 {
        ((self.bits() & Self::LAST_TIMER.bits()) >> 8) as u8 + 1
    }

    /// The revision.
    pub const fn revision(self) -> u8 {
        (self.bits() & Self::REVISION.bits()) as u8
    }
}
