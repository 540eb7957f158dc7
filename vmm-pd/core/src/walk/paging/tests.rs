//! Each rule of the page walk, and that any tables at all end in an answer.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::memory::TestMemory;

const ROOT: u64 = 0x1000;
const P: u64 = PRESENT;
const W: u64 = WRITABLE;
const U: u64 = USER;

/// An address with a different index at each level.
const LINEAR: u64 = 0x0000_1234_5678_9abc;
const LINEAR_32: u64 = 0x5678_9abc;

fn paging(mode: Mode) -> Paging {
    Paging {
        mode,
        root: ROOT,
        write_protect: true,
        no_execute: !matches!(mode, Mode::TwoLevel { .. }),
        smep: false,
        smap: false,
        physical: PhysicalBits::new(40).unwrap(),
    }
}

fn access(kind: AccessKind) -> Access {
    Access { kind, user: false, ac: false }
}

fn user(kind: AccessKind) -> Access {
    Access { kind, user: true, ac: false }
}

fn put(memory: &mut TestMemory, at: u64, value: u64, size: usize) {
    memory.write(Gpa(at), &value.to_le_bytes()[..size]).unwrap();
}

/// Tables for [`LINEAR`] in consecutive pages from [`ROOT`].
///
/// # Returns
/// Where the entries are.
fn chain(memory: &mut TestMemory, paging: &Paging, entries: &[u64]) -> Vec<u64> {
    let (shifts, bits, size): (&[u32], u32, usize) = match paging.mode {
        Mode::TwoLevel { .. } => (&[22, 12], 10, 4),
        Mode::Pae => (&[30, 21, 12], 9, 8),
        Mode::FourLevel => (&[39, 30, 21, 12], 9, 8),
        Mode::Off => (&[], 0, 0),
    };
    let linear = if paging.mode == Mode::FourLevel { LINEAR } else { LINEAR_32 };
    let mut places = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let index = (linear >> shifts[n]) & ((1 << bits) - 1);
        let at = ROOT + n as u64 * 0x1000 + index * size as u64;
        let last = n + 1 == entries.len();
        let next = if last { 0 } else { ROOT + (n as u64 + 1) * 0x1000 };
        put(memory, at, entry | next, size);
        places.push(at);
    }
    places
}

fn translate(paging: &Paging, entries: &[u64], access: Access) -> Result<u64, Fault> {
    let mut memory = TestMemory::new(0x10_000);
    chain(&mut memory, paging, entries);
    let linear = if paging.mode == Mode::FourLevel { LINEAR } else { LINEAR_32 };
    paging.translate(&mut memory, Gva(linear), access).map(|gpa| gpa.0)
}

fn page_fault(error_code: u32) -> Result<u64, Fault> {
    Err(Exception::PageFault { address: LINEAR, error_code }.into())
}

const TWO: Mode = Mode::TwoLevel { large_pages: true };

#[test]
fn each_size_of_page_keeps_the_right_bits() {
    let read = access(AccessKind::Read);
    let four = paging(Mode::FourLevel);
    let all = P | W | U;
    assert_eq!(translate(&four, &[all, all, all, 0x77_7000 | all], read), Ok(0x77_7abc));
    assert_eq!(translate(&four, &[all, all, 0x4040_0000 | LARGE | all], read), Ok(0x4058_9abc));
    assert_eq!(translate(&four, &[all, 0x1_4000_0000 | LARGE | all], read), Ok(0x1_5678_9abc));
    let pae = paging(Mode::Pae);
    assert_eq!(translate(&pae, &[P, all, 0x77_7000 | all], read), Ok(0x77_7abc));
    assert_eq!(translate(&pae, &[P, 0x12_4060_0000 | LARGE | all], read), Ok(0x12_4078_9abc));
    let two = paging(TWO);
    assert_eq!(translate(&two, &[all, 0xfee0_0000 | all], read), Ok(0xfee0_0abc));
    assert_eq!(translate(&two, &[0xfec0_0000 | LARGE | all], read), Ok(0xfef8_9abc));
}

#[test]
fn pse_36_gives_bits_39_to_32() {
    let two = paging(TWO);
    let read = access(AccessKind::Read);
    let entry = 0x0040_0000 | 0xff << 13 | LARGE | P;
    assert_eq!(translate(&two, &[entry], read), Ok(0xff_0078_9abc));
    assert_eq!(
        translate(&two, &[1 << 21 | LARGE | P], read),
        Err(Exception::PageFault { address: LINEAR_32, error_code: 9 }.into())
    );
    // With 36 bits, four of the eight are reserved.
    let narrow = Paging { physical: PhysicalBits::new(36).unwrap(), ..two };
    assert!(translate(&narrow, &[0xf << 13 | LARGE | P], read).is_ok());
    assert!(translate(&narrow, &[1 << 17 | LARGE | P], read).is_err());
}

#[test]
fn without_pse_bit_7_means_nothing() {
    let two = paging(Mode::TwoLevel { large_pages: false });
    let read = access(AccessKind::Read);
    assert_eq!(translate(&two, &[LARGE | P, 0x5000 | P], read), Ok(0x5abc));
}

#[test]
fn without_paging_addresses_are_32_bits() {
    let mut memory = TestMemory::new(0);
    let off = Paging::off(PhysicalBits::new(40).unwrap());
    let gpa = off.translate(&mut memory, Gva(0x1_fee0_0010), access(AccessKind::Write));
    assert_eq!(gpa, Ok(Gpa(0xfee0_0010)));
}

#[test]
fn an_entry_that_is_not_present_faults_without_bit_0() {
    let four = paging(Mode::FourLevel);
    for depth in 0..4 {
        let mut entries = [P | W | U; 4];
        entries[depth] = !P & W;
        assert_eq!(translate(&four, &entries, access(AccessKind::Write)), page_fault(2), "{depth}");
        assert_eq!(translate(&four, &entries, user(AccessKind::Read)), page_fault(4), "{depth}");
    }
}

#[test]
fn a_right_must_be_given_at_every_level() {
    let four = paging(Mode::FourLevel);
    for depth in 0..4 {
        let mut entries = [P | W | U; 4];
        entries[depth] = P | U;
        assert_eq!(translate(&four, &entries, access(AccessKind::Write)), page_fault(3), "{depth}");
        assert!(translate(&four, &entries, user(AccessKind::Read)).is_ok());
        entries[depth] = P | W;
        assert_eq!(translate(&four, &entries, user(AccessKind::Read)), page_fault(5), "{depth}");
        assert_eq!(translate(&four, &entries, user(AccessKind::Write)), page_fault(7), "{depth}");
        assert!(translate(&four, &entries, access(AccessKind::Write)).is_ok());
        entries[depth] = P | W | U | NO_EXECUTE;
        assert_eq!(translate(&four, &entries, access(AccessKind::Fetch)), page_fault(0x11));
        assert!(translate(&four, &entries, access(AccessKind::Read)).is_ok());
    }
}

#[test]
fn write_protection_binds_the_supervisor_only_if_set() {
    let four = Paging { write_protect: false, ..paging(Mode::FourLevel) };
    let entries = [P | U; 4];
    assert!(translate(&four, &entries, access(AccessKind::Write)).is_ok());
    assert_eq!(translate(&four, &entries, user(AccessKind::Write)), page_fault(7));
}

#[test]
fn smep_and_smap_keep_the_supervisor_off_user_pages() {
    let base = paging(Mode::FourLevel);
    let entries = [P | W | U; 4];
    let smep = Paging { smep: true, ..base };
    assert_eq!(translate(&smep, &entries, access(AccessKind::Fetch)), page_fault(0x11));
    assert!(translate(&smep, &entries, user(AccessKind::Fetch)).is_ok());
    assert!(translate(&smep, &entries, access(AccessKind::Read)).is_ok());
    let smap = Paging { smap: true, ..base };
    assert_eq!(translate(&smap, &entries, access(AccessKind::Read)), page_fault(1));
    assert_eq!(translate(&smap, &entries, access(AccessKind::Write)), page_fault(3));
    let lifted = Access { ac: true, ..access(AccessKind::Write) };
    assert!(translate(&smap, &entries, lifted).is_ok());
    // One supervisor entry on the way makes it a supervisor page.
    assert!(
        translate(&smap, &[P | W, P | W | U, P | W | U, P | W | U], access(AccessKind::Read))
            .is_ok()
    );
}

#[test]
fn a_fetch_is_told_in_the_error_code_only_with_nxe_or_smep() {
    let entries = [P, P, P, 0];
    let base = Paging { no_execute: false, ..paging(Mode::FourLevel) };
    assert_eq!(translate(&base, &entries, access(AccessKind::Fetch)), page_fault(0));
    let smep = Paging { smep: true, ..base };
    assert_eq!(translate(&smep, &entries, access(AccessKind::Fetch)), page_fault(0x10));
}

#[test]
fn reserved_bits_fault_with_bit_3() {
    let read = access(AccessKind::Read);
    let four = paging(Mode::FourLevel);
    let all = P | W | U;
    let reserved = page_fault(9);
    for (name, entries) in [
        ("physical address too wide", &[all, all, all, all | 1 << 40][..]),
        ("physical address too wide, above", &[all | 1 << 51, all, all, all]),
        ("large page at the top", &[all | LARGE, all, all, all]),
        ("2 MiB frame not aligned", &[all, all, all | LARGE | 1 << 13]),
        ("1 GiB frame not aligned", &[all, all | LARGE | 1 << 29]),
    ] {
        assert_eq!(translate(&four, entries, read), reserved, "{name}");
    }
    let no_nx = Paging { no_execute: false, ..four };
    assert_eq!(translate(&no_nx, &[all, all, all, all | NO_EXECUTE], read), reserved);
    // Bits 62:52 are the guest's own in four levels, reserved in PAE.
    assert!(translate(&four, &[all | 0x7ff << 52, all, all, all], read).is_ok());
    let pae = translate(&paging(Mode::Pae), &[P, all, all | 1 << 62], read);
    assert_eq!(pae, Err(Exception::PageFault { address: LINEAR_32, error_code: 9 }.into()));
}

#[test]
fn the_pat_bit_of_a_large_page_is_not_an_address_bit() {
    let four = paging(Mode::FourLevel);
    let entries = [P, P, 0x4000_0000 | LARGE | 1 << 12 | P];
    assert_eq!(translate(&four, &entries, access(AccessKind::Read)), Ok(0x4018_9abc));
}

#[test]
fn accessed_is_set_on_the_way_and_dirty_at_the_end() {
    for (mode, entries) in [
        (Mode::FourLevel, &[P | W; 4][..]),
        (Mode::FourLevel, &[P | W, P | W, P | W | LARGE]),
        (Mode::Pae, &[P, P | W, P | W]),
        (TWO, &[P | W; 2]),
        (TWO, &[P | W | LARGE]),
    ] {
        let paging = paging(mode);
        let mut memory = TestMemory::new(0x10_000);
        let places = chain(&mut memory, &paging, entries);
        let linear = Gva(if mode == Mode::FourLevel { LINEAR } else { LINEAR_32 });
        let low =
            |memory: &TestMemory, at: u64| u64::from(memory.0[at as usize]) & (ACCESSED | DIRTY);
        paging.translate(&mut memory, linear, access(AccessKind::Read)).unwrap();
        for (depth, at) in places.iter().enumerate() {
            let expected = if mode == Mode::Pae && depth == 0 { 0 } else { ACCESSED };
            assert_eq!(low(&memory, *at), expected, "{mode:?} {depth}");
        }
        paging.translate(&mut memory, linear, access(AccessKind::Write)).unwrap();
        assert_eq!(low(&memory, *places.last().unwrap()), ACCESSED | DIRTY);
        if places.len() > 1 {
            assert_eq!(low(&memory, places[places.len() - 2]) & DIRTY, 0, "only at the end");
        }
    }
}

#[test]
fn a_fault_sets_nothing() {
    let paging = paging(Mode::FourLevel);
    let mut memory = TestMemory::new(0x10_000);
    chain(&mut memory, &paging, &[P | W, P | W, P | W, P]);
    let before = memory.0.clone();
    assert!(paging.translate(&mut memory, Gva(LINEAR), access(AccessKind::Write)).is_err());
    assert_eq!(memory.0, before);
}

#[test]
fn a_table_that_contains_itself_ends() {
    let paging = paging(Mode::FourLevel);
    let mut memory = TestMemory::new(0x10_000);
    for n in 0..512 {
        put(&mut memory, ROOT + n * 8, ROOT | P | W, 8);
    }
    let gpa = paging.translate(&mut memory, Gva(LINEAR), access(AccessKind::Write));
    assert_eq!(gpa, Ok(Gpa(ROOT | 0xabc)));
}

#[test]
fn a_table_outside_ram_is_named() {
    let paging = paging(Mode::FourLevel);
    let mut memory = TestMemory::new(0x10_000);
    let places = chain(&mut memory, &paging, &[P]);
    put(&mut memory, places[0], 0xff_fee0_0000 | P, 8);
    let entry = Gpa(0xff_fee0_0000 + ((LINEAR >> 30) & 511) * 8);
    let answer = paging.translate(&mut memory, Gva(LINEAR), access(AccessKind::Read));
    assert_eq!(answer, Err(Fault::TableOutsideRam { entry }));
}

#[test]
fn canonical_addresses_are_sign_extensions_of_48_bits() {
    for good in [0, 0x7fff_ffff_ffff, 0xffff_8000_0000_0000, u64::MAX] {
        assert!(Paging::canonical(good), "{good:#x}");
    }
    for bad in [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63] {
        assert!(!Paging::canonical(bad), "{bad:#x}");
    }
}

#[test]
fn widths_that_no_processor_has_do_not_exist() {
    assert_eq!(PhysicalBits::new(31), None);
    assert_eq!(PhysicalBits::new(53), None);
}

proptest! {
    #[test]
    fn any_tables_end_in_an_answer(
        words in prop::collection::vec((0_u16..0x800, any::<u64>(), any::<bool>()), 0..200),
        root in 0_u64..0x6000,
        linear in any::<u64>(),
        mode in prop::sample::select(&[TWO, Mode::Pae, Mode::FourLevel, Mode::TwoLevel { large_pages: false }][..]),
        write in any::<bool>(),
        user in any::<bool>(),
        physical in 32_u8..=52,
    ) {
        let mut memory = TestMemory::new(0x4000);
        for (at, word, near) in words {
            // Half of them point back into these tables.
            let word = if near { (word & 0x3fff) | 7 } else { word };
            put(&mut memory, u64::from(at) * 8, word, 8);
        }
        let root = if mode == Mode::Pae { root & !0x1f } else { root & !0xfff };
        let paging = Paging { root, physical: PhysicalBits::new(physical).unwrap(), ..paging(mode) };
        let kind = if write { AccessKind::Write } else { AccessKind::Read };
        let before = memory.0.clone();
        let answer = paging.translate(&mut memory, Gva(linear), Access { kind, user, ac: false });
        // Nothing but accessed and dirty bits changes, and only on success.
        let marks = (ACCESSED | DIRTY) as u8;
        for (was, is) in before.iter().zip(&memory.0) {
            prop_assert_eq!(was | (is & marks), *is);
        }
        if let Ok(gpa) = answer {
            prop_assert_eq!(gpa.0 & 0xfff, linear & 0xfff);
        } else {
            prop_assert_eq!(before, memory.0);
        }
    }
}
