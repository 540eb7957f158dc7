//! Command words of the 8254 (Intel 8254 data sheet, 231164-005, figures 7, 11
//! and 13) and of the PC's system control port B (Intel 82371AB PIIX4,
//! 290562-001, 4.2.5.1).

/// Input clock: 14.31818 MHz / 12, in Hz.
pub const CLOCK_HZ: u64 = 1_193_182;

/// The control word and the read-back command.
pub mod control {
    /// Where the counter's number begins; 3 is the read-back command.
    pub const COUNTER_SHIFT: u32 = 6;
    /// Where the access mode begins; 0 is the counter latch command.
    pub const ACCESS_SHIFT: u32 = 4;
    /// Where the mode begins; three bits.
    pub const MODE_SHIFT: u32 = 1;
    /// Count in binary-coded decimals.
    pub const BCD: u8 = 1 << 0;
    /// Read-back: do not latch the count.
    pub const NO_COUNT: u8 = 1 << 5;
    /// Read-back: do not latch the status.
    pub const NO_STATUS: u8 = 1 << 4;
    /// Read-back: the first counter's bit; the others follow.
    pub const FIRST_COUNTER_SHIFT: u32 = 1;
}

/// The status byte.
pub mod status {
    /// Level of the output.
    pub const OUTPUT: u8 = 1 << 7;
    /// The count last written is not being counted yet.
    pub const NULL_COUNT: u8 = 1 << 6;
}

/// System control port B, 0x61.
pub mod port_b {
    /// Gate of counter 2.
    pub const GATE_2: u8 = 1 << 0;
    /// Counter 2 drives the speaker.
    pub const SPEAKER: u8 = 1 << 1;
    /// What reads return as written: those two, and two enables of error
    /// sources that do not exist.
    pub const WRITABLE: u8 = 0x0F;
    /// Toggles with each refresh cycle.
    pub const REFRESH: u8 = 1 << 4;
    /// Output of counter 2.
    pub const OUTPUT_2: u8 = 1 << 5;
}

/// Periods of the input clock between refresh cycles: what firmware has put
/// into counter 1 since the PC, about 15 us.
pub const REFRESH_PERIODS: u64 = 18;
