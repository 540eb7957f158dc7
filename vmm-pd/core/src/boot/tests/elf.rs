//! ELF files and PVH.

use super::*;
use crate::cpu::Gpr;
use proptest::prelude::*;
use std::string::ToString;

/// Where the test kernels are loaded and entered.
const LOAD: u64 = 2 * n::MIB;
const ENTRY: u64 = LOAD + 0x10;
/// Offsets in the test files.
const PHDRS: usize = 64;
const NOTE: usize = 0x200;
const CODE: usize = 0x400;
const CODE_SIZE: usize = 0x300;
const BSS: usize = 0x2000;

/// One note.
fn note(owner: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend((owner.len() as u32).to_le_bytes());
    note.extend((desc.len() as u32).to_le_bytes());
    note.extend(kind.to_le_bytes());
    note.extend(owner);
    note.resize(note.len().next_multiple_of(4), 0);
    note.extend(desc);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn notes() -> Vec<u8> {
    [
        note(b"GNU\0", 3, &[7; 20]),
        note(b"Linux\0", 18, &[9; 8]),
        note(b"Xen\0", 6, b"linux\0"),
        note(b"Xen\0", 18, &(ENTRY as u32).to_le_bytes()),
    ]
    .concat()
}

/// A 64-bit kernel: a load segment with bss, and notes.
pub(super) fn kernel() -> Vec<u8> {
    let mut f = std::vec![0; CODE + CODE_SIZE];
    put(&mut f, 0, b"\x7FELF\x02\x01\x01");
    put(&mut f, 16, &2u16.to_le_bytes());
    put(&mut f, 18, &62u16.to_le_bytes());
    put(&mut f, 20, &1u32.to_le_bytes());
    put(&mut f, 32, &(PHDRS as u64).to_le_bytes());
    put(&mut f, 54, &56u16.to_le_bytes());
    put(&mut f, 56, &2u16.to_le_bytes());
    let notes = notes();
    for (i, (kind, offset, paddr, filesz, memsz)) in [
        (1u32, CODE as u64, LOAD, CODE_SIZE as u64, (CODE_SIZE + BSS) as u64),
        (4, NOTE as u64, 0, notes.len() as u64, notes.len() as u64),
    ]
    .into_iter()
    .enumerate()
    {
        let at = PHDRS + i * 56;
        put(&mut f, at, &kind.to_le_bytes());
        put(&mut f, at + 8, &offset.to_le_bytes());
        put(&mut f, at + 16, &(paddr | 0xFFFF_FFFF_8000_0000).to_le_bytes());
        put(&mut f, at + 24, &paddr.to_le_bytes());
        put(&mut f, at + 32, &filesz.to_le_bytes());
        put(&mut f, at + 40, &memsz.to_le_bytes());
        put(&mut f, at + 48, &4u64.to_le_bytes());
    }
    put(&mut f, NOTE, &notes);
    for (i, byte) in f[CODE..].iter_mut().enumerate() {
        *byte = i as u8 | 1;
    }
    f
}

/// The same as a 32-bit file.
fn kernel_32() -> Vec<u8> {
    let mut f = kernel();
    f[..NOTE].fill(0);
    put(&mut f, 0, b"\x7FELF\x01\x01\x01");
    put(&mut f, 16, &2u16.to_le_bytes());
    put(&mut f, 18, &3u16.to_le_bytes());
    put(&mut f, 20, &1u32.to_le_bytes());
    put(&mut f, 28, &(PHDRS as u32).to_le_bytes());
    put(&mut f, 42, &32u16.to_le_bytes());
    put(&mut f, 44, &2u16.to_le_bytes());
    let notes = notes().len() as u32;
    for (i, fields) in [
        [1, CODE as u32, 0, LOAD as u32, CODE_SIZE as u32, (CODE_SIZE + BSS) as u32, 7, 4096],
        [4, NOTE as u32, 0, 0, notes, notes, 4, 4],
    ]
    .into_iter()
    .enumerate()
    {
        for (j, field) in fields.into_iter().enumerate() {
            put(&mut f, PHDRS + i * 32 + j * 4, &u32::to_le_bytes(field));
        }
    }
    f
}

/// The 64-bit kernel with some bytes changed.
fn changed(at: usize, value: &[u8]) -> Vec<u8> {
    let mut f = kernel();
    put(&mut f, at, value);
    f
}

fn malformed(at: usize, value: &[u8]) -> bool {
    matches!(refusal(&changed(at, value)), BootError::Malformed(_))
}

#[test]
fn both_classes_are_loaded_and_entered() {
    let initrd = b"an initial RAM disk";
    for kernel in [kernel(), kernel_32()] {
        let (memory, started) = start(&kernel, Some(initrd));
        let started = started.unwrap();
        assert_eq!(started.protocol, Protocol::Pvh);
        assert_eq!(started.entry.mode, Mode::Protected32);
        assert_eq!(started.entry.rip, Gpa(ENTRY));
        assert_eq!(started.entry.register, Gpr::Rbx);
        assert_eq!(started.kernel, Span::new(LOAD, LOAD + (CODE_SIZE + BSS) as u64));

        let loaded = &memory.0[LOAD as usize..];
        assert!(loaded[..CODE_SIZE] == kernel[CODE..]);
        assert!(loaded[CODE_SIZE..CODE_SIZE + BSS].iter().all(|b| *b == 0), "dirty bss");
        assert_eq!(loaded[CODE_SIZE + BSS], 0xA5, "cleared too much");
        let span = started.initrd.unwrap();
        assert_eq!(span, Span::new(RAM - n::PAGE, RAM - n::PAGE + 19));
        assert!(memory.0[span.start as usize..].starts_with(initrd));
        check_low_memory(&memory);
    }
}

/// Offsets from Xen's public/arch-x86/hvm/start_info.h.
#[test]
fn the_start_information_is_xens() {
    let (memory, started) = start(&kernel(), Some(b"initrd"));
    let started = started.unwrap();
    let info = started.entry.table.0;
    let m = &memory.0;
    assert_eq!(number(m, info, 4), 0x336E_C578);
    assert_eq!(number(m, info + 4, 4), 1, "version");
    assert_eq!(number(m, info + 8, 4), 0, "flags");
    assert_eq!(number(m, info + 12, 4), 1, "modules");
    let modules = number(m, info + 16, 8);
    let line = number(m, info + 24, 8);
    assert!(m[line as usize..].starts_with(b"console=ttyS0\0"));
    assert!(m[number(m, info + 32, 8) as usize..].starts_with(b"RSD PTR "));
    let map = number(m, info + 40, 8);
    assert_eq!(number(m, info + 48, 4), e820::RANGES as u64);

    let initrd = started.initrd.unwrap();
    assert_eq!(number(m, modules, 8), initrd.start);
    assert_eq!(number(m, modules + 8, 8), 6);
    assert_eq!(number(m, modules + 16, 8), 0);
    for (i, range) in e820::map(ram()).iter().enumerate() {
        let entry = map + 24 * i as u64;
        assert_eq!(number(m, entry, 8), range.span.start);
        assert_eq!(number(m, entry + 8, 8), range.span.length());
        assert_eq!(number(m, entry + 16, 4), range.kind as u64);
    }
}

#[test]
fn without_an_initrd_there_is_no_module() {
    let (memory, started) = start(&kernel(), None);
    let info = started.unwrap().entry.table.0;
    assert_eq!(number(&memory.0, info + 12, 4), 0);
    assert_eq!(number(&memory.0, info + 16, 8), 0);
}

#[test]
fn an_entry_of_eight_bytes_is_read_too() {
    let mut f = kernel();
    let notes = note(b"Xen\0", 18, &ENTRY.to_le_bytes());
    put(&mut f, NOTE, &notes);
    put(&mut f, PHDRS + 56 + 32, &(notes.len() as u64).to_le_bytes());
    assert_eq!(start(&f, None).1.unwrap().entry.rip, Gpa(ENTRY));
}

#[test]
fn foreign_machines_are_named() {
    for (machine, name) in [(183u16, "aarch64"), (243, "RISC-V"), (40, "32-bit Arm")] {
        let text = refusal(&changed(18, &machine.to_le_bytes())).to_string();
        assert!(text.contains(name), "{text}");
    }
    let text = refusal(&changed(18, &777u16.to_le_bytes())).to_string();
    assert!(text.contains("777"), "{text}");
    assert!(refusal(&changed(5, &[2])).to_string().contains("big-endian"));
    assert!(refusal(&changed(4, &[1])).to_string().contains("x32"));
}

#[test]
fn a_file_that_is_no_executable_is_refused() {
    assert!(malformed(16, &1u16.to_le_bytes()), "relocatable");
    assert!(malformed(16, &3u16.to_le_bytes()), "shared");
    assert!(malformed(6, &[0]), "version");
}

#[test]
fn program_headers_that_cannot_be_are_refused() {
    assert!(malformed(54, &57u16.to_le_bytes()), "size");
    assert!(malformed(56, &0u16.to_le_bytes()), "none");
    assert!(malformed(56, &65u16.to_le_bytes()), "too many");
    assert!(malformed(PHDRS + 40, &1u64.to_le_bytes()), "memory below file size");
    for phoff in [u64::MAX, 0x10_0000, (CODE + CODE_SIZE - 111) as u64] {
        let error = refusal(&changed(32, &phoff.to_le_bytes()));
        assert!(matches!(error, BootError::Truncated { .. }), "{error}");
    }
}

#[test]
fn a_segment_beyond_the_file_is_truncated() {
    for (field, value) in [(8, u64::MAX), (8, CODE as u64 + 1), (32, u64::MAX)] {
        let error = refusal(&changed(PHDRS + field, &value.to_le_bytes()));
        assert!(matches!(error, BootError::Truncated { .. }), "{error}");
    }
}

#[test]
fn a_segment_outside_the_room_for_kernels_is_refused() {
    for paddr in [0, n::MIB - 1, RAM, RAM - CODE_SIZE as u64, n::LAPIC, u64::MAX - 10, u64::MAX] {
        let error = refusal(&changed(PHDRS + 24, &paddr.to_le_bytes()));
        assert!(matches!(error, BootError::NoRoom { .. }), "{paddr:#x}: {error}");
    }
    let error = refusal(&changed(PHDRS + 40, &u64::MAX.to_le_bytes()));
    assert!(matches!(error, BootError::NoRoom { .. }), "{error}");
}

#[test]
fn a_kernel_without_the_note_is_refused() {
    // Another owner, another kind, no notes.
    assert_eq!(refusal(&changed(PHDRS + 56, &0u32.to_le_bytes())), BootError::NoPvhEntry);
    let notes = notes().len();
    assert_eq!(refusal(&changed(NOTE + notes - 8, b"Yen\0")), BootError::NoPvhEntry);
    assert_eq!(refusal(&changed(NOTE + notes - 12, &[17])), BootError::NoPvhEntry);
}

#[test]
fn notes_that_cannot_be_are_refused() {
    assert!(malformed(NOTE, &u32::MAX.to_le_bytes()), "name");
    assert!(malformed(NOTE + 4, &u32::MAX.to_le_bytes()), "description");
    let last = NOTE + notes().len() - 20;
    assert!(malformed(last + 4, &2u32.to_le_bytes()), "entry of two bytes");
    let many = changed(PHDRS + 56 + 32, &(65 * n::KIB).to_le_bytes());
    let padded = [many, std::vec![0; 66 * 1024]].concat();
    assert!(matches!(refusal(&padded), BootError::Malformed(_)));
}

#[test]
fn an_entry_outside_every_segment_is_refused() {
    let last = NOTE + notes().len() - 4;
    for entry in [0, (LOAD - 1) as u32, (LOAD as usize + CODE_SIZE + BSS) as u32, u32::MAX] {
        assert!(malformed(last, &entry.to_le_bytes()), "{entry:#x}");
    }
}

#[test]
fn a_file_with_nothing_to_load_is_refused() {
    assert!(malformed(PHDRS, &0u32.to_le_bytes()));
}

proptest! {
    /// Any damage to any header: no panic, nothing written outside RAM, and
    /// what starts has its entry in loaded memory.
    #[test]
    fn damaged_headers_are_survived(
        changes in prop::collection::vec((0usize..CODE, any::<u8>()), 1..12),
        bits_32: bool,
    ) {
        let mut f = if bits_32 { kernel_32() } else { kernel() };
        for (at, value) in changes {
            f[at] = value;
        }
        prop_assert_eq!(writes_outside(&f, Some(b"initrd")), std::vec![]);
    }

    /// Fields of the kind that break loaders.
    #[test]
    fn extreme_fields_are_survived(
        fields in prop::collection::vec(
            (0usize..20, prop_oneof![
                Just(0u64), Just(1), Just(u64::MAX), Just(i64::MAX as u64),
                Just(u64::from(u32::MAX)), Just(RAM), any::<u64>()]), 1..6),
    ) {
        let mut f = kernel();
        for (field, value) in fields {
            // ELF header's last fields, then both program headers.
            put(&mut f, 24 + field * 8, &value.to_le_bytes());
        }
        prop_assert_eq!(writes_outside(&f, None), std::vec![]);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused(length in 0..CODE + CODE_SIZE) {
        refusal(&kernel()[..length]);
    }
}
