//! Model-specific registers: RDMSR and WRMSR that exit.
//!
//! The kernel's MSR bitmap passes what it switches (SYSENTER_*, and on the
//! embedded kernel STAR, LSTAR, CSTAR, FMASK, FS, GS and KERNEL_GS bases,
//! TSC_AUX); those have rows here for a kernel that does not. Everything else
//! exits, and what has no row is #GP, as on a processor that lacks the register.
//!
//! Time-stamp counter: guests see it raw, because seL4 16 lets no VMM set an
//! offset (our patched seL4 5.0.0 would). Writes to IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST are therefore
//! accepted and have no effect; TSC_ADJUST reads zero, which is what Linux wants
//! to find.
//!
//! Numbers and formats: Intel SDM vol. 4, table 2-2.

pub mod mtrr;

use serde::{Deserialize, Serialize};

use crate::bus::cpuid::Cpuid;
use crate::control;
use crate::cpu::{Cpu, SegmentRegister, StateField};
use crate::interrupts::Interrupts;
use crate::memory::GuestMemory;
use crate::paravirtual_eoi::{self, ParavirtualEoi};
use crate::types::{Msr, Ticks};
use mtrr::Mtrrs;

/// Numbers of the registers that have a row.
#[expect(missing_docs, reason = "the SDM's own names, vol. 4, table 2-2")]
pub mod number {
    pub const TIME_STAMP_COUNTER: u32 = 0x10;
    pub const PLATFORM_ID: u32 = 0x17;
    pub const APIC_BASE: u32 = 0x1b;
    pub const FEATURE_CONTROL: u32 = 0x3a;
    pub const TSC_ADJUST: u32 = 0x3b;
    pub const BIOS_SIGN_ID: u32 = 0x8b;
    pub const PLATFORM_INFO: u32 = 0xce;
    pub const MTRRCAP: u32 = 0xfe;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MCG_CAP: u32 = 0x179;
    pub const MCG_STATUS: u32 = 0x17a;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const DEBUGCTL: u32 = 0x1d9;
    pub const PAT: u32 = 0x277;
    pub const MTRR_DEF_TYPE: u32 = 0x2ff;
    pub const TSC_DEADLINE: u32 = 0x6e0;
    pub const X2APIC_FIRST: u32 = 0x800;
    pub const X2APIC_LAST: u32 = 0x8ff;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const FMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const TSC_AUX: u32 = 0xc000_0103;
}

/// IA32_MISC_ENABLE: fast strings.
const MISC_FAST_STRINGS: u64 = 1;
/// IA32_MISC_ENABLE: neither branch trace storage nor PEBS.
const MISC_NO_BTS_NO_PEBS: u64 = 1 << 11 | 1 << 12;
/// IA32_FEATURE_CONTROL: locked, VMX off.
const FEATURE_CONTROL_LOCKED: u64 = 1;
/// IA32_BIOS_SIGN_ID: a microcode revision, which hypervisors set to 1.
const MICROCODE_REVISION: u64 = 1 << 32;
/// IA32_DEBUGCTL: single-step on branches, the one bit whose state is switched.
const DEBUGCTL_BTF: u64 = 1 << 1;
/// MSR_PLATFORM_INFO: where the ratio of the TSC to the 100 MHz bus stands.
const PLATFORM_RATIO_SHIFT: u32 = 8;

/// Registers that only remember what was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MsrState {
    /// Memory types.
    pub mtrrs: Mtrrs,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_MCG_STATUS.
    pub mcg_status: u64,
}

impl MsrState {
    /// As firmware leaves them.
    pub fn new(physical_bits: u8) -> Self {
        MsrState {
            mtrrs: Mtrrs::new(physical_bits),
            misc_enable: MISC_FAST_STRINGS | MISC_NO_BTS_NO_PEBS,
            mcg_status: 0,
        }
    }
}

/// What reading a register came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Its value.
    Value(u64),
    /// The register exists and refuses: #GP(0).
    Fault,
    /// No such register: #GP(0).
    Unknown,
}

/// What writing a register came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// Done.
    Done,
    /// The register exists and refuses the value: #GP(0).
    Fault,
    /// No such register: #GP(0).
    Unknown,
}

impl<E> From<Result<u64, E>> for Read {
    fn from(result: Result<u64, E>) -> Read {
        result.map_or(Read::Fault, Read::Value)
    }
}

impl<E> From<Result<(), E>> for Write {
    fn from(result: Result<(), E>) -> Write {
        result.map_or(Write::Fault, |()| Write::Done)
    }
}

impl Write {
    fn if_valid(valid: bool) -> Write {
        if valid { Write::Done } else { Write::Fault }
    }
}

/// Everything that a register can lead to.
pub struct Registers<'a, C, M> {
    /// The CPU.
    pub cpu: &'a mut C,
    /// Registers that only remember.
    pub state: &'a mut MsrState,
    /// The local APIC.
    pub interrupts: &'a mut Interrupts,
    /// Ends of interrupts without an exit.
    pub eoi: &'a mut ParavirtualEoi,
    /// RAM, which a register may name.
    pub memory: &'a M,
    /// What is offered.
    pub cpuid: &'a Cpuid,
    /// The moment of the access.
    pub now: Ticks,
}

impl<C: Cpu, M: GuestMemory> Registers<'_, C, M> {
    /// RDMSR.
    pub fn read(&mut self, msr: Msr) -> Read {
        use number::*;
        match msr.0 {
            TSC_DEADLINE => Read::Value(self.interrupts.tsc_deadline(self.now)),
            X2APIC_FIRST..=X2APIC_LAST => self.interrupts.x2apic_read(msr, self.now).into(),
            TIME_STAMP_COUNTER => Read::Value(self.now.0),
            APIC_BASE => Read::Value(self.interrupts.apic_base()),
            FEATURE_CONTROL => Read::Value(FEATURE_CONTROL_LOCKED),
            PLATFORM_ID | TSC_ADJUST | MCG_CAP => Read::Value(0),
            BIOS_SIGN_ID => Read::Value(MICROCODE_REVISION),
            PLATFORM_INFO => {
                let mhz = u64::from(self.cpuid.answer(0x16, 0, true).eax);
                Read::Value(((mhz / 100) & 0xff) << PLATFORM_RATIO_SHIFT)
            }
            MCG_STATUS => Read::Value(self.state.mcg_status),
            MISC_ENABLE => Read::Value(self.state.misc_enable),
            MTRRCAP | MTRR_DEF_TYPE | mtrr::FIRST..=mtrr::LAST => self.state.mtrrs.read(msr),
            FS_BASE => Read::Value(self.cpu.segment(SegmentRegister::Fs).base),
            GS_BASE => Read::Value(self.cpu.segment(SegmentRegister::Gs).base),
            paravirtual_eoi::MSR => Read::Value(self.eoi.register()),
            TSC_AUX if !self.cpuid.has_rdtscp() => Read::Unknown,
            _ => match switched(msr) {
                Some(field) => Read::Value(self.cpu.state(field)),
                None => Read::Unknown,
            },
        }
    }

    /// WRMSR.
    pub fn write(&mut self, msr: Msr, value: u64) -> Write {
        use number::*;
        match msr.0 {
            TSC_DEADLINE => {
                self.interrupts.set_tsc_deadline(value, self.now);
                Write::Done
            }
            X2APIC_FIRST..=X2APIC_LAST => self.interrupts.x2apic_write(msr, value, self.now).into(),
            // The module's head says why these have no effect.
            TIME_STAMP_COUNTER | TSC_ADJUST => Write::Done,
            APIC_BASE => self.interrupts.set_apic_base(value, self.now).into(),
            // Written with zero before CPUID, to make a processor fill it in.
            BIOS_SIGN_ID => Write::Done,
            FEATURE_CONTROL | PLATFORM_ID | PLATFORM_INFO | MCG_CAP | MTRRCAP => Write::Fault,
            MCG_STATUS => {
                // Software may only clear it (vol. 3B, 16.3.1.2).
                if value == 0 {
                    self.state.mcg_status = 0;
                }
                Write::if_valid(value == 0)
            }
            MISC_ENABLE => {
                // Fast strings are a preference; every other bit that could be
                // changed belongs to a feature that is not there.
                let fixed = self.state.misc_enable & !MISC_FAST_STRINGS;
                self.state.misc_enable = fixed | value & MISC_FAST_STRINGS;
                Write::Done
            }
            DEBUGCTL => {
                let valid = value & !DEBUGCTL_BTF == 0;
                if valid {
                    self.cpu.set_state(StateField::DebugControl, value);
                }
                Write::if_valid(valid)
            }
            MTRR_DEF_TYPE | mtrr::FIRST..=mtrr::LAST => self.state.mtrrs.write(msr, value),
            PAT => {
                let valid = value.to_le_bytes().iter().all(|&t| mtrr::is_pat_type(t));
                if valid {
                    self.cpu.set_state(StateField::Pat, value);
                }
                Write::if_valid(valid)
            }
            EFER => match control::write_efer(self.cpu, value, self.cpuid.has_nx()) {
                control::Written::Done => Write::Done,
                control::Written::Fault
                | control::Written::RunAgain
                | control::Written::NotAskedFor => Write::Fault,
            },
            paravirtual_eoi::MSR => self.eoi.set_register(value, self.memory).into(),
            FS_BASE => self.write_base(SegmentRegister::Fs, value),
            GS_BASE => self.write_base(SegmentRegister::Gs, value),
            SYSENTER_ESP | SYSENTER_EIP | LSTAR | CSTAR | KERNEL_GS_BASE
                if !is_canonical(value) =>
            {
                Write::Fault
            }
            FMASK | TSC_AUX if value >> 32 != 0 => Write::Fault,
            TSC_AUX if !self.cpuid.has_rdtscp() => Write::Unknown,
            _ => match switched(msr) {
                Some(field) => {
                    self.cpu.set_state(field, value);
                    Write::Done
                }
                None => Write::Unknown,
            },
        }
    }

    fn write_base(&mut self, register: SegmentRegister, base: u64) -> Write {
        if !is_canonical(base) {
            return Write::Fault;
        }
        let segment = self.cpu.segment(register);
        self.cpu.set_segment(register, crate::cpu::Segment { base, ..segment });
        Write::Done
    }
}

/// Registers that are guest state and nothing else.
const fn switched(msr: Msr) -> Option<StateField> {
    use number::*;
    Some(match msr.0 {
        SYSENTER_CS => StateField::SysenterCs,
        SYSENTER_ESP => StateField::SysenterEsp,
        SYSENTER_EIP => StateField::SysenterEip,
        DEBUGCTL => StateField::DebugControl,
        PAT => StateField::Pat,
        EFER => StateField::Efer,
        STAR => StateField::Star,
        LSTAR => StateField::Lstar,
        CSTAR => StateField::Cstar,
        FMASK => StateField::Fmask,
        KERNEL_GS_BASE => StateField::KernelGsBase,
        TSC_AUX => StateField::TscAux,
        _ => return None,
    })
}

/// Whether an address has 48 significant bits, sign-extended.
const fn is_canonical(address: u64) -> bool {
    let top = address >> 47;
    top == 0 || top == 0x1_ffff
}

#[cfg(test)]
mod tests;
