//! The virtual CPU's controls and first state: flat 32-bit protected mode, paging
//! off, interrupts off (Intel SDM vol. 3C, 27.3.1: what an entry checks).

use sel4::{
    cap::Vcpu,
    vmx::{field, primary, secondary},
};

/// CR0: protection, and the bit that is always one.
const CR0: u64 = 1 << 0 | 1 << 4;
/// RFLAGS: the bit that is always one.
const RFLAGS: u64 = 1 << 1;

/// Access rights: flat 32-bit code, flat data, a busy 32-bit task, nothing.
const CODE: u64 = 0xC09B;
const DATA: u64 = 0xC093;
const TASK: u64 = 0x008B;
const UNUSABLE: u64 = 1 << 16;

/// Segment registers in the order of their fields' encodings, which are two apart:
/// ES, CS, SS, DS, FS, GS, LDTR, TR. Access rights and limits.
const SEGMENTS: [(u64, u64); 8] = [
    (DATA, FLAT),
    (CODE, FLAT),
    (DATA, FLAT),
    (DATA, FLAT),
    (DATA, FLAT),
    (DATA, FLAT),
    (UNUSABLE, 0),
    (TASK, TASK_LIMIT),
];
const FLAT: u64 = 0xffff_ffff;
/// 104 bytes (Intel SDM vol. 3A, figure 8-2).
const TASK_LIMIT: u64 = 103;

/// Sets them; returns the primary controls for every entry.
///
/// # Errors
/// The kernel's, for a field that it does not write.
pub fn prepare(vcpu: Vcpu) -> Result<u64, sel4::Error> {
    let secondary = secondary::EPT | secondary::UNRESTRICTED_GUEST;
    vcpu.write_vmcs(field::SECONDARY_CONTROLS, secondary.into())?;
    for (n, (rights, limit)) in (0u32..).zip(SEGMENTS) {
        vcpu.write_vmcs(field::GUEST_ES_SELECTOR + 2 * n, 0)?;
        vcpu.write_vmcs(field::GUEST_ES_BASE + 2 * n, 0)?;
        vcpu.write_vmcs(field::GUEST_ES_LIMIT + 2 * n, limit)?;
        vcpu.write_vmcs(field::GUEST_ES_ACCESS_RIGHTS + 2 * n, rights)?;
    }
    for (field, value) in [
        (field::ENTRY_CONTROLS, 0),
        (field::EXCEPTION_BITMAP, 0),
        (field::GUEST_EFER, 0),
        (field::GUEST_CR4, 0),
        (field::GUEST_CR3, 0),
        (field::GUEST_CR0, CR0),
        (field::GUEST_RFLAGS, RFLAGS),
        (field::GUEST_INTERRUPTIBILITY, 0),
        (field::GUEST_ACTIVITY, 0),
    ] {
        vcpu.write_vmcs(field, value)?;
    }
    Ok(primary::HLT_EXITING.into())
}
