//! The end of an instruction.

use crate::cpu::{Cpu, StateField};

const RFLAGS_TF: u64 = 1 << 8;
const RFLAGS_RF: u64 = 1 << 16;
/// Blocking by STI and by MOV SS lasts one instruction (Intel SDM vol. 3C,
/// table 25-3).
const BLOCKING_BY_STI_OR_MOV_SS: u64 = 0b11;
const BLOCKING_BY_MOV_SS: u64 = 0b10;
/// Pending debug exceptions: BS, single step (Intel SDM vol. 3C, table 25-4).
const PENDING_SINGLE_STEP: u64 = 1 << 14;

/// Moves on to the instruction at `next`: what the processor does beside, when
/// it completes one itself. RFLAGS.RF ends, blocking by STI or MOV SS ends, and a
/// single-stepping guest gets its trap. For the VMM's other exits too.
///
/// Fields are written only if they change, since each may cost a kernel call.
#[inline(always)]
pub fn retire(cpu: &mut impl Cpu, next: u64) {
    let flags = cpu.state(StateField::Rflags);
    let blocking = cpu.state(StateField::Interruptibility);
    retire_from(cpu, next, flags, blocking);
}

/// The same where RFLAGS and interruptibility are at hand.
#[inline(always)]
pub fn retire_from(cpu: &mut impl Cpu, next: u64, flags: u64, blocking: u64) {
    cpu.set_rip(next);
    if flags & (RFLAGS_RF | RFLAGS_TF) | blocking & BLOCKING_BY_STI_OR_MOV_SS != 0 {
        retire_rest(cpu, flags, blocking);
    }
}

/// What seldom has to be done.
#[cold]
fn retire_rest(cpu: &mut impl Cpu, flags: u64, blocking: u64) {
    if flags & RFLAGS_RF != 0 {
        cpu.set_state(StateField::Rflags, flags & !RFLAGS_RF);
    }
    if blocking & BLOCKING_BY_STI_OR_MOV_SS != 0 {
        cpu.set_state(StateField::Interruptibility, blocking & !BLOCKING_BY_STI_OR_MOV_SS);
    }
    if flags & RFLAGS_TF != 0 {
        let pending = cpu.state(StateField::PendingDebug);
        cpu.set_state(StateField::PendingDebug, pending | PENDING_SINGLE_STEP);
    }
}

/// As [`retire`], after MOV SS: the next instruction runs before any interrupt
/// or single-step trap (Intel SDM vol. 3A, 6.8.3).
pub(super) fn retire_blocking(cpu: &mut impl Cpu, next: u64) {
    cpu.set_rip(next);
    let flags = cpu.state(StateField::Rflags);
    cpu.set_state(StateField::Rflags, flags & !RFLAGS_RF);
    let blocking = cpu.state(StateField::Interruptibility) & !BLOCKING_BY_STI_OR_MOV_SS;
    cpu.set_state(StateField::Interruptibility, blocking | BLOCKING_BY_MOV_SS);
}
