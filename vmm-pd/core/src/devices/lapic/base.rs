//! IA32_APIC_BASE: where the page is, and the three modes (Intel SDM vol. 3A,
//! 11.12.5, figure 11-27).
//!
//! From x2APIC mode the only way back to the page leads through "disabled".
//! Disabling forgets everything, as after an INIT (11.4.3). The page may be
//! moved; who routes memory accesses must ask [`Lapic::page`] each time.

use core::fmt;

use super::bits::base;
use super::state::Mode;
use super::{Effect, Lapic};
use crate::types::Ticks;

/// Why an access to an MSR of the APIC is refused; the guest gets #GP(0). The
/// guest's fault in each case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApicFault {
    /// An x2APIC register outside x2APIC mode.
    NotX2apic,
    /// No register has this number.
    NoSuchRegister,
    /// Written, but read-only.
    ReadOnly,
    /// Read, but write-only.
    WriteOnly,
    /// A bit was set that must be zero.
    ReservedBits,
    /// IA32_APIC_BASE: no such mode, or none that can be reached from here.
    IllegalTransition,
}

impl fmt::Display for ApicFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApicFault::NotX2apic => "the APIC is not in x2APIC mode",
            ApicFault::NoSuchRegister => "the APIC has no such register",
            ApicFault::ReadOnly => "the APIC register is read-only",
            ApicFault::WriteOnly => "the APIC register is write-only",
            ApicFault::ReservedBits => "a reserved bit of the APIC register was set",
            ApicFault::IllegalTransition => "the APIC cannot change to that mode from its own",
        })
    }
}

impl Lapic {
    /// Reads IA32_APIC_BASE.
    pub fn base(&self) -> u64 {
        let mode = match self.mode {
            Mode::Disabled => 0,
            Mode::Xapic => base::ENABLE,
            Mode::X2apic => base::ENABLE | base::EXTENDED,
        };
        self.page | mode | if self.bsp { base::BSP } else { 0 }
    }

    /// Writes IA32_APIC_BASE.
    ///
    /// # Errors
    /// Why the guest gets #GP(0); nothing was changed.
    pub fn set_base(&mut self, value: u64, now: Ticks) -> Result<Effect, ApicFault> {
        if value & !(self.page_bits | base::BSP | base::EXTENDED | base::ENABLE) != 0 {
            return Err(ApicFault::ReservedBits);
        }
        let wanted = match (value & base::ENABLE != 0, value & base::EXTENDED != 0) {
            (false, false) => Mode::Disabled,
            (true, false) => Mode::Xapic,
            (true, true) => Mode::X2apic,
            (false, true) => return Err(ApicFault::IllegalTransition),
        };
        match (self.mode, wanted) {
            (Mode::Disabled, Mode::X2apic) | (Mode::X2apic, Mode::Xapic) => {
                return Err(ApicFault::IllegalTransition);
            }
            (Mode::Xapic | Mode::X2apic, Mode::Disabled) => {
                self.advance(now);
                self.init();
            }
            // The upper half of the command has another meaning (11.12.5.1).
            (Mode::Xapic, Mode::X2apic) => self.command &= u64::from(u32::MAX),
            (Mode::Disabled, Mode::Disabled | Mode::Xapic)
            | (Mode::Xapic, Mode::Xapic)
            | (Mode::X2apic, Mode::X2apic) => {}
        }
        self.mode = wanted;
        self.page = value & self.page_bits;
        self.bsp = value & base::BSP != 0;
        Ok(Effect::Reachable)
    }
}
