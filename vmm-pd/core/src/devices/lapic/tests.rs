//! Rules of the SDM's chapter on the APIC, one test each; those on modes and MSRs
//! are in `mode_tests`, random walks with the fabric.

use super::*;
use crate::types::{Gpa, Width};

pub(super) const NOW: Ticks = Ticks(1_000);
const MASKED: u32 = 1 << 16;

pub(super) fn lapic() -> Lapic {
    Lapic::new(TscFrequency::new(100_000_000).unwrap(), 39)
}

/// Software-enabled.
pub(super) fn enabled() -> Lapic {
    let mut lapic = lapic();
    assert_eq!(write(&mut lapic, 0xF0, 0x1FF), Effect::Reachable);
    lapic
}

pub(super) fn x2apic() -> Lapic {
    let mut lapic = enabled();
    let effect = lapic.set_base(lapic.base() | 1 << 10, NOW);
    assert_eq!(effect, Ok(Effect::Reachable));
    lapic
}

pub(super) fn write(lapic: &mut Lapic, offset: u32, value: u32) -> Effect {
    lapic.write_page(offset, Width::Dword, u64::from(value), NOW)
}

pub(super) fn read(lapic: &mut Lapic, offset: u32) -> u32 {
    lapic.read_page(offset, Width::Dword, NOW) as u32
}

pub(super) fn fixed(vector: u8, trigger: Trigger) -> Message {
    let destination = Destination::Physical(0);
    Message { vector, mode: DeliveryMode::Fixed, trigger, destination }
}

pub(super) fn send(lapic: &mut Lapic, vector: u8) {
    assert_eq!(lapic.deliver(fixed(vector, Trigger::Edge)), Delivery::Taken);
}

pub(super) fn next(lapic: &Lapic) -> Option<u8> {
    lapic.pending_vector().map(|vector| vector.0)
}

/// What ESR says after the write that latches it.
fn errors(lapic: &mut Lapic) -> u32 {
    assert_eq!(write(lapic, 0x280, 0), Effect::None);
    read(lapic, 0x280)
}

#[test]
fn state_after_reset() {
    let mut lapic = lapic();
    for (offset, value) in [
        (0x20, 0),
        (0x30, 0x0105_0014),
        (0x80, 0),
        (0xA0, 0),
        (0xD0, 0),
        (0xE0, 0xFFFF_FFFF),
        (0xF0, 0xFF),
        (0x280, 0),
        (0x300, 0),
        (0x310, 0),
        (0x320, MASKED),
        (0x330, MASKED),
        (0x340, MASKED),
        (0x350, MASKED),
        (0x360, MASKED),
        (0x370, MASKED),
        (0x380, 0),
        (0x390, 0),
        (0x3E0, 0),
    ] {
        assert_eq!(read(&mut lapic, offset), value, "{offset:#x}");
    }
    assert_eq!(lapic.base(), 0xFEE0_0900);
    assert_eq!(lapic.page(), Some(Gpa(0xFEE0_0000)));
}

#[test]
fn the_highest_class_above_the_processor_priority_is_pending() {
    let mut lapic = enabled();
    send(&mut lapic, 0x41);
    send(&mut lapic, 0x52);
    send(&mut lapic, 0x5F);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x5F)));
    assert_eq!(next(&lapic), None, "0x52 is of the same class");
    send(&mut lapic, 0x61);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x61)));
    assert_eq!(read(&mut lapic, 0xA0), 0x60);
    assert_eq!(lapic.end_of_interrupt(), Effect::None);
    assert_eq!(next(&lapic), None);
    assert_eq!(lapic.end_of_interrupt(), Effect::None);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x52)));
    assert_eq!(lapic.end_of_interrupt(), Effect::None);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x41)));
    assert_eq!(lapic.acknowledge(), None);
}

#[test]
fn processor_priority_is_the_higher_of_task_and_service() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x80, 0x45);
    assert_eq!(read(&mut lapic, 0xA0), 0x45);
    assert_eq!(lapic.cr8(), 4);
    send(&mut lapic, 0x4F);
    assert_eq!(next(&lapic), None);
    send(&mut lapic, 0x50);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x50)));
    assert_eq!(read(&mut lapic, 0xA0), 0x50);
    lapic.set_cr8(5);
    assert_eq!(read(&mut lapic, 0xA0), 0x50, "equal class: the task's, with its low bits");
    lapic.set_cr8(0);
    assert_eq!(lapic.end_of_interrupt(), Effect::None);
    assert_eq!(next(&lapic), Some(0x4F));
}

#[test]
fn a_vector_already_requested_merges_and_one_in_service_queues() {
    let mut lapic = enabled();
    send(&mut lapic, 0x40);
    send(&mut lapic, 0x40);
    lapic.acknowledge();
    assert_eq!(read(&mut lapic, 0x220), 0);
    assert_eq!(read(&mut lapic, 0x120), 1);
    send(&mut lapic, 0x40);
    assert_eq!(next(&lapic), None);
    assert_eq!(lapic.end_of_interrupt(), Effect::None);
    assert_eq!(lapic.acknowledge(), Some(Vector(0x40)));
}

#[test]
fn only_level_triggered_interrupts_tell_their_end() {
    let mut lapic = enabled();
    assert_eq!(lapic.deliver(fixed(0x40, Trigger::Level)), Delivery::Taken);
    assert_eq!(read(&mut lapic, 0x1A0), 1);
    lapic.acknowledge();
    assert_eq!(write(&mut lapic, 0xB0, 0), Effect::EndOfInterrupt(Vector(0x40)));
    send(&mut lapic, 0x40);
    assert_eq!(read(&mut lapic, 0x1A0), 0);
    lapic.acknowledge();
    assert_eq!(write(&mut lapic, 0xB0, 0), Effect::None);
    assert_eq!(write(&mut lapic, 0xB0, 0), Effect::None, "nothing in service");
}

#[test]
fn software_disabled_it_refuses_interrupts_but_keeps_those_it_has() {
    let mut lapic = enabled();
    send(&mut lapic, 0x40);
    let _none = write(&mut lapic, 0x370, 0xFE);
    assert_eq!(write(&mut lapic, 0xF0, 0xFF), Effect::None);
    assert_eq!(lapic.deliver(fixed(0x50, Trigger::Edge)), Delivery::Refused);
    assert_eq!(next(&lapic), Some(0x40));
    assert_eq!(read(&mut lapic, 0x370), 0xFE | MASKED);
    let _none = write(&mut lapic, 0x370, 0xFE);
    assert_eq!(read(&mut lapic, 0x370), 0xFE | MASKED, "masks cannot be cleared");
    let nmi = Message { mode: DeliveryMode::Nmi, ..fixed(0, Trigger::Edge) };
    assert_eq!(lapic.deliver(nmi), Delivery::Nmi);
    let init = Message { mode: DeliveryMode::Init, ..nmi };
    assert_eq!(lapic.deliver(init), Delivery::Init);
}

#[test]
fn destinations_in_xapic_mode() {
    let mut lapic = enabled();
    let matches = |lapic: &Lapic, logical, id| lapic.matches(Destination::from_byte(logical, id));
    assert!(matches(&lapic, false, 0) && matches(&lapic, false, 0xFF));
    assert!(!matches(&lapic, false, 1));
    assert!(!matches(&lapic, true, 1) && matches(&lapic, true, 0xFF));
    assert_eq!(write(&mut lapic, 0xD0, 0x2200_0000), Effect::Reachable);
    assert!(matches(&lapic, true, 0x02) && matches(&lapic, true, 0x60));
    assert!(!matches(&lapic, true, 0x01));
    assert_eq!(write(&mut lapic, 0xE0, 0x0FFF_FFFF), Effect::Reachable);
    assert!(matches(&lapic, true, 0x22) && matches(&lapic, true, 0xF3));
    assert!(!matches(&lapic, true, 0x12) && !matches(&lapic, true, 0x21));
    assert_eq!(write(&mut lapic, 0xE0, 0x5FFF_FFFF), Effect::Reachable);
    assert!(!matches(&lapic, true, 0x22), "no such model");
}

#[test]
fn destinations_in_x2apic_mode() {
    let lapic = x2apic();
    for (destination, expected) in [
        (Destination::Physical(0), true),
        (Destination::Physical(u32::MAX), true),
        (Destination::Physical(0xFF), false),
        (Destination::Logical(1), true),
        (Destination::Logical(0xFFFF), true),
        (Destination::Logical(2), false),
        (Destination::Logical(0x1_0001), false),
        (Destination::Logical(u32::MAX), true),
        (Destination::from_byte(false, 0xFF), true),
    ] {
        assert_eq!(lapic.matches(destination), expected, "{destination:?}");
    }
}

#[test]
fn ipis_reach_only_itself() {
    let mut lapic = enabled();
    for (high, low, arrives) in [
        (0, 0x0_0041, true),
        (0xFF00_0000, 0x0_0042, true),
        (0x0100_0000, 0x0_0043, false),
        (0x0100_0000, 0x4_0044, true),
        (0x0100_0000, 0x8_0045, true),
        (0x0000_0000, 0xC_0046, false),
        (0x0000_0000, 0x0_0147, true),
        (0x0000_0000, 0x0_0848, false),
    ] {
        let _none = write(&mut lapic, 0x310, high);
        let _none = write(&mut lapic, 0x300, low);
        assert_eq!(read(&mut lapic, 0x300), low);
        assert_eq!(read(&mut lapic, 0x310), high);
        let expected = arrives.then_some(Vector(low as u8));
        assert_eq!(lapic.acknowledge(), expected, "{low:#x}");
        let _none = lapic.end_of_interrupt();
    }
}

#[test]
fn nmi_init_and_startup_ipis() {
    let mut lapic = enabled();
    assert_eq!(write(&mut lapic, 0x300, 0x4400), Effect::Nmi);
    assert_eq!(write(&mut lapic, 0x300, 0x4500), Effect::Init);
    assert_eq!(write(&mut lapic, 0x300, 0x8500), Effect::None, "level de-assert");
    assert_eq!(write(&mut lapic, 0x300, 0xC_4500), Effect::None, "to the others");
    assert_eq!(write(&mut lapic, 0x300, 0x4608), Effect::None, "it runs already");
    assert_eq!(lapic.pending_vector(), None);
}

#[test]
fn illegal_vectors_are_logged_and_interrupt_once() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x370, 0xFE);
    let _none = write(&mut lapic, 0x300, 0x0F);
    assert_eq!(read(&mut lapic, 0x280), 0, "not latched yet");
    assert_eq!(lapic.acknowledge(), Some(Vector(0xFE)));
    let _none = lapic.end_of_interrupt();
    assert_eq!(lapic.deliver(fixed(0x0F, Trigger::Edge)), Delivery::Refused);
    assert_eq!(next(&lapic), None, "not before ESR is written");
    assert_eq!(errors(&mut lapic), 0x60);
    assert_eq!(errors(&mut lapic), 0);
    let _none = write(&mut lapic, 0x300, 0x0F);
    assert_eq!(next(&lapic), Some(0xFE));
}

#[test]
fn registers_that_do_not_exist_are_errors_in_the_page() {
    let mut lapic = enabled();
    for offset in [0x00, 0x40, 0x2F0, 0x3F0, 0x3D0, 0x400, 0xFF0] {
        assert_eq!(read(&mut lapic, offset), 0);
        assert_eq!(errors(&mut lapic), 0x80, "{offset:#x}");
    }
    let _none = write(&mut lapic, 0x3F0, 0x41);
    assert_eq!(errors(&mut lapic), 0x80);
    assert_eq!(lapic.pending_vector(), None, "self IPI is an MSR only");
}

#[test]
fn read_only_registers_ignore_writes_to_the_page() {
    let mut lapic = enabled();
    let before = lapic.clone();
    for offset in [0x20, 0x30, 0x90, 0xA0, 0xC0, 0x100, 0x180, 0x270, 0x390] {
        assert_eq!(write(&mut lapic, offset, 0xFFFF_FFFF), Effect::None);
    }
    assert_eq!(lapic, before);
}

#[test]
fn odd_accesses_read_their_bytes_and_write_nothing() {
    let mut lapic = enabled();
    assert_eq!(lapic.read_page(0x30, Width::Byte, NOW), 0x14);
    assert_eq!(lapic.read_page(0x32, Width::Word, NOW), 0x0105);
    assert_eq!(lapic.read_page(0x30, Width::Qword, NOW), 0x0105_0014);
    assert_eq!(lapic.read_page(0x3C, Width::Dword, NOW), 0);
    let before = lapic.clone();
    for (offset, width) in [
        (0x80, Width::Byte),
        (0x80, Width::Word),
        (0x80, Width::Qword),
        (0x81, Width::Dword),
        (0x84, Width::Dword),
    ] {
        assert_eq!(lapic.write_page(offset, width, u64::MAX, NOW), Effect::None);
    }
    assert_eq!(lapic, before);
}

#[test]
fn lvt_entries_keep_only_what_they_have() {
    let mut lapic = enabled();
    for (offset, kept) in [
        (0x320, 0x7_00FF),
        (0x330, 0x1_07FF),
        (0x340, 0x1_07FF),
        (0x350, 0x1_A7FF),
        (0x360, 0x1_A7FF),
        (0x370, 0x1_00FF),
    ] {
        let _none = write(&mut lapic, offset, 0xFFFF_FFFF);
        assert_eq!(read(&mut lapic, offset), kept, "{offset:#x}");
    }
}

#[test]
fn the_timer_interrupts_through_its_entry() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x3E0, 0xB);
    let _none = write(&mut lapic, 0x320, 0x2_00EC);
    let _none = write(&mut lapic, 0x380, 100_000);
    assert_eq!(lapic.deadline(), Some(Ticks(101_000)));
    lapic.advance(Ticks(100_999));
    assert_eq!(next(&lapic), None);
    lapic.advance(Ticks(101_000));
    assert_eq!(lapic.acknowledge(), Some(Vector(0xEC)));
    assert_eq!(lapic.deadline(), Some(Ticks(201_000)));
    let current = lapic.read_page(0x390, Width::Dword, Ticks(101_001));
    assert_eq!(current, 99_999);
}

#[test]
fn a_masked_timer_counts_on_without_interrupting() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x3E0, 0xB);
    let _none = write(&mut lapic, 0x320, 0xEC | MASKED);
    let _none = write(&mut lapic, 0x380, 100_000);
    assert_eq!(lapic.deadline(), None, "nobody need be woken");
    let current = lapic.read_page(0x390, Width::Dword, Ticks(51_000));
    assert_eq!(current, 50_000);
    let unmask = lapic.write_page(0x320, Width::Dword, 0xEC, Ticks(200_000));
    assert_eq!(unmask, Effect::None);
    lapic.advance(Ticks(200_000));
    assert_eq!(next(&lapic), None, "what expired under the mask is lost");
}

#[test]
fn a_tsc_deadline_in_the_past_interrupts_at_once() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x320, 0x4_00EC);
    lapic.set_tsc_deadline(999, NOW);
    assert_eq!(lapic.acknowledge(), Some(Vector(0xEC)));
    assert_eq!(lapic.tsc_deadline(NOW), 0);
    let _none = lapic.end_of_interrupt();
    lapic.set_tsc_deadline(2000, NOW);
    assert_eq!(lapic.deadline(), Some(Ticks(2000)));
    assert_eq!(lapic.tsc_deadline(Ticks(1999)), 2000);
    assert_eq!(lapic.tsc_deadline(Ticks(2000)), 0);
    assert_eq!(next(&lapic), Some(0xEC));
}

#[test]
fn a_timer_with_an_illegal_vector_is_an_error() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x320, 0x4_0003);
    lapic.set_tsc_deadline(1, NOW);
    assert_eq!(next(&lapic), None);
    assert_eq!(errors(&mut lapic), 0x40);
}

#[test]
fn lint0_by_level_repeats_until_it_falls() {
    let mut lapic = enabled();
    let _none = write(&mut lapic, 0x350, 0x8041);
    assert_eq!(lapic.set_pin(Pin::Lint0, true), Effect::None);
    assert_eq!(read(&mut lapic, 0x350), 0xC041);
    for _ in 0..3 {
        assert_eq!(lapic.acknowledge(), Some(Vector(0x41)));
        assert_eq!(next(&lapic), None);
        assert_eq!(lapic.end_of_interrupt(), Effect::EndOfInterrupt(Vector(0x41)));
    }
    lapic.acknowledge();
    assert_eq!(lapic.set_pin(Pin::Lint0, false), Effect::None);
    let _broadcast = lapic.end_of_interrupt();
    assert_eq!(next(&lapic), None);
    assert_eq!(read(&mut lapic, 0x350), 0x8041);
}

#[test]
fn lint0_by_level_comes_when_it_is_unmasked() {
    let mut lapic = enabled();
    assert_eq!(lapic.set_pin(Pin::Lint0, true), Effect::None);
    let _none = write(&mut lapic, 0x350, 0x0041);
    assert_eq!(next(&lapic), None, "an edge that passed");
    let _none = write(&mut lapic, 0x350, 0x8041);
    assert_eq!(next(&lapic), Some(0x41));
}

#[test]
fn pins_deliver_what_their_entries_say() {
    let mut lapic = enabled();
    for (entry, effect) in [
        (0x400, Effect::Nmi),
        (0x500, Effect::Init),
        (0x200, Effect::None),
        (0x700, Effect::None),
        (0x400 | MASKED, Effect::None),
    ] {
        let _none = write(&mut lapic, 0x360, entry);
        assert_eq!(lapic.set_pin(Pin::Lint1, true), effect, "{entry:#x}");
        assert_eq!(lapic.set_pin(Pin::Lint1, true), Effect::None, "no edge");
        assert_eq!(lapic.set_pin(Pin::Lint1, false), Effect::None);
    }
    assert_eq!(lapic.pending_vector(), None);
}
