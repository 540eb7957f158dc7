//! What a snapshot of the ACPI fixed hardware holds. Times are ticks of the
//! machine it was taken on.

use serde::{Deserialize, Serialize};

use crate::types::Ticks;

/// Registers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// PM1 status as last seen; the timer's bit may be late.
    pub status: u16,
    /// PM1 enable.
    pub enable: u16,
    /// The real-time clock's interrupt line as last seen.
    pub rtc_line: bool,
    /// PM1 control.
    pub control: u16,
    /// When the timer was zero.
    pub timer_began: Ticks,
    /// How often the timer's top bit had changed when last looked.
    pub carries_seen: u64,
    /// Reset control register.
    pub reset_control: u8,
    /// System control port A.
    pub system_control_a: u8,
}
