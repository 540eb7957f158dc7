//! The processor's mode, read once for an instruction.

use super::Interruption;
use crate::cpu::{Cpu, Exception, SegmentRegister, StateField};
use crate::decode::CodeSize;
use crate::memory::GuestMemory;
use crate::types::{Gpa, Gva, Width};
use crate::walk::{Access, AccessKind, AddressSpace, Paging, PhysicalBits};

/// EFER.LMA.
pub(super) const EFER_LMA: u64 = 1 << 10;
/// A segment's L bit: 64-bit code.
pub(super) const RIGHTS_LONG: u32 = 1 << 13;
/// A segment's D/B bit.
const RIGHTS_BIG: u32 = 1 << 14;
const CR0_PE: u64 = 1 << 0;
const CR0_AM: u64 = 1 << 18;
const RFLAGS_VM: u64 = 1 << 17;
const RFLAGS_AC: u64 = 1 << 18;

/// What an instruction's meaning depends on besides its bytes.
pub(super) struct Context {
    pub(super) code: CodeSize,
    pub(super) space: AddressSpace,
    /// RFLAGS before the instruction.
    pub(super) flags: u64,
    /// Size of the stack pointer.
    pub(super) stack: Width,
    /// Misaligned user accesses raise #AC.
    check_alignment: bool,
    user: bool,
    paging: Paging,
}

impl Context {
    pub(super) fn of(cpu: &mut impl Cpu, physical: PhysicalBits) -> Result<Context, Interruption> {
        let cr0 = cpu.state(StateField::Cr0);
        let flags = cpu.state(StateField::Rflags);
        let code_rights = cpu.access_rights(SegmentRegister::Cs);
        let stack_rights = cpu.access_rights(SegmentRegister::Ss);
        let protected = cr0 & CR0_PE != 0;
        let virtual_8086 = protected && flags & RFLAGS_VM != 0;
        let long = protected
            && code_rights & RIGHTS_LONG != 0
            && cpu.state(StateField::Efer) & EFER_LMA != 0;
        let space = if long {
            AddressSpace::Long
        } else if protected && !virtual_8086 {
            AddressSpace::Protected
        } else {
            AddressSpace::Real
        };
        let (code, stack) = match space {
            AddressSpace::Long => (CodeSize::Bits64, Width::Qword),
            AddressSpace::Protected | AddressSpace::Real => (
                if code_rights & RIGHTS_BIG != 0 { CodeSize::Bits32 } else { CodeSize::Bits16 },
                if stack_rights & RIGHTS_BIG != 0 { Width::Dword } else { Width::Word },
            ),
        };
        // The privilege level is the stack segment's (Intel SDM vol. 3C,
        // 25.4.1, on access rights).
        let user = virtual_8086 || (protected && (stack_rights >> 5) & 3 == 3);
        Ok(Context {
            code,
            space,
            flags,
            stack,
            check_alignment: user && cr0 & CR0_AM != 0 && flags & RFLAGS_AC != 0,
            user,
            paging: Paging::of(cpu, physical)?,
        })
    }

    /// `base + more` as the instruction pointer counts.
    pub(super) fn offset(&self, base: u64, more: u64) -> u64 {
        match self.code {
            CodeSize::Bits64 => base.wrapping_add(more),
            CodeSize::Bits32 | CodeSize::Bits16 => base.wrapping_add(more) & 0xffff_ffff,
        }
    }

    /// How many bytes of code there are from `offset`, at least one and at most
    /// 15, before the segment ends. The first byte has been checked.
    pub(super) fn fetchable(&self, cpu: &mut impl Cpu, offset: u64) -> u8 {
        const MOST: u8 = crate::decode::MAX_LENGTH as u8;
        if self.space == AddressSpace::Long {
            return MOST;
        }
        let limit = u64::from(cpu.segment(SegmentRegister::Cs).limit);
        let beyond_first = limit.saturating_sub(offset);
        u8::try_from(beyond_first).map_or(MOST, |n| n.saturating_add(1).min(MOST))
    }

    pub(super) fn translate(
        &self,
        memory: &mut impl GuestMemory,
        gva: Gva,
        kind: AccessKind,
    ) -> Result<Gpa, Interruption> {
        let access = Access { kind, user: self.user, ac: self.flags & RFLAGS_AC != 0 };
        Ok(self.paging.translate(memory, gva, access)?)
    }

    /// #AC for an operand that is not aligned to its size, where that is
    /// checked.
    pub(super) fn align(&self, gva: Gva, length: u8) -> Result<(), Interruption> {
        let misaligned = length.is_power_of_two() && gva.0 & u64::from(length - 1) != 0;
        if self.check_alignment && misaligned {
            return Err(Interruption::Exception(Exception::AlignmentCheck));
        }
        Ok(())
    }
}
