//! Rules for CR0, CR4, CR8, XCR0 and EFER.
//!
//! Not here: what the processor checks by itself. The surprising fact: nearly
//! everything is left to it. The host owns only the bits that a guest must not
//! truly have, and the guest reads those from a shadow.
//!
//! - **CR0**: NE must be set in VMX operation; CD and NW are not reloaded by VM
//!   exits (Intel SDM vol. 3C, 28.5.1), so a guest's would stay in force for
//!   everybody else on the processor. A write that changes one of the three
//!   exits; the shadow takes the new value and the instruction *runs again*: this
//!   time nothing differs from the shadow, so the processor completes it, with
//!   all its checks, the load of PDPTEs, EFER.LMA and the flush of the TLB. No
//!   emulation could do the last: no kernel below us gives a VMM INVVPID. PE, PG,
//!   WP and TS never exit by themselves (unrestricted guest).
//! - **CR4**: the host owns VMXE and every bit whose feature CPUID does not
//!   offer. All of them are zero in the shadow, so an exit means that the guest
//!   sets one: #GP, as where the bit is reserved. (That VMXE and CR0.NE are in
//!   truth set is the kernel's doing.)
//! - **CR8** exits, because no kernel switches the register, and is the local
//!   APIC's task priority.
//! - **XCR0** is not switched. Where the kernel's holds AVX, a guest may write that
//!   very value; where not, XSAVE is not offered and XSETBV is #UD, as with
//!   CR4.OSXSAVE clear ([`write_xcr0`]).
//! - **EFER** exits by the MSR bitmap; see [`write_efer`].

use crate::cpu::{Cpu, Exception, SegmentRegister, StateField};

/// CR0.PE.
pub const CR0_PE: u64 = 1 << 0;
/// CR0.NE.
pub const CR0_NE: u64 = 1 << 5;
/// CR0.NW.
pub const CR0_NW: u64 = 1 << 29;
/// CR0.CD.
pub const CR0_CD: u64 = 1 << 30;
/// CR0.PG.
pub const CR0_PG: u64 = 1 << 31;

/// CR4.UMIP.
pub const CR4_UMIP: u64 = 1 << 11;
/// CR4.FSGSBASE.
pub const CR4_FSGSBASE: u64 = 1 << 16;
/// CR4.PCIDE.
pub const CR4_PCIDE: u64 = 1 << 17;
/// CR4.OSXSAVE.
pub const CR4_OSXSAVE: u64 = 1 << 18;
/// CR4.SMEP.
pub const CR4_SMEP: u64 = 1 << 20;
/// CR4.SMAP.
pub const CR4_SMAP: u64 = 1 << 21;

/// EFER.SCE.
pub const EFER_SCE: u64 = 1 << 0;
/// EFER.LME.
pub const EFER_LME: u64 = 1 << 8;
/// EFER.LMA.
pub const EFER_LMA: u64 = 1 << 10;
/// EFER.NXE.
pub const EFER_NXE: u64 = 1 << 11;

/// CR0 bits that the host owns: what goes into the CR0 guest/host mask.
pub const CR0_HOST_OWNED: u64 = CR0_NE | CR0_NW | CR0_CD;

/// CR4 bits that belong to features every guest is offered: VME, PVI, TSD, DE,
/// PSE, PAE, MCE, PGE, PCE, OSFXSR, OSXMMEXCPT.
const CR4_ALWAYS: u64 = 0x7ff;

/// Exceptions that must exit: what goes into the exception bitmap.
///
/// #DB and #AC, because a guest whose handler cannot be entered without another
/// of the kind would keep the processor in an endless delivery that nothing
/// interrupts; #MC, because it tells of the host's hardware. What surprises: a
/// #DB that exits leaves DR6 as it was (Intel SDM vol. 3C, 28.1), and no VMM can
/// set it; so the kernel does (patch 0028).
pub const EXITING_EXCEPTIONS: u32 = 1 << 1 | 1 << 17 | 1 << 18;

/// Primary processor controls that dispatch relies on (Intel SDM vol. 3C, table
/// 25-6), besides those that the kernel sets itself: HLT, MWAIT, RDPMC, MONITOR
/// exiting, CR8-load and CR8-store exiting. INVLPG, RDTSC and PAUSE exiting stay
/// off. The windows and the secondary controls' switch are the back end's.
pub const PRIMARY_CONTROLS: u32 = 1 << 7 | 1 << 10 | 1 << 11 | 1 << 19 | 1 << 20 | 1 << 29;

/// MOV-DR exiting: for a guest whose debug registers are
/// [`DebugRegisters`](crate::debug_registers::DebugRegisters).
pub const MOV_DR_EXITING: u32 = 1 << 23;

/// Entry controls besides the mode: debug controls, IA32_PAT and IA32_EFER are
/// loaded, so that a guest has its own. A kernel may force more.
pub const ENTRY_CONTROLS: u32 = 1 << 2 | 1 << 14 | 1 << 15;

/// Secondary controls that dispatch relies on (table 25-7): RDTSCP, WBINVD
/// exiting, unrestricted guest, INVPCID. EPT and VPID are the kernel's.
pub const SECONDARY_CONTROLS: u32 = 1 << 3 | 1 << 6 | 1 << 7 | 1 << 12;

/// Which bits of CR4 a guest may set, from what CPUID offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cr4Policy {
    guest_owned: u64,
}

impl Cr4Policy {
    /// A guest may set these bits besides those that every guest may.
    pub const fn new(offered: u64) -> Self {
        let optional = CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
        Cr4Policy { guest_owned: CR4_ALWAYS | (offered & optional) }
    }

    /// CR4 bits that the host owns: what goes into the CR4 guest/host mask.
    pub const fn host_owned(self) -> u64 {
        !self.guest_owned
    }
}

/// What a control-register write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Done; go on behind the instruction.
    Done,
    /// Prepared; run the instruction again.
    RunAgain,
    /// #GP(0).
    Fault,
    /// No bit changes that the host owns: the exit was not asked for, and running
    /// the instruction again would bring it again.
    NotAskedFor,
}

/// The guest executes MOV to CR0, and a bit that the host owns changes.
pub fn write_cr0(cpu: &mut impl Cpu, value: u64) -> Written {
    let value = operand(cpu, value);
    // The processor checks the rest, but sees the bits that the host owns as the
    // host has them.
    if value >> 32 != 0 || value & CR0_NW != 0 && value & CR0_CD == 0 {
        return Written::Fault;
    }
    if value & CR0_PG != 0 && value & CR0_PE == 0 {
        return Written::Fault;
    }
    let shadow = cpu.state(StateField::Cr0Shadow);
    let next = shadow & !CR0_HOST_OWNED | value & CR0_HOST_OWNED;
    if next == shadow {
        return Written::NotAskedFor;
    }
    cpu.set_state(StateField::Cr0Shadow, next);
    Written::RunAgain
}

/// The guest executes MOV to CR4, and a bit that the host owns changes: it sets
/// one that it must take for reserved.
pub const fn write_cr4() -> Written {
    Written::Fault
}

/// The operand of MOV to a control register: outside 64-bit mode only its low
/// half exists.
fn operand(cpu: &mut impl Cpu, value: u64) -> u64 {
    if value >> 32 == 0 || in_64_bit_mode(cpu) { value } else { value & 0xffff_ffff }
}

/// Whether the guest executes 64-bit code. For code above 4 GiB, as operating
/// systems' is, that costs nothing: in no other mode has RIP an upper half
/// (Intel SDM vol. 3C, 27.3.1.4).
#[inline]
pub fn in_64_bit_mode(cpu: &mut impl Cpu) -> bool {
    const L: u32 = 1 << 13;
    if cpu.rip() >> 32 != 0 {
        return true;
    }
    cpu.state(StateField::Efer) & EFER_LMA != 0 && cpu.access_rights(SegmentRegister::Cs) & L != 0
}

/// The guest executes XSETBV where `offered` is the only value that XCR0 can have
/// (Intel SDM vol. 2D, "XSETBV"). What the processor checks before the exit and
/// what after differs between processors, so all is checked.
///
/// # Errors
/// What the guest gets instead.
pub fn write_xcr0(
    cpu: &mut impl Cpu,
    offered: u64,
    register: u32,
    value: u64,
) -> Result<(), Exception> {
    if offered == 0 || cpu.state(StateField::Cr4) & CR4_OSXSAVE == 0 {
        return Err(Exception::InvalidOpcode);
    }
    if privilege_level(cpu) != 0 || register != 0 || value != offered {
        return Err(Exception::GeneralProtection(0));
    }
    Ok(())
}

/// CPL: the stack segment's DPL (vol. 3C, 25.4.1).
pub fn privilege_level(cpu: &mut impl Cpu) -> u32 {
    cpu.access_rights(SegmentRegister::Ss) >> 5 & 3
}

/// The guest writes IA32_EFER (Intel SDM vol. 3A, 2.2.1 and 10.8.5). LMA is the
/// processor's to change; a write to it is ignored.
pub fn write_efer(cpu: &mut impl Cpu, value: u64, nx: bool) -> Written {
    let offered = EFER_SCE | EFER_LME | EFER_LMA | if nx { EFER_NXE } else { 0 };
    if value & !offered != 0 {
        return Written::Fault;
    }
    let old = cpu.state(StateField::Efer);
    let changes_lme = (old ^ value) & EFER_LME != 0;
    if changes_lme && cpu.state(StateField::Cr0) & CR0_PG != 0 {
        return Written::Fault;
    }
    let new = value & !EFER_LMA | old & EFER_LMA;
    if new != old {
        cpu.set_state(StateField::Efer, new);
    }
    Written::Done
}

#[cfg(test)]
mod tests;
