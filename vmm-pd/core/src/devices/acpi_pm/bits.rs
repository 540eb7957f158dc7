//! Register bits of the ACPI fixed hardware (ACPI 6.5, 4.8.3) and of the reset
//! registers beside it.

use bitflags::bitflags;

/// Frequency of the power-management timer in Hz (4.8.3.3).
pub const PM_TIMER_HZ: u64 = 3_579_545;

bitflags! {
    /// PM1 status (4.8.3.1.1); writing one clears.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Pm1Status: u16 {
        /// The timer's top bit changed.
        const TMR = 1 << 0;
        /// The firmware released the global lock: never here.
        const GBL = 1 << 5;
        /// The power button was pressed.
        const PWRBTN = 1 << 8;
        /// The real-time clock interrupted.
        const RTC = 1 << 10;
        /// The system woke: never here, it does not sleep.
        const WAK = 1 << 15;
    }

    /// PM1 enable (4.8.3.1.2).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Pm1Enable: u16 {
        /// For [`Pm1Status::TMR`].
        const TMR = 1 << 0;
        /// For [`Pm1Status::GBL`].
        const GBL = 1 << 5;
        /// For [`Pm1Status::PWRBTN`].
        const PWRBTN = 1 << 8;
        /// For [`Pm1Status::RTC`].
        const RTC = 1 << 10;
    }

    /// PM1 control (4.8.3.2.1).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Pm1Control: u16 {
        /// Events raise the SCI; fixed to one, as there is no legacy mode to
        /// leave (FADT SMI_CMD is zero).
        const SCI_EN = 1 << 0;
        /// Bus masters wake the processor: kept, without effect.
        const BM_RLD = 1 << 1;
        /// Release the global lock; write-only, and no firmware waits.
        const GBL_RLS = 1 << 2;
        /// Sleep type.
        const SLP_TYP = 0b111 << 10;
        /// Enter it; write-only.
        const SLP_EN = 1 << 13;
    }

    /// Reset control register at port 0xCF9 (Intel 82371SB PIIX3, 2.5.4).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ResetControl: u8 {
        /// Reset the whole system, not only the processor.
        const SRST = 1 << 1;
        /// Going from zero to one, reset.
        const RCPU = 1 << 2;
        /// Later chips: also cut the power for a moment.
        const FULL = 1 << 3;
    }

    /// System control port A at 0x92 (IBM PS/2 Technical Reference).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct SystemControlA: u8 {
        /// Going from zero to one, reset the processor.
        const FAST_RESET = 1 << 0;
        /// Address line 20 on; it always is here, the bit is only kept.
        const A20 = 1 << 1;
    }
}

/// Where SLP_TYP begins.
pub const SLP_TYP_SHIFT: u32 = 10;
