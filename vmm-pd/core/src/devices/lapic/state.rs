//! What a snapshot holds of the local APIC. Times are relative to the moment of
//! saving, but for the TSC deadline: that is a guest's own value.

use serde::{Deserialize, Serialize};

/// Mode of the APIC (Intel SDM vol. 3A, 11.12.1, table 11-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Globally disabled: the processor has no APIC.
    Disabled,
    /// Registers in a page of memory.
    Xapic,
    /// Registers are MSRs.
    X2apic,
}

/// Everything a local APIC remembers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LapicState {
    /// Mode, from IA32_APIC_BASE.
    pub mode: Mode,
    /// Address of the page.
    pub page: u64,
    /// IA32_APIC_BASE's BSP bit.
    pub bsp: bool,
    /// Task priority.
    pub task_priority: u8,
    /// Logical ID, as written in xAPIC mode.
    pub logical_id: u8,
    /// Destination format: the model's four bits.
    pub destination_format: u8,
    /// Spurious-interrupt vector register.
    pub spurious: u32,
    /// Error status as last latched.
    pub error_status: u8,
    /// Errors since.
    pub errors: u8,
    /// IRR.
    pub request: [u64; 4],
    /// ISR.
    pub in_service: [u64; 4],
    /// TMR.
    pub trigger_mode: [u64; 4],
    /// Local vector table.
    pub lvt: [u32; 6],
    /// Interrupt command register.
    pub command: u64,
    /// An ExtINT message waits for its acknowledgement.
    pub ext_int: bool,
    /// Levels of LINT0 and LINT1.
    pub lint: [bool; 2],
    /// Timer.
    pub timer: TimerState,
}

/// The timer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimerState {
    /// Divide configuration register.
    pub divide: u8,
    /// Initial count.
    pub initial: u32,
    /// Count at the point from which time is reckoned; 0 if stopped.
    pub count: u32,
    /// Ticks from that point to the moment of saving.
    pub elapsed: u64,
    /// Ticks from the moment of saving to the next interrupt.
    pub due_in: Option<u64>,
    /// IA32_TSC_DEADLINE, absolute; 0 if disarmed.
    pub tsc_deadline: u64,
}
