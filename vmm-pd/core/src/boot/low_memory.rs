//! What a PC's firmware leaves below 1 MiB, and what both boot protocols need
//! there besides: command line, descriptor table, ACPI tables.

use zerocopy::{IntoBytes, little_endian::U64};

use super::acpi;
use super::entry::{CODE_32, CODE_64, DATA, Mode, TASK};
use crate::layout::numbers as n;
use crate::memory::{GuestMemory, NotRam};
use crate::types::Gpa;

/// BIOS data area: the port of COM1 (IBM PC/AT Technical Reference).
const BDA_COM1: u64 = n::BDA;
/// BIOS data area: segment of the extended BIOS data area.
const BDA_EBDA_SEGMENT: u64 = n::BDA + 0x0E;
/// BIOS data area: conventional memory in KiB.
const BDA_BASE_MEMORY: u64 = n::BDA + 0x13;

/// Clears the first MiB, which a guest before this one may have used, and
/// writes what is the same for every kernel.
///
/// # Errors
/// The first MiB is not all RAM.
pub(super) fn prepare<M: GuestMemory>(memory: &mut M, mode: Mode) -> Result<(), NotRam> {
    memory.zero(Gpa(0), n::HIGH_MEMORY)?;
    memory.write(Gpa(BDA_COM1), &n::COM1_PORT.to_le_bytes())?;
    // Both fit a word: the area lies below 640 KiB.
    memory.write(Gpa(BDA_EBDA_SEGMENT), &((n::EBDA >> 4) as u16).to_le_bytes())?;
    memory.write(Gpa(BDA_BASE_MEMORY), &((n::EBDA / n::KIB) as u16).to_le_bytes())?;
    // The extended area's first byte is its size in KiB.
    memory.write(Gpa(n::EBDA), &[((n::EBDA_END - n::EBDA) / n::KIB) as u8])?;
    memory.write(Gpa(n::BOOT_GDT), descriptors(mode).as_bytes())?;
    acpi::install(memory)
}

/// The descriptor table that the first segments were loaded from. A task
/// descriptor takes two places in 64-bit mode.
fn descriptors(mode: Mode) -> [U64; 6] {
    let code = match mode {
        Mode::Protected32 => CODE_32,
        Mode::Long64 => CODE_64,
    };
    [0, 0, code.descriptor(), DATA.descriptor(), TASK.descriptor(), 0].map(U64::new)
}
