//! Register bits and indices of the MC146818A (Motorola data sheet, 1984) and
//! what a PC's firmware keeps behind it (IBM PC/AT Technical Reference;
//! Ralf Brown's CMOS.LST).

use bitflags::bitflags;

/// Seconds.
pub const SECONDS: u8 = 0x00;
/// Seconds of the alarm.
pub const SECONDS_ALARM: u8 = 0x01;
/// Minutes.
pub const MINUTES: u8 = 0x02;
/// Minutes of the alarm.
pub const MINUTES_ALARM: u8 = 0x03;
/// Hours.
pub const HOURS: u8 = 0x04;
/// Hours of the alarm.
pub const HOURS_ALARM: u8 = 0x05;
/// Day of the week, 1 is Sunday.
pub const WEEKDAY: u8 = 0x06;
/// Day of the month.
pub const DAY: u8 = 0x07;
/// Month.
pub const MONTH: u8 = 0x08;
/// Year of the century.
pub const YEAR: u8 = 0x09;
/// Register A.
pub const REGISTER_A: u8 = 0x0A;
/// Register B.
pub const REGISTER_B: u8 = 0x0B;
/// Register C.
pub const REGISTER_C: u8 = 0x0C;
/// Register D.
pub const REGISTER_D: u8 = 0x0D;

/// Index port: NMI masked; not part of the index.
pub const INDEX_NMI_MASK: u8 = 1 << 7;
/// Hours in 12-hour mode: afternoon.
pub const HOURS_PM: u8 = 1 << 7;
/// Alarm bytes from this value on match anything.
pub const ALARM_ANY: u8 = 0xC0;

bitflags! {
    /// Register A.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct A: u8 {
        /// Rate selection.
        const RS = 0b1111;
        /// Divider control.
        const DV = 0b111 << 4;
        /// Update in progress; read-only.
        const UIP = 1 << 7;
    }

    /// Register B.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct B: u8 {
        /// Daylight saving: not done.
        const DSE = 1 << 0;
        /// 24-hour mode.
        const H24 = 1 << 1;
        /// Binary mode.
        const DM = 1 << 2;
        /// Square wave: no pin here shows it.
        const SQWE = 1 << 3;
        /// Update-ended interrupt.
        const UIE = 1 << 4;
        /// Alarm interrupt.
        const AIE = 1 << 5;
        /// Periodic interrupt.
        const PIE = 1 << 6;
        /// Updates are stopped so that the time can be set.
        const SET = 1 << 7;
    }

    /// Register C; reading clears it. Its flags lie where their enables lie in
    /// register B.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct C: u8 {
        /// An update ended.
        const UF = 1 << 4;
        /// The alarm matched.
        const AF = 1 << 5;
        /// A period passed.
        const PF = 1 << 6;
        /// An enabled flag is set.
        const IRQF = 1 << 7;
    }
}

/// Divider control: running from the 32,768 Hz crystal that PCs have.
pub const DV_RUNNING: u8 = 0b010 << 4;
/// Divider control: from this value on it is held in reset.
pub const DV_RESET: u8 = 0b110 << 4;
/// Register D: the battery is good (VRT).
pub const D_VALID: u8 = 1 << 7;

/// Crystal, in Hz.
pub const CRYSTAL: u64 = 32_768;
/// UIP goes up this long before the update, in periods of a 1 MHz clock
/// (data sheet, table 5: 244 us).
pub const UIP_LEAD: u64 = 244;

/// Diagnostic status: all well is zero.
pub const DIAGNOSTIC: u8 = 0x0E;
/// Shutdown status: how firmware goes on after a reset. Only kept here.
pub const SHUTDOWN: u8 = 0x0F;
/// Equipment: no floppy, no display, a coprocessor.
pub const EQUIPMENT: u8 = 0x14;
/// Value of [`EQUIPMENT`]: coprocessor.
pub const EQUIPMENT_FPU: u8 = 1 << 1;
/// Conventional memory in KiB, two bytes.
pub const BASE_MEMORY: u8 = 0x15;
/// Memory from 1 MiB in KiB, two bytes, at most 63 MiB.
pub const EXTENDED_MEMORY: u8 = 0x17;
/// First byte that the checksum covers.
pub const CHECKSUM_FIRST: u8 = 0x10;
/// Last byte that the checksum covers.
pub const CHECKSUM_LAST: u8 = 0x2D;
/// Checksum, two bytes, high byte first.
pub const CHECKSUM: u8 = 0x2E;
/// The same as [`EXTENDED_MEMORY`], as measured at power-on.
pub const EXTENDED_MEMORY_ACTUAL: u8 = 0x30;
/// Memory from 16 MiB in units of 64 KiB, two bytes.
pub const HIGH_MEMORY: u8 = 0x34;
