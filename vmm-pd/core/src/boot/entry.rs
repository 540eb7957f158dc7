//! The virtual CPU's state at the guest's first instruction.
//!
//! Every field is set, not only those that matter to the protocol: after a
//! restart the CPU still holds what the last guest left. Bits of CR0 and CR4
//! that the host needs are the back end's matter.

use crate::cpu::{Cpu, Gpr, Segment, SegmentRegister, StateField};
use crate::layout::numbers as n;
use crate::types::Gpa;

/// CR0: protection.
const CR0_PE: u64 = 1 << 0;
/// CR0: extension type; always one.
const CR0_ET: u64 = 1 << 4;
/// CR0: paging.
const CR0_PG: u64 = 1 << 31;
/// CR4: physical address extension.
const CR4_PAE: u64 = 1 << 5;
/// EFER: long mode enabled, and active.
const EFER_LME_LMA: u64 = 1 << 8 | 1 << 10;
/// RFLAGS: the bit that is always one.
const RFLAGS_FIXED: u64 = 1 << 1;
/// DR7: the bit that is always one.
const DR7_FIXED: u64 = 1 << 10;
/// IA32_PAT after reset (Intel SDM vol. 3A, table 12-12).
const PAT_RESET: u64 = 0x0007_0406_0007_0406;

/// Access rights: a segment register that holds nothing.
const UNUSABLE: u32 = 1 << 16;

/// Selectors of Linux's boot protocol (`__BOOT_CS`, `__BOOT_DS`); PVH leaves
/// them open.
const CODE_SELECTOR: u16 = 0x10;
const DATA_SELECTOR: u16 = 0x18;
const TASK_SELECTOR: u16 = 0x20;

/// Flat 32-bit code, readable.
pub(super) const CODE_32: Segment =
    Segment { selector: CODE_SELECTOR, base: 0, limit: u32::MAX, access_rights: 0xC09B };
/// 64-bit code.
pub(super) const CODE_64: Segment =
    Segment { selector: CODE_SELECTOR, base: 0, limit: u32::MAX, access_rights: 0xA09B };
/// Flat data, writable.
pub(super) const DATA: Segment =
    Segment { selector: DATA_SELECTOR, base: 0, limit: u32::MAX, access_rights: 0xC093 };
/// A busy task, which VM entry demands.
pub(super) const TASK: Segment = Segment {
    selector: TASK_SELECTOR,
    base: n::BOOT_TSS,
    limit: (n::BOOT_TSS_END - n::BOOT_TSS - 1) as u32,
    access_rights: 0x008B,
};

impl Segment {
    /// As a descriptor in memory (Intel SDM vol. 3A, figure 3-8).
    pub(super) const fn descriptor(&self) -> u64 {
        let granular = self.access_rights & 1 << 15 != 0;
        let limit = (if granular { self.limit >> 12 } else { self.limit }) as u64;
        let rights = (self.access_rights & 0xF0FF) as u64;
        limit & 0xFFFF
            | (self.base & 0xFF_FFFF) << 16
            | rights << 40
            | (limit >> 16 & 0xF) << 48
            | (self.base >> 24 & 0xFF) << 56
    }
}

/// How the processor runs at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// 32-bit protected mode, flat, paging off.
    Protected32,
    /// 64-bit mode on the identity tables at
    /// [`BOOT_PAGE_TABLES`](n::BOOT_PAGE_TABLES).
    Long64,
}

/// The first instruction and what the protocol hands over with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// How the processor runs.
    pub mode: Mode,
    /// The first instruction.
    pub rip: Gpa,
    /// The register that holds the address of the handed-over table.
    pub register: Gpr,
    /// That address.
    pub table: Gpa,
}

impl Entry {
    /// Sets the whole state of the CPU.
    pub fn apply(&self, cpu: &mut impl Cpu) {
        for register in Gpr::ALL {
            cpu.set_gpr(register, 0);
        }
        cpu.set_gpr(self.register, self.table.0);
        cpu.set_rip(self.rip.0);
        for register in SegmentRegister::ALL {
            cpu.set_segment(register, self.segment(register));
        }
        for (field, value) in self.fields() {
            cpu.set_state(field, value);
        }
        cpu.set_interrupt_window(false);
        cpu.set_nmi_window(false);
    }

    fn segment(&self, register: SegmentRegister) -> Segment {
        match (register, self.mode) {
            (SegmentRegister::Cs, Mode::Protected32) => CODE_32,
            (SegmentRegister::Cs, Mode::Long64) => CODE_64,
            (SegmentRegister::Tr, _) => TASK,
            (SegmentRegister::Ldtr, _) => {
                Segment { selector: 0, base: 0, limit: 0, access_rights: UNUSABLE }
            }
            (
                SegmentRegister::Ds
                | SegmentRegister::Es
                | SegmentRegister::Ss
                | SegmentRegister::Fs
                | SegmentRegister::Gs,
                _,
            ) => DATA,
        }
    }

    /// Every field of state that can be written.
    fn fields(&self) -> [(StateField, u64); 30] {
        let (cr0, cr3, cr4, efer) = match self.mode {
            Mode::Protected32 => (CR0_PE | CR0_ET, 0, 0, 0),
            Mode::Long64 => (CR0_PE | CR0_ET | CR0_PG, n::BOOT_PAGE_TABLES, CR4_PAE, EFER_LME_LMA),
        };
        [
            // EFER and CR4 first: PG with LME decides what they mean.
            (StateField::Efer, efer),
            (StateField::Cr4, cr4),
            (StateField::Cr4Shadow, cr4),
            (StateField::Cr3, cr3),
            (StateField::Cr0, cr0),
            (StateField::Cr0Shadow, cr0),
            (StateField::Rflags, RFLAGS_FIXED),
            (StateField::Dr7, DR7_FIXED),
            (StateField::Pat, PAT_RESET),
            (StateField::SysenterCs, 0),
            (StateField::SysenterEsp, 0),
            (StateField::SysenterEip, 0),
            (StateField::GdtrBase, n::BOOT_GDT),
            (StateField::GdtrLimit, n::BOOT_GDT_END - n::BOOT_GDT - 1),
            (StateField::IdtrBase, 0),
            (StateField::IdtrLimit, 0),
            (StateField::Interruptibility, 0),
            (StateField::ActivityState, 0),
            (StateField::PendingDebug, 0),
            (StateField::Pdpte0, 0),
            (StateField::Pdpte1, 0),
            (StateField::Pdpte2, 0),
            (StateField::Pdpte3, 0),
            (StateField::DebugControl, 0),
            (StateField::Star, 0),
            (StateField::Lstar, 0),
            (StateField::Cstar, 0),
            (StateField::Fmask, 0),
            (StateField::KernelGsBase, 0),
            (StateField::TscAux, 0),
        ]
    }
}
