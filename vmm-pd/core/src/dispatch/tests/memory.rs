//! Accesses to what is no RAM.

use super::super::testing::{APIC_LINEAR, TABLES};
use super::*;
use crate::cpu::SegmentRegister;
use crate::types::Gpa;

#[test]
fn an_mmio_read_reaches_the_local_apic() {
    let mut b = Bench::long_mode();
    // mov eax, [rbx]; the APIC version register.
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.gprs[Gpr::Rbx as usize] = APIC_LINEAR + 0x30;
    assert_eq!(b.exit_at(48, 0x181, 2, APIC_LINEAR + 0x30), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0] & 0xff, 0x14);
    assert_eq!(b.cpu.rip, 0x1002);
    assert!(!b.cpu.reads.contains(&StateField::IdtVectoringInfo), "a call saved");
}

/// Above 4 GiB there is 64-bit code only, and each of EFER and CS would be a
/// kernel call.
#[test]
fn code_above_4_gib_tells_its_mode_by_its_address() {
    let mut b = Bench::long_mode();
    // The second 512 GiB are the first again.
    let tables = (TABLES + 0x1003).to_le_bytes();
    b.memory.write(Gpa(TABLES + 8), &tables).unwrap();
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.rip = 0x80_0000_1000;
    // Were it asked for, it would say 32-bit code.
    b.cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xc09b;
    assert_eq!(b.exit_at(48, 0x181, 2, APIC_LINEAR + 0x30), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0] & 0xff, 0x14);
    assert_eq!(b.cpu.rip, 0x80_0000_1002);
    assert!(!b.cpu.reads.contains(&StateField::Efer), "{:?}", b.cpu.reads);
}

#[test]
fn addresses_that_are_nothing_read_all_ones() {
    let mut b = Bench::long_mode();
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.gprs[Gpr::Rbx as usize] = 0xd000_0000;
    assert_eq!(b.exit_at(48, 0x181, 2, 0xd000_0000), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0], 0xffff_ffff);
    assert_eq!(b.vm.devices.unclaimed_addresses, 1);
}

#[test]
fn executing_outside_ram_stops_the_guest() {
    let mut b = Bench::long_mode();
    b.cpu.rip = 0xd000_0000;
    let outcome = b.exit_at(48, 0x184, 0, 0xd000_0000);
    let Outcome::Stop(why) = outcome else { panic!("{outcome:?}") };
    assert_eq!(why.result(), 103);
    assert!(std::format!("{why}").contains("executes at guest-physical 0xd0000000"), "{why}");
}

#[test]
fn a_delivery_into_a_device_stops_the_guest() {
    let mut b = Bench::long_mode();
    // hlt: touches nothing, so the access was the delivery's.
    b.memory.0[0x1000] = 0xf4;
    b.cpu.set(StateField::IdtVectoringInfo, 0x8000_0040);
    let gpa = Gpa(0xd000_0ff8);
    let outcome = b.exit_at(48, 0x182, 0, gpa.0);
    assert_eq!(outcome, unhandled(Unhandled::EventDelivery { info: 0x8000_0040, gpa }));
}
