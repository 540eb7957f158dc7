//! Where the kernel and the VMCS keep what the core asks for.

use sel4::{abi::current::numbers::vmenter as numbers, vmx::field};
use sel4_microkit::vcpu::{KERNEL_GS_BASE, TSC_AUX};
use vmm_core::cpu::{Gpr, SegmentRegister, StateField};

/// Message registers of an exit (libsel4 `vmenter.h`), from the fourth on.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum MessageWord {
    Qualification = numbers::FAULT_QUALIFICATION,
    InstructionLength = numbers::FAULT_INSTRUCTION_LENGTH,
    GuestPhysical = numbers::FAULT_GUEST_PHYSICAL,
    Rflags = numbers::FAULT_RFLAGS,
    Interruptibility = numbers::FAULT_INTERRUPTIBILITY,
    Cr3 = numbers::FAULT_CR3,
}

/// Message register of an exit that holds a register; rsp is in the VMCS.
pub const fn message_register(register: Gpr) -> Option<usize> {
    Some(match register {
        Gpr::Rax => numbers::FAULT_RAX,
        Gpr::Rbx => numbers::FAULT_RBX,
        Gpr::Rcx => numbers::FAULT_RCX,
        Gpr::Rdx => numbers::FAULT_RDX,
        Gpr::Rsi => numbers::FAULT_RSI,
        Gpr::Rdi => numbers::FAULT_RDI,
        Gpr::Rbp => numbers::FAULT_RBP,
        Gpr::Rsp => return None,
        Gpr::R8 => numbers::FAULT_R8,
        Gpr::R9 => numbers::FAULT_R9,
        Gpr::R10 => numbers::FAULT_R10,
        Gpr::R11 => numbers::FAULT_R11,
        Gpr::R12 => numbers::FAULT_R12,
        Gpr::R13 => numbers::FAULT_R13,
        Gpr::R14 => numbers::FAULT_R14,
        Gpr::R15 => numbers::FAULT_R15,
    })
}

/// Where a piece of guest state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of the VMCS.
    Vmcs(u32),
    /// A model-specific register that the kernel switches.
    Msr(u32),
    /// This kernel lets nobody read or set it but the guest, if even that.
    Nowhere,
}

/// Where a piece of guest state is.
pub const fn place(f: StateField) -> Place {
    Place::Vmcs(match f {
        StateField::Cr0 => field::GUEST_CR0,
        StateField::Cr0Shadow => field::CR0_READ_SHADOW,
        StateField::Cr3 => field::GUEST_CR3,
        StateField::Cr4 => field::GUEST_CR4,
        StateField::Cr4Shadow => field::CR4_READ_SHADOW,
        StateField::Dr7 => field::GUEST_DR7,
        StateField::Rflags => field::GUEST_RFLAGS,
        StateField::Efer => field::GUEST_EFER,
        StateField::Pat => field::GUEST_PAT,
        StateField::SysenterCs => field::GUEST_SYSENTER_CS,
        StateField::SysenterEsp => field::GUEST_SYSENTER_ESP,
        StateField::SysenterEip => field::GUEST_SYSENTER_EIP,
        StateField::GdtrBase => field::GUEST_GDTR_BASE,
        StateField::GdtrLimit => field::GUEST_GDTR_LIMIT,
        StateField::IdtrBase => field::GUEST_IDTR_BASE,
        StateField::IdtrLimit => field::GUEST_IDTR_LIMIT,
        StateField::Interruptibility => field::GUEST_INTERRUPTIBILITY,
        StateField::ActivityState => field::GUEST_ACTIVITY,
        StateField::PendingDebug => field::GUEST_PENDING_DEBUG,
        StateField::IdtVectoringInfo => field::IDT_VECTORING_INFO,
        StateField::IdtVectoringErrorCode => field::IDT_VECTORING_ERROR_CODE,
        StateField::ExitInterruptionInfo => field::EXIT_INTERRUPTION_INFO,
        StateField::ExitInterruptionErrorCode => field::EXIT_INTERRUPTION_ERROR_CODE,
        StateField::GuestLinearAddress => field::GUEST_LINEAR_ADDRESS,
        StateField::Pdpte0 => field::GUEST_PDPTE0,
        StateField::Pdpte1 => field::GUEST_PDPTE0 + 2,
        StateField::Pdpte2 => field::GUEST_PDPTE0 + 4,
        StateField::Pdpte3 => field::GUEST_PDPTE0 + 6,
        StateField::DebugControl => field::GUEST_DEBUGCTL,
        StateField::Star => return Place::Msr(0xc000_0081),
        StateField::Lstar => return Place::Msr(0xc000_0082),
        StateField::Cstar => return Place::Msr(0xc000_0083),
        StateField::Fmask => return Place::Msr(0xc000_0084),
        StateField::KernelGsBase if KERNEL_GS_BASE => return Place::Msr(0xc000_0102),
        StateField::TscAux if TSC_AUX => return Place::Msr(0xc000_0103),
        StateField::KernelGsBase | StateField::TscAux => return Place::Nowhere,
    })
}

/// Encodings of a segment register's four parts: selector, base, limit, access
/// rights. Each kind of field steps by two in encoding order.
pub const fn segment(register: SegmentRegister) -> [u32; 4] {
    let step = register as u32 * 2;
    [
        field::GUEST_ES_SELECTOR + step,
        field::GUEST_ES_BASE + step,
        field::GUEST_ES_LIMIT + step,
        field::GUEST_ES_ACCESS_RIGHTS + step,
    ]
}
