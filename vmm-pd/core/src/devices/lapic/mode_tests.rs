//! The three modes and the registers as MSRs: rules of the SDM's sections on
//! x2APIC, one test each.

use super::tests::{NOW, enabled, fixed, lapic, next, read, send, write, x2apic};
use super::*;
use crate::types::{Gpa, Msr};

#[test]
fn mode_changes_follow_the_state_machine() {
    let disabled = 0xFEE0_0100;
    let xapic = 0xFEE0_0900;
    let x2apic = 0xFEE0_0D00;
    let illegal = Err(ApicFault::IllegalTransition);
    let reach = Ok(Effect::Reachable);
    for (from, to, outcome) in [
        (xapic, xapic, reach),
        (xapic, x2apic, reach),
        (xapic, disabled, reach),
        (x2apic, x2apic, reach),
        (x2apic, xapic, illegal),
        (x2apic, disabled, reach),
        (disabled, disabled, reach),
        (disabled, xapic, reach),
        (disabled, x2apic, illegal),
        (xapic, 0xFEE0_0500, illegal),
        (x2apic, 0xFEE0_0500, illegal),
        (disabled, 0xFEE0_0500, illegal),
    ] {
        let mut lapic = lapic();
        assert_eq!(lapic.set_base(from, NOW), reach);
        assert_eq!(lapic.set_base(to, NOW), outcome, "{from:#x} to {to:#x}");
        assert_eq!(lapic.base(), if outcome == reach { to } else { from });
    }
}

#[test]
fn the_base_has_reserved_bits_and_can_move() {
    let mut lapic = lapic();
    for bit in (0..8).chain([9]).chain(39..64) {
        let outcome = lapic.set_base(0xFEE0_0900 | 1 << bit, NOW);
        assert_eq!(outcome, Err(ApicFault::ReservedBits), "bit {bit}");
    }
    assert_eq!(lapic.set_base(0x40_1234_5900, NOW), Ok(Effect::Reachable));
    assert_eq!(lapic.page(), Some(Gpa(0x40_1234_5000)));
}

#[test]
fn disabling_forgets_everything() {
    let mut lapic = x2apic();
    send(&mut lapic, 0x41);
    assert_eq!(lapic.set_base(0xFEE0_0100, NOW), Ok(Effect::Reachable));
    assert_eq!(lapic.pending_vector(), None);
    assert_eq!(lapic.page(), None);
    assert_eq!(lapic.deliver(fixed(0x41, Trigger::Edge)), Delivery::Refused);
    assert_eq!(read(&mut lapic, 0xF0), 0, "there is no page");
    assert_eq!(lapic.set_base(0xFEE0_0900, NOW), Ok(Effect::Reachable));
    assert_eq!(read(&mut lapic, 0xF0), 0xFF);
}

#[test]
fn x2apic_mode_keeps_pending_interrupts_and_has_its_own_ids() {
    let mut lapic = enabled();
    send(&mut lapic, 0x41);
    let _none = write(&mut lapic, 0x310, 0xFF00_0000);
    assert_eq!(lapic.set_base(0xFEE0_0D00, NOW), Ok(Effect::Reachable));
    assert_eq!(next(&lapic), Some(0x41));
    assert_eq!(lapic.read_msr(Msr(0x802), NOW), Ok(0));
    assert_eq!(lapic.read_msr(Msr(0x80D), NOW), Ok(1));
    assert_eq!(lapic.read_msr(Msr(0x830), NOW), Ok(0));
}

#[test]
fn x2apic_msrs_outside_their_mode_fault() {
    let mut lapic = enabled();
    assert_eq!(lapic.read_msr(Msr(0x802), NOW), Err(ApicFault::NotX2apic));
    assert_eq!(lapic.write_msr(Msr(0x80B), 0, NOW), Err(ApicFault::NotX2apic));
}

#[test]
fn x2apic_msrs_that_do_not_exist_fault() {
    let mut lapic = x2apic();
    let exists = |n: u32| {
        matches!(n, 0x02 | 0x03 | 0x08 | 0x0A | 0x0B | 0x0D | 0x0F | 0x10..=0x28 | 0x30)
            || matches!(n, 0x32..=0x39 | 0x3E | 0x3F)
    };
    for n in (0..0x100).filter(|&n| !exists(n)) {
        let msr = Msr(0x800 + n);
        assert_eq!(lapic.read_msr(msr, NOW), Err(ApicFault::NoSuchRegister), "{n:#x}");
        assert_eq!(lapic.write_msr(msr, 0, NOW), Err(ApicFault::NoSuchRegister), "{n:#x}");
    }
    for n in (0..0x100).filter(|&n| exists(n)) {
        let fault = lapic.read_msr(Msr(0x800 + n), NOW).err();
        let write_only = matches!(n, 0x0B | 0x3F);
        assert_eq!(fault, write_only.then_some(ApicFault::WriteOnly), "{n:#x}");
    }
    assert_eq!(lapic.read_msr(Msr(0x7FF), NOW), Err(ApicFault::NoSuchRegister));
    assert_eq!(lapic.read_msr(Msr(0x900), NOW), Err(ApicFault::NoSuchRegister));
}

#[test]
fn x2apic_read_only_msrs_fault_on_writes() {
    let mut lapic = x2apic();
    for n in [0x02, 0x03, 0x0A, 0x0D, 0x10, 0x1F, 0x27, 0x39] {
        let outcome = lapic.write_msr(Msr(0x800 + n), 0, NOW);
        assert_eq!(outcome, Err(ApicFault::ReadOnly), "{n:#x}");
    }
}

#[test]
fn x2apic_reserved_bits_fault_and_change_nothing() {
    let mut lapic = x2apic();
    for (n, allowed) in [
        (0x08, 0xFF),
        (0x0B, 0),
        (0x0F, 0x13FF),
        (0x28, 0),
        (0x30, 0xFFFF_FFFF_000C_DFFF),
        (0x32, 0x7_10FF),
        (0x33, 0x1_17FF),
        (0x34, 0x1_17FF),
        (0x35, 0x1_F7FF),
        (0x36, 0x1_F7FF),
        (0x37, 0x1_10FF),
        (0x38, 0xFFFF_FFFF),
        (0x3E, 0xB),
        (0x3F, 0xFF),
    ] {
        for bit in 0..64 {
            let mut lapic = lapic.clone();
            let outcome = lapic.write_msr(Msr(0x800 + n), 1 << bit, NOW);
            assert_eq!(outcome.is_ok(), allowed >> bit & 1 != 0, "{n:#x} bit {bit}");
        }
        if allowed != u64::MAX {
            let before = lapic.clone();
            let outcome = lapic.write_msr(Msr(0x800 + n), u64::MAX, NOW);
            assert_eq!(outcome, Err(ApicFault::ReservedBits));
            assert_eq!(lapic, before);
        }
    }
}

#[test]
fn the_x2apic_command_is_one_register_of_64_bits() {
    let mut lapic = x2apic();
    assert_eq!(lapic.write_msr(Msr(0x830), 0x41, NOW), Ok(Effect::None));
    assert_eq!(lapic.acknowledge(), Some(Vector(0x41)));
    assert_eq!(lapic.write_msr(Msr(0x830), 1 << 32 | 0x51, NOW), Ok(Effect::None));
    assert_eq!(lapic.pending_vector(), None, "to ID 1");
    assert_eq!(lapic.read_msr(Msr(0x830), NOW), Ok(1 << 32 | 0x51));
    assert_eq!(lapic.write_msr(Msr(0x830), 1 << 32 | 0x851, NOW), Ok(Effect::None));
    assert_eq!(lapic.acknowledge(), Some(Vector(0x51)), "to logical ID 1");
}

#[test]
fn the_self_ipi_register_sends_to_itself() {
    let mut lapic = x2apic();
    assert_eq!(lapic.write_msr(Msr(0x83F), 0x41, NOW), Ok(Effect::None));
    assert_eq!(lapic.acknowledge(), Some(Vector(0x41)));
    assert_eq!(lapic.write_msr(Msr(0x83F), 0x0F, NOW), Ok(Effect::None));
    assert_eq!(lapic.write_msr(Msr(0x828), 0, NOW), Ok(Effect::None));
    assert_eq!(lapic.read_msr(Msr(0x828), NOW), Ok(0x20));
}

#[test]
fn init_keeps_the_base() {
    let mut lapic = x2apic();
    send(&mut lapic, 0x41);
    lapic.init();
    assert_eq!(lapic.pending_vector(), None);
    assert_eq!(lapic.base(), 0xFEE0_0D00);
}
