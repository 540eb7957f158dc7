//! Every VM exit as an enum, parsed once from the words that the kernel's
//! VMEnter returns.
//!
//! Not here: what an exit means (that is [`crate::dispatch`]), and anything
//! that needs a further kernel call. The surprising facts: the kernel passes
//! only the low 16 bits of the exit reason, so an entry failure is told by its
//! basic reason (33, 34, 41) and not by bit 31; and the very first entry that
//! fails has no reason at all, but `u32::MAX`.
//!
//! Numbers and qualification formats: Intel SDM vol. 3D, appendix C, and
//! vol. 3C, 28.2.1 ("Basic VM-Exit Information").

mod interruption;

pub use interruption::{EventKind, InterruptionInfo};

use crate::cpu::Gpr;
use crate::types::{Gpa, Port, Vector, Width};

/// The words of a VM exit, as they arrive. They cost nothing; whatever else of
/// the guest's state is wanted is a kernel call each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExitMessage {
    /// Exit reason; `u32::MAX` when the first entry was refused.
    pub reason: u32,
    /// Exit qualification; zero for reasons that have none.
    pub qualification: u64,
    /// Length of the instruction that exited. Undefined for exits that are not
    /// caused by one.
    pub instruction_length: u32,
    /// Guest-physical address of an EPT violation or misconfiguration.
    pub guest_physical: u64,
    /// RFLAGS.
    pub rflags: u64,
    /// Interruptibility state (vol. 3C, table 25-3).
    pub interruptibility: u32,
    /// CR3.
    pub cr3: u64,
}

/// Whether a transfer goes into the processor or out of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// To the processor: IN, MOV from CR.
    In,
    /// From the processor: OUT, MOV to CR.
    Out,
}

/// An I/O instruction (vol. 3C, table 28-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoAccess {
    /// The port.
    pub port: Port,
    /// Its size; never a quadword.
    pub width: Width,
    /// IN or OUT.
    pub direction: Direction,
    /// INS or OUTS.
    pub string: bool,
    /// With a REP prefix.
    pub rep: bool,
    /// The port is in the instruction and not in DX.
    pub immediate: bool,
}

/// A control register that can exit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ControlRegister {
    /// CR0.
    Cr0,
    /// CR3.
    Cr3,
    /// CR4.
    Cr4,
    /// CR8, the task-priority register.
    Cr8,
}

/// An access to a control register (vol. 3C, table 28-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrAccess {
    /// MOV to the control register.
    Write {
        /// Destination.
        register: ControlRegister,
        /// Where the value is.
        from: Gpr,
    },
    /// MOV from the control register.
    Read {
        /// Source.
        register: ControlRegister,
        /// Where the value goes.
        to: Gpr,
    },
    /// CLTS.
    Clts,
    /// LMSW with this operand, already fetched.
    Lmsw(u16),
    /// A control register that does not exist, by its number.
    NoSuchRegister(u8),
}

/// MOV to or from a debug register (vol. 3C, table 28-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DrAccess {
    /// Number of the debug register, 0 to 7.
    pub register: u8,
    /// Out is MOV to the debug register.
    pub direction: Direction,
    /// The general-purpose register.
    pub gpr: Gpr,
}

/// What a task switch came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskSwitchSource {
    /// CALL.
    Call,
    /// IRET.
    Iret,
    /// JMP.
    Jmp,
    /// A task gate in the IDT.
    TaskGate,
}

/// A task switch (vol. 3C, table 28-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskSwitch {
    /// Selector of the new task's TSS.
    pub selector: u16,
    /// What asked for it.
    pub source: TaskSwitchSource,
}

/// An EPT violation (vol. 3C, table 28-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EptViolation {
    /// The address that is not mapped so.
    pub gpa: Gpa,
    /// The access was a data read.
    pub read: bool,
    /// The access was a data write.
    pub write: bool,
    /// The access was an instruction fetch.
    pub fetch: bool,
    /// Rights that the mapping gives: readable, writable, executable. All
    /// false: nothing is mapped there.
    pub mapped: (bool, bool, bool),
    /// The guest linear address of the exit is valid. It is not for loads of
    /// PDPTEs by MOV to CR.
    pub linear_valid: bool,
    /// The access was to the translation of that linear address, and not to a
    /// page-table entry on the way to it.
    pub translated: bool,
    /// An IRET had already ended NMI blocking, which must be restored.
    pub nmi_unblocked: bool,
}

/// Why the processor refused to enter the guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryFailure {
    /// VMLAUNCH itself failed: a control field is wrong. The kernel gives no
    /// more.
    Controls,
    /// Reason 33: guest state fails the checks of vol. 3C, 27.3.1. The
    /// qualification: 2 PDPTEs, 3 NMI injection while blocked, 4 VMCS link.
    GuestState {
        /// The qualification.
        detail: u64,
    },
    /// Reason 34: an entry of the MSR-load list.
    MsrLoading {
        /// Its number, from 1.
        entry: u64,
    },
    /// Reason 41: a machine check during entry.
    MachineCheck,
}

/// Instructions of VMX and SMX other than VMCALL. A guest that was not told
/// that they exist gets #UD for each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the instructions' own names")]
pub enum VmxInstruction {
    Getsec,
    Invept,
    Invvpid,
    Vmclear,
    Vmfunc,
    Vmlaunch,
    Vmptrld,
    Vmptrst,
    Vmread,
    Vmresume,
    Vmwrite,
    Vmxoff,
    Vmxon,
    Seamcall,
    Tdcall,
}

/// Instructions that exit only where a control asks for it, and whose
/// existence CPUID denies here: #UD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the instructions' own names")]
pub enum HiddenInstruction {
    Encls,
    Enclv,
    Loadiwkey,
    Monitor,
    Mwait,
    Pconfig,
    Rsm,
    Tpause,
    Umwait,
    Xrstors,
    Xsaves,
    Rdmsrlist,
    Wrmsrlist,
}

/// Exits that only a VM control which we never set can cause.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the SDM's own names")]
pub enum NotRequested {
    ApicAccess,
    ApicWrite,
    BusLock,
    EnqcmdPasid,
    EnqcmdsPasid,
    GdtrOrIdtr,
    InstructionTimeout,
    Invlpg,
    Invpcid,
    IoSmi,
    LdtrOrTr,
    MonitorTrapFlag,
    PageModificationLogFull,
    Rdrand,
    Rdseed,
    Rdtsc,
    Rdtscp,
    SmiOther,
    SubPagePermission,
    TprBelowThreshold,
    VirtualizedEoi,
}

/// One VM exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0: an exception that the exception bitmap names, or an NMI of the host.
    /// Which one stands in a field that must be read.
    ExceptionOrNmi,
    /// 1: an interrupt of the host. The kernel keeps these to itself.
    ExternalInterrupt,
    /// 2: a fault while delivering a double fault.
    TripleFault,
    /// 3: an INIT signal reached the host processor.
    Init,
    /// 4: a start-up IPI reached a processor that waits for one.
    Sipi(Vector),
    /// 7: the guest can take an interrupt now.
    InterruptWindow,
    /// 8: the guest can take an NMI now.
    NmiWindow,
    /// 9: a hardware task switch.
    TaskSwitch(TaskSwitch),
    /// 10.
    Cpuid,
    /// 12.
    Hlt,
    /// 13.
    Invd,
    /// 15.
    Rdpmc,
    /// 18.
    Vmcall,
    /// 28.
    ControlRegister(CrAccess),
    /// 29.
    DebugRegister(DrAccess),
    /// 30.
    Io(IoAccess),
    /// 30, with a size that no instruction has: the processor or the kernel
    /// broke its contract.
    MalformedIo(u64),
    /// 31: RCX names the register.
    Rdmsr,
    /// 32: RCX names the register.
    Wrmsr,
    /// 33, 34, 41 and `u32::MAX`.
    EntryFailure(EntryFailure),
    /// 40.
    Pause,
    /// 48.
    EptViolation(EptViolation),
    /// 49: the EPT itself is wrong, which only the kernel can cause.
    EptMisconfiguration(Gpa),
    /// 52: the VMX-preemption timer reached zero.
    PreemptionTimer,
    /// 54: WBINVD or WBNOINVD.
    Wbinvd,
    /// 55.
    Xsetbv,
    /// 11, 19-27, 50, 53, 59, 76, 77.
    Vmx(VmxInstruction),
    /// 17, 36, 39, 60, 63-65, 67-70, 78, 79.
    Hidden(HiddenInstruction),
    /// Every other reason of the SDM.
    NotRequested(NotRequested),
    /// A reason that the SDM of June 2024 does not have.
    Unknown(u32),
}

/// Kernel's own value for a refused first entry, in place of a reason.
pub const REASON_ENTRY_REFUSED: u32 = u32::MAX;

impl ExitMessage {
    /// What happened. Total: any words parse.
    // Inlined, each reason leads straight to its row; the frequent ones are
    // never built in memory.
    #[inline(always)]
    pub fn parse(&self) -> Exit {
        let q = self.qualification;
        match self.reason & 0xffff {
            0 => Exit::ExceptionOrNmi,
            1 => Exit::ExternalInterrupt,
            2 => Exit::TripleFault,
            3 => Exit::Init,
            4 => Exit::Sipi(Vector((q & 0xff) as u8)),
            5 => Exit::NotRequested(NotRequested::IoSmi),
            6 => Exit::NotRequested(NotRequested::SmiOther),
            7 => Exit::InterruptWindow,
            8 => Exit::NmiWindow,
            9 => Exit::TaskSwitch(parse_task_switch(q)),
            10 => Exit::Cpuid,
            11 => Exit::Vmx(VmxInstruction::Getsec),
            12 => Exit::Hlt,
            13 => Exit::Invd,
            14 => Exit::NotRequested(NotRequested::Invlpg),
            15 => Exit::Rdpmc,
            16 => Exit::NotRequested(NotRequested::Rdtsc),
            17 => Exit::Hidden(HiddenInstruction::Rsm),
            18 => Exit::Vmcall,
            19 => Exit::Vmx(VmxInstruction::Vmclear),
            20 => Exit::Vmx(VmxInstruction::Vmlaunch),
            21 => Exit::Vmx(VmxInstruction::Vmptrld),
            22 => Exit::Vmx(VmxInstruction::Vmptrst),
            23 => Exit::Vmx(VmxInstruction::Vmread),
            24 => Exit::Vmx(VmxInstruction::Vmresume),
            25 => Exit::Vmx(VmxInstruction::Vmwrite),
            26 => Exit::Vmx(VmxInstruction::Vmxoff),
            27 => Exit::Vmx(VmxInstruction::Vmxon),
            28 => Exit::ControlRegister(parse_cr(q)),
            29 => Exit::DebugRegister(DrAccess {
                register: (q & 7) as u8,
                direction: if bit(q, 4) { Direction::In } else { Direction::Out },
                gpr: Gpr::from_encoding((q >> 8 & 15) as u8),
            }),
            30 => self.parse_io(),
            31 => Exit::Rdmsr,
            32 => Exit::Wrmsr,
            33 => Exit::EntryFailure(EntryFailure::GuestState { detail: q }),
            34 => Exit::EntryFailure(EntryFailure::MsrLoading { entry: q }),
            36 => Exit::Hidden(HiddenInstruction::Mwait),
            37 => Exit::NotRequested(NotRequested::MonitorTrapFlag),
            39 => Exit::Hidden(HiddenInstruction::Monitor),
            40 => Exit::Pause,
            41 => Exit::EntryFailure(EntryFailure::MachineCheck),
            43 => Exit::NotRequested(NotRequested::TprBelowThreshold),
            44 => Exit::NotRequested(NotRequested::ApicAccess),
            45 => Exit::NotRequested(NotRequested::VirtualizedEoi),
            46 => Exit::NotRequested(NotRequested::GdtrOrIdtr),
            47 => Exit::NotRequested(NotRequested::LdtrOrTr),
            48 => Exit::EptViolation(parse_ept_violation(q, Gpa(self.guest_physical))),
            49 => Exit::EptMisconfiguration(Gpa(self.guest_physical)),
            50 => Exit::Vmx(VmxInstruction::Invept),
            51 => Exit::NotRequested(NotRequested::Rdtscp),
            52 => Exit::PreemptionTimer,
            53 => Exit::Vmx(VmxInstruction::Invvpid),
            54 => Exit::Wbinvd,
            55 => Exit::Xsetbv,
            56 => Exit::NotRequested(NotRequested::ApicWrite),
            57 => Exit::NotRequested(NotRequested::Rdrand),
            58 => Exit::NotRequested(NotRequested::Invpcid),
            59 => Exit::Vmx(VmxInstruction::Vmfunc),
            60 => Exit::Hidden(HiddenInstruction::Encls),
            61 => Exit::NotRequested(NotRequested::Rdseed),
            62 => Exit::NotRequested(NotRequested::PageModificationLogFull),
            63 => Exit::Hidden(HiddenInstruction::Xsaves),
            64 => Exit::Hidden(HiddenInstruction::Xrstors),
            65 => Exit::Hidden(HiddenInstruction::Pconfig),
            66 => Exit::NotRequested(NotRequested::SubPagePermission),
            67 => Exit::Hidden(HiddenInstruction::Umwait),
            68 => Exit::Hidden(HiddenInstruction::Tpause),
            69 => Exit::Hidden(HiddenInstruction::Loadiwkey),
            70 => Exit::Hidden(HiddenInstruction::Enclv),
            72 => Exit::NotRequested(NotRequested::EnqcmdPasid),
            73 => Exit::NotRequested(NotRequested::EnqcmdsPasid),
            74 => Exit::NotRequested(NotRequested::BusLock),
            75 => Exit::NotRequested(NotRequested::InstructionTimeout),
            76 => Exit::Vmx(VmxInstruction::Seamcall),
            77 => Exit::Vmx(VmxInstruction::Tdcall),
            78 => Exit::Hidden(HiddenInstruction::Rdmsrlist),
            79 => Exit::Hidden(HiddenInstruction::Wrmsrlist),
            // No basic reason is all ones.
            _ if self.reason == REASON_ENTRY_REFUSED => Exit::EntryFailure(EntryFailure::Controls),
            unknown => Exit::Unknown(unknown),
        }
    }

    /// What an I/O exit says.
    #[inline(always)]
    fn parse_io(&self) -> Exit {
        let q = self.qualification;
        let width = match q & 7 {
            0 => Width::Byte,
            1 => Width::Word,
            3 => Width::Dword,
            _ => return Exit::MalformedIo(q),
        };
        Exit::Io(IoAccess {
            port: Port((q >> 16 & 0xffff) as u16),
            width,
            direction: if bit(q, 3) { Direction::In } else { Direction::Out },
            string: bit(q, 4),
            rep: bit(q, 5),
            immediate: bit(q, 6),
        })
    }
}

const fn bit(word: u64, n: u32) -> bool {
    word >> n & 1 != 0
}

fn parse_task_switch(q: u64) -> TaskSwitch {
    TaskSwitch {
        selector: (q & 0xffff) as u16,
        source: match q >> 30 & 3 {
            0 => TaskSwitchSource::Call,
            1 => TaskSwitchSource::Iret,
            2 => TaskSwitchSource::Jmp,
            _ => TaskSwitchSource::TaskGate,
        },
    }
}

fn parse_cr(q: u64) -> CrAccess {
    let gpr = Gpr::from_encoding((q >> 8 & 15) as u8);
    let number = (q & 15) as u8;
    let register = match number {
        0 => ControlRegister::Cr0,
        3 => ControlRegister::Cr3,
        4 => ControlRegister::Cr4,
        8 => ControlRegister::Cr8,
        _ => return CrAccess::NoSuchRegister(number),
    };
    match q >> 4 & 3 {
        0 => CrAccess::Write { register, from: gpr },
        1 => CrAccess::Read { register, to: gpr },
        2 => CrAccess::Clts,
        _ => CrAccess::Lmsw((q >> 16 & 0xffff) as u16),
    }
}

fn parse_ept_violation(q: u64, gpa: Gpa) -> EptViolation {
    EptViolation {
        gpa,
        read: bit(q, 0),
        write: bit(q, 1),
        fetch: bit(q, 2),
        mapped: (bit(q, 3), bit(q, 4), bit(q, 5)),
        linear_valid: bit(q, 7),
        translated: bit(q, 8),
        nmi_unblocked: bit(q, 12),
    }
}

#[cfg(test)]
mod tests;
