//! x2APIC: the registers as MSRs 800h to 8FFh (Intel SDM vol. 3A, 11.12.1.2,
//! table 11-6). Unlike the page, every misuse is a #GP.

use super::bits::{DIVIDE, Register, icr, svr};
use super::state::Mode;
use super::{ApicFault, Effect, Lapic};
use crate::types::{Msr, Ticks};

/// The first of the 256 MSRs.
const FIRST: u32 = 0x800;

/// How an MSR may be used.
enum Access {
    ReadOnly,
    WriteOnly,
    /// Readable, and writable but for the bits that must be zero.
    ReadWrite,
}

/// How a register may be used as an MSR, or that it is none. These are few and
/// far between the page's: no priorities of old, no destination format, no
/// second half of the command.
const fn access(register: Register) -> Option<Access> {
    Some(match register {
        Register::Id
        | Register::Version
        | Register::ProcessorPriority
        | Register::LogicalDestination
        | Register::InService(_)
        | Register::TriggerMode(_)
        | Register::Request(_)
        | Register::CurrentCount => Access::ReadOnly,
        Register::Eoi | Register::SelfIpi => Access::WriteOnly,
        Register::TaskPriority
        | Register::SpuriousVector
        | Register::ErrorStatus
        | Register::Command
        | Register::Lvt(_)
        | Register::InitialCount
        | Register::Divide => Access::ReadWrite,
        Register::ArbitrationPriority
        | Register::RemoteRead
        | Register::DestinationFormat
        | Register::CommandHigh => return None,
    })
}

/// The bits that a write may set.
const fn defined(register: Register) -> u64 {
    match register {
        Register::TaskPriority | Register::SelfIpi => 0xFF,
        Register::SpuriousVector => svr::WRITABLE as u64,
        Register::Command => !icr::X2APIC_RESERVED,
        Register::Lvt(entry) => (entry.writable() | entry.read_only()) as u64,
        Register::InitialCount => u32::MAX as u64,
        Register::Divide => DIVIDE as u64,
        // These take zero only.
        Register::Eoi | Register::ErrorStatus => 0,
        // These are not written.
        Register::Id
        | Register::Version
        | Register::ArbitrationPriority
        | Register::ProcessorPriority
        | Register::RemoteRead
        | Register::LogicalDestination
        | Register::DestinationFormat
        | Register::InService(_)
        | Register::TriggerMode(_)
        | Register::Request(_)
        | Register::CommandHigh
        | Register::CurrentCount => 0,
    }
}

impl Lapic {
    fn msr(&self, msr: Msr) -> Result<(Register, Access), ApicFault> {
        if self.mode != Mode::X2apic {
            return Err(ApicFault::NotX2apic);
        }
        msr.0
            .checked_sub(FIRST)
            .and_then(|index| u8::try_from(index).ok())
            .and_then(Register::from_index)
            .and_then(|register| Some((register, access(register)?)))
            .ok_or(ApicFault::NoSuchRegister)
    }

    /// RDMSR of 800h to 8FFh.
    ///
    /// # Errors
    /// Why the guest gets #GP(0).
    pub fn read_msr(&mut self, msr: Msr, now: Ticks) -> Result<u64, ApicFault> {
        match self.msr(msr)? {
            (_, Access::WriteOnly) => Err(ApicFault::WriteOnly),
            (Register::Command, Access::ReadOnly | Access::ReadWrite) => Ok(self.command),
            (register, Access::ReadOnly | Access::ReadWrite) => {
                Ok(u64::from(self.read_register(register, now)))
            }
        }
    }

    /// WRMSR of 800h to 8FFh.
    ///
    /// # Errors
    /// Why the guest gets #GP(0); nothing was changed.
    pub fn write_msr(&mut self, msr: Msr, value: u64, now: Ticks) -> Result<Effect, ApicFault> {
        let register = match self.msr(msr)? {
            (_, Access::ReadOnly) => return Err(ApicFault::ReadOnly),
            (register, Access::WriteOnly | Access::ReadWrite) => register,
        };
        if value & !defined(register) != 0 {
            return Err(ApicFault::ReservedBits);
        }
        if register == Register::Command {
            let high = value & !u64::from(u32::MAX);
            self.command = high | value & u64::from(icr::WRITABLE);
            return Ok(self.send());
        }
        Ok(self.write_register(register, value as u32, now))
    }
}
