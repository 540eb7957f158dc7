//! The CPU's state at the first instruction.

use super::*;
use crate::cpu::{Gpr, Segment, SegmentRegister, StateField};

fn applied(mode: Mode) -> FakeCpu {
    // A CPU that another guest has used.
    let mut cpu = FakeCpu::long_mode(0x1234_5000);
    cpu.gprs = [u64::MAX; 16];
    cpu.segments = [Segment { selector: 7, base: 9, limit: 11, access_rights: 13 }; 8];
    cpu.set(StateField::Interruptibility, 1);
    cpu.set(StateField::ActivityState, 1);
    cpu.set(StateField::KernelGsBase, 77);
    cpu.interrupt_window = true;
    cpu.nmi_window = true;
    let entry = Entry { mode, rip: Gpa(0x10_0000), register: Gpr::Rsi, table: Gpa(n::ZERO_PAGE) };
    entry.apply(&mut cpu);
    cpu
}

#[test]
fn every_register_is_set() {
    for mode in [Mode::Protected32, Mode::Long64] {
        let cpu = applied(mode);
        assert_eq!(cpu.rip, 0x10_0000);
        for register in Gpr::ALL {
            let expected = if register == Gpr::Rsi { n::ZERO_PAGE } else { 0 };
            assert_eq!(cpu.gprs[register as usize], expected);
        }
        assert_eq!(cpu.get(StateField::Rflags), 2, "interrupts off");
        assert_eq!(cpu.get(StateField::Interruptibility), 0);
        assert_eq!(cpu.get(StateField::ActivityState), 0);
        assert_eq!(cpu.get(StateField::KernelGsBase), 0);
        assert!(!cpu.interrupt_window && !cpu.nmi_window);
    }
}

#[test]
fn protected_mode_is_flat_with_paging_off() {
    let cpu = applied(Mode::Protected32);
    assert_eq!(cpu.get(StateField::Cr0), 0x11);
    assert_eq!(cpu.get(StateField::Cr4), 0);
    assert_eq!(cpu.get(StateField::Efer), 0);
    let cs = cpu.segments[SegmentRegister::Cs as usize];
    assert_eq!(cs, Segment { selector: 0x10, base: 0, limit: u32::MAX, access_rights: 0xC09B });
}

#[test]
fn long_mode_is_on_the_identity_tables() {
    let cpu = applied(Mode::Long64);
    assert_eq!(cpu.get(StateField::Cr0), 0x8000_0011);
    assert_eq!(cpu.get(StateField::Cr0Shadow), 0x8000_0011);
    assert_eq!(cpu.get(StateField::Cr3), n::BOOT_PAGE_TABLES);
    assert_eq!(cpu.get(StateField::Cr4), 0x20);
    assert_eq!(cpu.get(StateField::Efer), 0x500);
    assert_eq!(cpu.segments[SegmentRegister::Cs as usize].access_rights, 0xA09B);
}

/// Checks of VM entry on segment registers (Intel SDM vol. 3C, 26.3.1.2).
#[test]
fn the_segments_pass_vm_entrys_checks() {
    for mode in [Mode::Protected32, Mode::Long64] {
        let cpu = applied(mode);
        for register in SegmentRegister::ALL {
            let s = cpu.segments[register as usize];
            if s.access_rights & 1 << 16 != 0 {
                assert_eq!(register, SegmentRegister::Ldtr);
                continue;
            }
            let kind = s.access_rights & 0xF;
            let expected = match register {
                SegmentRegister::Cs => 11,
                SegmentRegister::Tr => 11,
                _ => 3,
            };
            assert_eq!(kind, expected, "{register:?}");
            let system = register == SegmentRegister::Tr;
            assert_eq!(s.access_rights & 0x10 == 0, system, "S");
            assert_ne!(s.access_rights & 0x80, 0, "P");
            assert_eq!(s.access_rights & 0xFFFE_0F00, 0, "reserved");
            let granular = s.access_rights & 0x8000 != 0;
            assert!(!granular || s.limit & 0xFFF == 0xFFF);
            assert!(granular || s.limit >> 20 == 0);
            let (db, long) = (s.access_rights & 0x4000 != 0, s.access_rights & 0x2000 != 0);
            assert!(!(db && long));
        }
    }
}

#[test]
fn the_segments_are_those_of_the_descriptor_table() {
    for (kernel, mode) in [(elf::kernel(), Mode::Protected32), (bzimage::kernel(), Mode::Long64)] {
        let (memory, started) = start(&kernel, None);
        let mut cpu = FakeCpu::real_mode();
        started.unwrap().apply(&mut cpu);
        assert_eq!(cpu.get(StateField::GdtrBase), n::BOOT_GDT);
        for register in [SegmentRegister::Cs, SegmentRegister::Ds, SegmentRegister::Tr] {
            let s = cpu.segments[register as usize];
            let d = number(&memory.0, n::BOOT_GDT + u64::from(s.selector), 8);
            let base = d >> 16 & 0xFF_FFFF | d >> 56 << 24;
            let limit = d & 0xFFFF | d >> 32 & 0xF_0000;
            let rights = d >> 40 & 0xF0FF;
            let limit = if rights & 0x8000 != 0 { limit << 12 | 0xFFF } else { limit };
            assert_eq!(base, s.base, "{mode:?} {register:?}");
            assert_eq!(limit, u64::from(s.limit));
            assert_eq!(rights, u64::from(s.access_rights));
            assert!(u64::from(s.selector) + 7 <= cpu.get(StateField::GdtrLimit));
        }
    }
}
