//! The virtual CPU as the pure core sees it. `vmm-pd` implements this over
//! VT-x; a software back end will implement it beside that. So the names here
//! are the architecture's, not the VMCS's.

use crate::types::{Ticks, Vector};

#[cfg(any(test, feature = "testing"))]
pub mod testing;

/// General-purpose registers, in the order of their encoding in ModR/M with
/// REX (Intel SDM vol. 2A, table 2-2...): `Rax` is 0, `R15` is 15.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Gpr {
    /// Accumulator.
    Rax,
    /// Counter.
    Rcx,
    /// Data.
    Rdx,
    /// Base.
    Rbx,
    /// Stack pointer.
    Rsp,
    /// Frame pointer.
    Rbp,
    /// Source index.
    Rsi,
    /// Destination index.
    Rdi,
    /// Numbered.
    R8,
    /// Numbered.
    R9,
    /// Numbered.
    R10,
    /// Numbered.
    R11,
    /// Numbered.
    R12,
    /// Numbered.
    R13,
    /// Numbered.
    R14,
    /// Numbered.
    R15,
}

impl Gpr {
    /// All, in encoding order.
    pub const ALL: [Gpr; 16] = [
        Gpr::Rax,
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rbx,
        Gpr::Rsp,
        Gpr::Rbp,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::R11,
        Gpr::R12,
        Gpr::R13,
        Gpr::R14,
        Gpr::R15,
    ];

    /// The register with this encoding; only the low four bits count.
    pub const fn from_encoding(n: u8) -> Gpr {
        Gpr::ALL[(n & 15) as usize]
    }
}

/// Segment registers, in the order of their encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum SegmentRegister {
    /// Extra.
    Es,
    /// Code.
    Cs,
    /// Stack.
    Ss,
    /// Data.
    Ds,
    /// Extra.
    Fs,
    /// Extra.
    Gs,
    /// Local descriptor table.
    Ldtr,
    /// Task.
    Tr,
}

impl SegmentRegister {
    /// All, in encoding order.
    pub const ALL: [SegmentRegister; 8] = [
        SegmentRegister::Es,
        SegmentRegister::Cs,
        SegmentRegister::Ss,
        SegmentRegister::Ds,
        SegmentRegister::Fs,
        SegmentRegister::Gs,
        SegmentRegister::Ldtr,
        SegmentRegister::Tr,
    ];
}

/// A segment register with its hidden part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// Visible selector.
    pub selector: u16,
    /// Linear base.
    pub base: u64,
    /// Limit in bytes, granularity applied.
    pub limit: u32,
    /// In the VMCS's format (Intel SDM vol. 3C, table 25-2): type 3:0, S 4,
    /// DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16.
    pub access_rights: u32,
}

/// Guest state that one word holds, besides general-purpose registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StateField {
    /// CR0 as the processor uses it (not the guest's view through the shadow).
    /// What is set may be without the bits that the processor or its kernel
    /// forces (on VT-x NE).
    Cr0,
    /// CR0 as the guest reads it, where the host owns bits.
    Cr0Shadow,
    /// CR3.
    Cr3,
    /// CR4 as the processor uses it. Forced bits as in CR0 (on VT-x VMXE).
    Cr4,
    /// CR4 as the guest reads it.
    Cr4Shadow,
    /// DR7.
    Dr7,
    /// RFLAGS.
    Rflags,
    /// IA32_EFER. Setting it also decides whether the next entry is to IA-32e
    /// mode (EFER.LMA): on VT-x an entry control that must agree.
    Efer,
    /// IA32_PAT.
    Pat,
    /// IA32_SYSENTER_CS.
    SysenterCs,
    /// IA32_SYSENTER_ESP.
    SysenterEsp,
    /// IA32_SYSENTER_EIP.
    SysenterEip,
    /// GDTR base.
    GdtrBase,
    /// GDTR limit.
    GdtrLimit,
    /// IDTR base.
    IdtrBase,
    /// IDTR limit.
    IdtrLimit,
    /// Interruptibility state (Intel SDM vol. 3C, table 25-3): STI 0, MOV SS 1,
    /// SMI 2, NMI 3.
    Interruptibility,
    /// 0 active, 1 HLT.
    ActivityState,
    /// Pending debug exceptions.
    PendingDebug,
    /// IDT-vectoring information of the last exit: an event whose delivery the
    /// exit interrupted (Intel SDM vol. 3C, 25.9.3). Read-only.
    IdtVectoringInfo,
    /// Its error code. Read-only.
    IdtVectoringErrorCode,
    /// Exit interruption information of the last exit. Read-only.
    ExitInterruptionInfo,
    /// Its error code. Read-only.
    ExitInterruptionErrorCode,
    /// Guest linear address of the last exit, where it has one. Read-only.
    GuestLinearAddress,
    /// Page-directory-pointer-table entry 0, which the processor holds in a
    /// register while PAE paging outside IA-32e mode is on (Intel SDM vol. 3A,
    /// 4.4.1).
    Pdpte0,
    /// Entry 1.
    Pdpte1,
    /// Entry 2.
    Pdpte2,
    /// Entry 3.
    Pdpte3,
    /// IA32_DEBUGCTL.
    DebugControl,
    /// IA32_STAR.
    Star,
    /// IA32_LSTAR.
    Lstar,
    /// IA32_CSTAR.
    Cstar,
    /// IA32_FMASK.
    Fmask,
    /// IA32_KERNEL_GS_BASE.
    KernelGsBase,
    /// IA32_TSC_AUX.
    TscAux,
}

/// An event to deliver at the next entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An external interrupt.
    Interrupt(Vector),
    /// A non-maskable interrupt.
    Nmi,
    /// A hardware exception, with its error code if it has one.
    Exception(Exception),
    /// An event exactly as the processor recorded it when an exit interrupted
    /// its delivery; delivered again (Intel SDM vol. 3C, 27.2.4, table 25-17).
    Redeliver {
        /// Interruption information, IDT-vectoring format.
        info: u32,
        /// Error code, if bit 11 of `info` is set.
        error_code: u32,
        /// Length of the instruction, for software events.
        instruction_length: u32,
    },
}

impl Exception {
    /// Its vector.
    pub const fn vector(self) -> Vector {
        Vector(match self {
            Exception::Debug => 1,
            Exception::InvalidOpcode => 6,
            Exception::DoubleFault => 8,
            Exception::StackFault(_) => 12,
            Exception::GeneralProtection(_) => 13,
            Exception::PageFault { .. } => 14,
            Exception::AlignmentCheck => 17,
            Exception::MachineCheck => 18,
        })
    }

    /// The error code that it pushes, if it pushes one.
    pub const fn error_code(self) -> Option<u32> {
        match self {
            Exception::Debug | Exception::InvalidOpcode | Exception::MachineCheck => None,
            Exception::DoubleFault | Exception::AlignmentCheck => Some(0),
            Exception::StackFault(code) | Exception::GeneralProtection(code) => Some(code),
            Exception::PageFault { error_code, .. } => Some(error_code),
        }
    }
}

/// A hardware exception (Intel SDM vol. 3A, table 6-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// #DB.
    Debug,
    /// #UD.
    InvalidOpcode,
    /// #DF; its error code is zero.
    DoubleFault,
    /// #SS with its error code.
    StackFault(u32),
    /// #GP with its error code.
    GeneralProtection(u32),
    /// #PF with its error code; the implementation also sets CR2.
    PageFault {
        /// Faulting linear address, for CR2.
        address: u64,
        /// Error code.
        error_code: u32,
    },
    /// #AC.
    AlignmentCheck,
    /// #MC.
    MachineCheck,
}

/// One virtual CPU, stopped. Reads are cached by the implementation; writes
/// reach it before its next entry. A field that the implementation cannot
/// write makes the next entry fail with that reason, so nothing here returns
/// an error.
pub trait Cpu {
    /// A general-purpose register, all 64 bits.
    fn gpr(&mut self, register: Gpr) -> u64;

    /// Sets all 64 bits of a general-purpose register.
    fn set_gpr(&mut self, register: Gpr, value: u64);

    /// The instruction pointer of the exit, or what was set since.
    fn rip(&self) -> u64;

    /// Sets the instruction pointer.
    fn set_rip(&mut self, rip: u64);

    /// A field of guest state.
    fn state(&mut self, field: StateField) -> u64;

    /// Sets a field of guest state.
    fn set_state(&mut self, field: StateField, value: u64);

    /// A segment register.
    fn segment(&mut self, register: SegmentRegister) -> Segment;

    /// Only the access rights of a segment register: what tells 64-bit code and
    /// the privilege level. An implementation for which each part of a segment
    /// costs a kernel call overrides this.
    fn access_rights(&mut self, register: SegmentRegister) -> u32 {
        self.segment(register).access_rights
    }

    /// Sets a segment register.
    fn set_segment(&mut self, register: SegmentRegister, segment: Segment);

    /// The time-stamp counter.
    fn now(&self) -> Ticks;

    /// How many kernel calls the implementation made so far, entries left out.
    fn calls(&self) -> u64 {
        0
    }

    /// Asks for an exit as soon as the guest can take an interrupt, or stops
    /// asking.
    fn set_interrupt_window(&mut self, wanted: bool);

    /// Asks for an exit as soon as the guest can take an NMI, or stops asking.
    fn set_nmi_window(&mut self, wanted: bool);
}
