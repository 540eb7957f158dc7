//! A virtual CPU.

use super::{Tcb, caps, invoke};
use crate::{Word, abi::current::numbers::invocation, error::Result};

caps! {
    /// A virtual CPU.
    Vcpu,
}

/// General-purpose registers that the kernel switches, in its order: rax, rbx,
/// rcx, rdx, rsi, rdi, rbp, r8 to r15. rsp is a VMCS field.
pub const VCPU_REGISTERS: usize = 15;

/// All of them.
pub type VcpuRegisters = [Word; VCPU_REGISTERS];

impl Vcpu {
    /// Says which thread runs the guest.
    ///
    /// # Errors
    /// Not a thread.
    pub fn set_tcb(self, tcb: Tcb) -> Result {
        invoke(self.0, invocation::X86_VCPU_SET_TCB, [], [tcb.address()]).map(drop)
    }

    /// Reads a field of the VMCS (Intel SDM vol. 3D, appendix B).
    ///
    /// # Errors
    /// The kernel does not offer the field.
    #[inline]
    pub fn read_vmcs(self, field: u32) -> Result<Word> {
        invoke(self.0, invocation::X86_VCPU_READ_VMCS, [field.into()], [])
    }

    /// Writes a field of the VMCS.
    ///
    /// # Returns
    /// What was written: control fields are forced to what the processor and
    /// kernel permit.
    ///
    /// # Errors
    /// The kernel does not offer the field, or refuses the value.
    #[inline]
    pub fn write_vmcs(self, field: u32, value: Word) -> Result<Word> {
        invoke(self.0, invocation::X86_VCPU_WRITE_VMCS, [field.into(), value], [])
    }

    /// Reads a model-specific register that the kernel switches.
    ///
    /// # Errors
    /// The kernel does not switch it.
    pub fn read_msr(self, msr: u32) -> Result<Word> {
        invoke(self.0, invocation::X86_VCPU_READ_MSR, [msr.into()], [])
    }

    /// Writes a model-specific register that the kernel switches.
    ///
    /// # Errors
    /// The kernel does not switch it.
    pub fn write_msr(self, msr: u32, value: Word) -> Result {
        invoke(self.0, invocation::X86_VCPU_WRITE_MSR, [msr.into(), value], []).map(drop)
    }

    /// Sets the guest's general-purpose registers.
    ///
    /// # Errors
    /// Not a VCPU.
    #[inline]
    pub fn write_registers(self, registers: &VcpuRegisters) -> Result {
        let r = registers;
        invoke(
            self.0,
            invocation::X86_VCPU_WRITE_REGISTERS,
            [
                r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14],
            ],
            [],
        )
        .map(drop)
    }

    /// Sets the general-purpose registers and CR2.
    ///
    /// # Errors
    /// Not a VCPU.
    pub fn write_registers_and_cr2(self, registers: &VcpuRegisters, cr2: Word) -> Result {
        let r = registers;
        invoke(
            self.0,
            invocation::X86_VCPU_WRITE_REGISTERS,
            [
                r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                r[13], r[14], cr2,
            ],
            [],
        )
        .map(drop)
    }
}
