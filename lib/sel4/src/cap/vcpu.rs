//! A virtual CPU.

use super::{IoPort, caps, invoke};
use crate::{Word, abi::current::numbers::invocation, error::Result};

caps! {
    /// A virtual CPU.
    Vcpu,
}

impl Vcpu {
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

    /// Lets the guest reach a range of ports itself, without exits.
    ///
    /// # Errors
    /// The capability does not cover the range.
    pub fn enable_io_ports(self, ports: IoPort, first: u16, last: u16) -> Result {
        let (label, range) = (invocation::X86_VCPU_ENABLE_IO_PORT, [first.into(), last.into()]);
        invoke(self.0, label, range, [ports.address()]).map(drop)
    }
}
