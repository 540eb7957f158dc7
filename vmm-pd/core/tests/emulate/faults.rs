//! Faults of segmentation, paging and fetching, seen through an instruction.

use vmm_core::cpu::{Exception, SegmentRegister};
use vmm_core::emulate::{Completion, Refusal};
use vmm_core::types::Gpa;
use vmm_core::walk::Fault;

use crate::machine::{DEVICE, Mode, RAM, TABLES, World};

fn takes(world: &mut World, code: &[u8], exception: Exception) {
    let before = world.cpu.clone();
    assert_eq!(world.run(code), Ok(Completion::Exception(exception)), "{code:02x?}");
    assert_eq!(world.cpu, before, "{code:02x?}: nothing changed");
    assert!(world.bus.seen.is_empty(), "{code:02x?}: no device was touched");
}

const GP: Exception = Exception::GeneralProtection(0);
const SS: Exception = Exception::StackFault(0);

#[test]
fn addresses_that_are_not_canonical_fault_by_their_segment() {
    let mut w = World::new(Mode::Long);
    w.cpu.gprs[3] = 0x0000_8000_0000_0000;
    w.cpu.gprs[5] = 0xffff_7fff_ffff_fff9;
    takes(&mut w, &[0x8b, 0x03], GP); // [rbx]
    takes(&mut w, &[0x8b, 0x45, 0], SS); // [rbp]
    takes(&mut w, &[0x3e, 0x8b, 0x45, 0], SS); // [rbp], DS override ignored
    takes(&mut w, &[0x64, 0x8b, 0x45, 0], GP); // fs:[rbp]
    // The first byte is good, the last is not.
    w.cpu.gprs[3] = 0x0000_7fff_ffff_fffd;
    takes(&mut w, &[0x8b, 0x03], GP);
}

#[test]
fn segment_limits_and_types_hold_in_protected_mode() {
    let mut w = World::new(Mode::Protected);
    w.cpu.gprs[3] = 0xffd;
    let segment = SegmentRegister::Es as usize;
    w.cpu.segments[segment].limit = 0xfff;
    takes(&mut w, &[0x26, 0x8b, 0x03], GP);
    w.done(&[0x26, 0x8a, 0x03]);
    // Expand-down: above the limit is what is inside.
    w.cpu.segments[segment].access_rights = 0xc097;
    takes(&mut w, &[0x26, 0x8a, 0x03], GP);
    w.cpu.gprs[3] = 0x1000;
    w.done(&[0x26, 0x8a, 0x03]);
    // Read-only, and execute-only code.
    w.cpu.segments[segment].access_rights = 0xc091;
    w.cpu.segments[segment].limit = u32::MAX;
    takes(&mut w, &[0x26, 0x88, 0x03], GP);
    w.cpu.segments[segment].access_rights = 0xc099;
    takes(&mut w, &[0x26, 0x8a, 0x03], GP);
    // Null.
    w.cpu.segments[segment].access_rights = 0x1_0000;
    takes(&mut w, &[0x26, 0x8a, 0x03], GP);
    w.cpu.segments[SegmentRegister::Ss as usize].limit = 0xff;
    takes(&mut w, &[0x36, 0x8a, 0x03], SS);
    takes(&mut w, &[0xff, 0x33], SS); // push [ebx]
}

#[test]
fn real_mode_ends_at_64_kib() {
    let mut w = World::new(Mode::Real);
    w.cpu.gprs[3] = 0xffff;
    w.done(&[0x8a, 0x07]); // mov al,[bx]
    takes(&mut w, &[0x8b, 0x07], GP);
    w.cpu.gprs[3] = 0x1_0000;
    takes(&mut w, &[0x67, 0x8a, 0x03], GP);
}

#[test]
fn a_write_that_ends_in_a_missing_page_writes_nothing() {
    let mut w = World::new(Mode::TwoLevel);
    let end = 0x40_0000_u64;
    w.put_u32(TABLES + 4, 0);
    w.cpu.gprs[3] = end - 2;
    let fault = Exception::PageFault { address: end, error_code: 2 };
    takes(&mut w, &[0x89, 0x03], fault);
    w.put_u32(TABLES, 0x87);
    // The same from the device's side: its last two bytes are not written.
    w.cpu.gprs[3] = DEVICE + 0x1f_fffe;
    let end = DEVICE + 0x20_0000;
    w.put_u32(TABLES + (end >> 22) * 4, 0);
    takes(&mut w, &[0x01, 0x03], Exception::PageFault { address: end, error_code: 2 });
}

#[test]
fn a_pop_that_faults_keeps_the_stack_pointer() {
    let mut w = World::new(Mode::TwoLevel);
    w.put_u32(TABLES + 4, 0);
    w.cpu.gprs[3] = 0x40_0000;
    takes(&mut w, &[0x8f, 0x03], Exception::PageFault { address: 0x40_0000, error_code: 2 });
}

#[test]
fn user_code_faults_as_a_user() {
    let mut w = World::new(Mode::TwoLevel);
    for segment in &mut w.cpu.segments {
        segment.access_rights |= 0x60;
    }
    w.put_u32(TABLES + (DEVICE >> 22) * 4, (DEVICE as u32 & 0xffc0_0000) | 0x83);
    w.cpu.gprs[3] = DEVICE;
    takes(&mut w, &[0x8b, 0x03], Exception::PageFault { address: DEVICE, error_code: 5 });
    takes(&mut w, &[0x09, 0x03], Exception::PageFault { address: DEVICE, error_code: 7 });
}

#[test]
fn misaligned_user_accesses_raise_alignment_check_if_asked() {
    let mut w = World::new(Mode::Protected);
    w.cpu.gprs[3] = DEVICE + 2;
    w.cpu.rflags |= 1 << 18;
    w.cpu.cr0 |= 1 << 18;
    w.done(&[0x8b, 0x03]);
    w.bus.seen.clear();
    w.cpu.segments[SegmentRegister::Ss as usize].access_rights |= 0x60;
    takes(&mut w, &[0x8b, 0x03], Exception::AlignmentCheck);
    w.done(&[0x66, 0x8b, 0x03]);
}

#[test]
fn code_that_crosses_into_a_missing_page_faults_there_only_if_it_needs_it() {
    let mut w = World::new(Mode::TwoLevel);
    w.put_u32(TABLES + 4, 0);
    // 4 MiB pages: code at the end of the first, through a second mapping of it.
    let high = 0x8000_0000_u64;
    w.put_u32(TABLES + (high >> 22) * 4, 0x87);
    w.put_u32(TABLES + ((high >> 22) + 1) * 4, 0);
    w.cpu.segments[SegmentRegister::Cs as usize].base = high;
    w.cpu.gprs[3] = DEVICE;
    // RAM is the first MiB of that page, so the code must lie at a page's end
    // there: take the linear page behind as the one with the hole.
    let end = RAM as u64;
    w.put(end - 2, &[0x8b, 0x03]);
    w.cpu.rip = end - 2;
    assert_eq!(w.machine().complete(), Ok(Completion::Done));
    w.put(end - 1, &[0x8b]);
    w.cpu.rip = end - 1;
    assert_eq!(w.machine().complete(), Err(Refusal::FetchOutsideRam { gpa: Gpa(end) }));
}

#[test]
fn an_instruction_across_two_pages_is_fetched_through_both_mappings() {
    let mut w = World::new(Mode::Long);
    // 4 KiB pages for the second GiB's first two pages: 0x5000, then 0x3000.
    let tables = 0x9_0000;
    w.put_u64(TABLES + 0x1008, tables | 7);
    w.put_u64(tables, (tables + 0x1000) | 7);
    w.put_u64(tables + 0x1000, 0x5007);
    w.put_u64(tables + 0x1008, 0x3007);
    let code = [0xc7, 0x43, 0x04, 1, 2, 3, 4];
    w.put(0x5ffd, &code[..3]);
    w.put(0x3000, &code[3..]);
    w.cpu.gprs[3] = DEVICE;
    w.cpu.rip = 0x4000_0ffd;
    assert_eq!(w.machine().complete(), Ok(Completion::Done));
    assert_eq!(w.bus.seen.len(), 1);
    assert_eq!(w.cpu.rip, 0x4000_1004);
    // And without the second.
    w.put_u64(tables + 0x1008, 0);
    w.cpu.rip = 0x4000_0ffd;
    let fault = Exception::PageFault { address: 0x4000_1000, error_code: 0x10 };
    assert_eq!(w.machine().complete(), Ok(Completion::Exception(fault)));
}

#[test]
fn code_ends_with_its_segment() {
    let mut w = World::new(Mode::Protected);
    w.cpu.gprs[3] = DEVICE;
    w.cpu.segments[SegmentRegister::Cs as usize].limit = 0x1001;
    w.done(&[0x8b, 0x03]);
    w.cpu.rip = 0x1000;
    w.bus.seen.clear();
    takes(&mut w, &[0x8b, 0x43, 0x04], GP);
}

#[test]
fn tables_outside_ram_are_refused_by_address() {
    for (mode, entry) in
        [(Mode::TwoLevel, 0x4000_0000_u64), (Mode::Pae, 0x4000_0000), (Mode::Long, 0x4000_0000)]
    {
        let mut w = World::new(mode);
        w.cpu.cr3 = entry;
        let refused = w.run(&[0x8b, 0x03]);
        let fault = Fault::TableOutsideRam { entry: Gpa(entry) };
        assert_eq!(refused, Err(Refusal::Translation(fault)), "{mode:?}");
    }
}
