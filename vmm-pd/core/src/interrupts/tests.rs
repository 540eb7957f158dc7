//! The fabric as a whole: a driver that initialises the controllers in Linux's
//! order, and the wires between them.

use super::*;
use pic::Register::{MasterCommand, MasterData, SlaveCommand, SlaveData};

pub(super) const NOW: Ticks = Ticks(1_000);

pub(super) fn fabric() -> Interrupts {
    Interrupts::new(TscFrequency::new(100_000_000).unwrap(), 39)
}

pub(super) fn pic_init(fabric: &mut Interrupts, master: u8, slave: u8) {
    for (register, value) in [
        (MasterData, 0xFF),
        (MasterCommand, 0x11),
        (MasterData, 0x30),
        (MasterData, 0x04),
        (MasterData, 0x01),
        (SlaveCommand, 0x11),
        (SlaveData, 0x38),
        (SlaveData, 0x02),
        (SlaveData, 0x01),
        (MasterData, master),
        (SlaveData, slave),
    ] {
        fabric.pic_write(register, value);
    }
}

pub(super) fn lapic_write(fabric: &mut Interrupts, offset: u32, value: u32) {
    fabric.lapic_write(offset, Width::Dword, u64::from(value), NOW);
}

fn lapic_read(fabric: &mut Interrupts, offset: u32) -> u32 {
    fabric.lapic_read(offset, Width::Dword, NOW) as u32
}

pub(super) fn ioapic_write(fabric: &mut Interrupts, index: u8, value: u32) {
    fabric.ioapic_write(0x00, Width::Dword, u64::from(index));
    fabric.ioapic_write(0x10, Width::Dword, u64::from(value));
}

fn ioapic_read(fabric: &mut Interrupts, index: u8) -> u32 {
    fabric.ioapic_write(0x00, Width::Dword, u64::from(index));
    fabric.ioapic_read(0x10, Width::Dword) as u32
}

pub(super) fn route_pin(fabric: &mut Interrupts, pin: u8, low: u32) {
    ioapic_write(fabric, 0x11 + 2 * pin, 0);
    ioapic_write(fabric, 0x10 + 2 * pin, low);
}

pub(super) const LEVEL: u32 = 1 << 15;
pub(super) const MASKED: u32 = 1 << 16;

/// APIC enabled, LINT0 masked, flat logical ID 1, PIC masked.
pub(super) fn symmetric() -> Interrupts {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0xFF, 0xFF);
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    lapic_write(&mut fabric, 0xD0, 1 << 24);
    fabric
}

pub(super) fn eoi(fabric: &mut Interrupts) {
    lapic_write(fabric, 0xB0, 0);
}

#[test]
fn linux_brings_up_the_controllers_and_takes_a_timer_and_a_level_interrupt() {
    let mut fabric = fabric();
    fabric.enter_virtual_wire();

    // init_8259A, then the timer on the virtual wire.
    pic_init(&mut fabric, 0xFB, 0xFF);
    fabric.pic_write(MasterData, 0xFA);
    fabric.set_timer_output(pit::Output::Rose);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x30)));
    fabric.pic_write(MasterCommand, 0x60);
    assert!(!fabric.has_pending());

    // clear_local_APIC and setup_local_APIC.
    assert_eq!(lapic_read(&mut fabric, 0x30) & 0xFF, 0x14);
    for offset in [0x320, 0x330, 0x340, 0x350, 0x360, 0x370] {
        let value = lapic_read(&mut fabric, offset);
        lapic_write(&mut fabric, offset, value | MASKED);
    }
    lapic_write(&mut fabric, 0xE0, 0xFFFF_FFFF);
    lapic_write(&mut fabric, 0xD0, 1 << 24);
    lapic_write(&mut fabric, 0x80, 0x10);
    for n in 0..8 {
        assert_eq!(lapic_read(&mut fabric, 0x100 + n * 0x10), 0, "nothing in service");
    }
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    lapic_write(&mut fabric, 0x350, 0x10700);
    lapic_write(&mut fabric, 0x360, 0x400);
    lapic_write(&mut fabric, 0x280, 0);
    lapic_write(&mut fabric, 0x370, 0xFE);
    lapic_write(&mut fabric, 0x280, 0);
    assert_eq!(lapic_read(&mut fabric, 0x280), 0, "no errors so far");

    // setup_IO_APIC: 24 pins; the timer on pin 2, the SCI on 9 by level.
    assert_eq!(ioapic_read(&mut fabric, 1) >> 16 & 0xFF, 23);
    for pin in 0..24 {
        assert_eq!(ioapic_read(&mut fabric, 0x10 + 2 * pin) & MASKED, MASKED);
    }
    fabric.pic_write(MasterData, 0xFF);
    route_pin(&mut fabric, 2, 0x0830);
    route_pin(&mut fabric, 9, 0x0839 | LEVEL | 1 << 13);
    ioapic_write(&mut fabric, 0x11 + 4, 1 << 24);
    ioapic_write(&mut fabric, 0x11 + 18, 1 << 24);

    // timer_irq_works.
    for _ in 0..5 {
        fabric.set_timer_output(pit::Output::Rose);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x30)));
        eoi(&mut fabric);
        assert_eq!(fabric.acknowledge(), None);
    }

    fabric.set_line(Gsi(9), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)));
    assert_eq!(fabric.acknowledge(), None, "one at a time");
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)), "still asserted");
    fabric.set_line(Gsi(9), false);
    eoi(&mut fabric);
    assert!(!fabric.has_pending());

    // x2APIC, and the same again by MSR.
    let base = fabric.apic_base();
    fabric.set_apic_base(base | 1 << 10, NOW).unwrap();
    assert_eq!(fabric.lapic_base(), None);
    assert_eq!(fabric.x2apic_read(Msr(0x802), NOW), Ok(0));
    fabric.set_line(Gsi(9), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)));
    fabric.set_line(Gsi(9), false);
    fabric.x2apic_write(Msr(0x80B), 0, NOW).unwrap();
    assert!(!fabric.has_pending());
    assert_eq!(ioapic_read(&mut fabric, 0x10 + 18) & 1 << 14, 0, "the EOI reached it");
}

#[test]
fn after_reset_the_8259_pair_reaches_nobody() {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0, 0);
    fabric.set_line(Gsi(4), true);
    assert!(!fabric.has_pending());
    fabric.enter_virtual_wire();
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
}

#[test]
fn an_idle_timer_interrupts_nobody() {
    let mut fabric = fabric();
    fabric.enter_virtual_wire();
    pic_init(&mut fabric, 0, 0);
    let mut pit = pit::Pit::new(TscFrequency::new(100_000_000).unwrap());
    fabric.set_timer_output(pit.advance(NOW));
    assert!(!fabric.has_pending());
    pit.write(pit::Register::Control, 0x34, NOW);
    fabric.set_timer_output(pit.advance(NOW));
    assert!(!fabric.has_pending(), "programmed, but without a count");
}

#[test]
fn without_an_apic_lint0_is_intr_and_lint1_nmi() {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0, 0);
    let base = fabric.apic_base();
    fabric.set_apic_base(base & !(1 << 11), NOW).unwrap();
    fabric.set_line(Gsi(4), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    fabric.set_nmi_line(true);
    assert!(fabric.take_nmi());
    assert!(!fabric.take_nmi());
}

#[test]
fn ext_int_goes_before_the_apic_and_ignores_its_priorities() {
    let mut fabric = symmetric();
    fabric.pic_write(MasterData, 0xEF);
    lapic_write(&mut fabric, 0x350, 0x700);
    lapic_write(&mut fabric, 0x300, 0x4_00F0);
    fabric.set_cr8(15);
    assert_eq!(fabric.next_interrupt(), None, "class 15 is masked");
    fabric.set_line(Gsi(4), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    fabric.set_cr8(0);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    assert_eq!(fabric.acknowledge(), Some(Vector(0xF0)));
}

#[test]
fn an_ext_int_entry_of_the_io_apic_lets_the_pair_through() {
    let mut fabric = symmetric();
    fabric.pic_write(MasterData, 0x00);
    fabric.set_line(Gsi(4), true);
    assert!(!fabric.has_pending());
    route_pin(&mut fabric, 0, 0x700);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    fabric.pic_write(MasterCommand, 0x20);
    assert!(!fabric.has_pending());
    route_pin(&mut fabric, 0, 0x700 | MASKED);
    fabric.set_line(Gsi(5), true);
    assert!(!fabric.has_pending());
}

#[test]
fn an_ext_int_message_of_another_pin_runs_an_acknowledge_cycle() {
    // What Linux does to free a pair that waits for one (unlock_ExtINT_logic).
    let mut fabric = symmetric();
    route_pin(&mut fabric, 8, 0x700);
    fabric.set_line(Gsi(8), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x37)), "spurious: nothing is unmasked");
    assert!(!fabric.has_pending());
}

#[test]
fn the_pairs_output_falls_with_each_acknowledgement() {
    // Seen by LINT0 as NMI, which takes edges; a message of pin 8 acknowledges.
    let mut fabric = symmetric();
    fabric.pic_write(MasterCommand, 0x11);
    for automatic_eoi in [0x30, 0x04, 0x03] {
        fabric.pic_write(MasterData, automatic_eoi);
    }
    lapic_write(&mut fabric, 0x350, 0x400);
    route_pin(&mut fabric, 8, 0x700);
    fabric.set_line(Gsi(3), true);
    assert!(fabric.take_nmi());
    fabric.set_line(Gsi(4), true);
    assert!(!fabric.nmi_pending(), "already high");
    fabric.set_line(Gsi(8), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x33)));
    assert!(fabric.take_nmi(), "high again for line 4");
}

#[test]
fn lint0_as_fixed_interrupt_takes_the_pairs_edges() {
    // Linux's fallback "Virtual Wire IRQ".
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0x350, 0x31);
    fabric.pic_write(MasterData, 0xFE);
    fabric.set_timer_output(pit::Output::Rose);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x31)));
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), None);
}

#[test]
fn a_level_refused_by_a_disabled_apic_comes_when_it_is_enabled() {
    let mut fabric = fabric();
    route_pin(&mut fabric, 10, 0x45 | LEVEL);
    fabric.set_line(Gsi(10), true);
    assert!(!fabric.has_pending());
    assert_ne!(ioapic_read(&mut fabric, 0x10 + 20) & 1 << 12, 0, "send pending");
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
    assert_eq!(ioapic_read(&mut fabric, 0x10 + 20) & 1 << 12, 0);
}

#[test]
fn suppressed_eoi_broadcasts_leave_the_end_to_the_io_apics_register() {
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0xF0, 0x1FF | 1 << 12);
    route_pin(&mut fabric, 10, 0x45 | LEVEL);
    fabric.set_line(Gsi(10), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), None);
    fabric.ioapic_write(0x40, Width::Dword, 0x45);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
}

#[test]
fn nmi_by_line_pin_entry_and_ipi() {
    let mut fabric = symmetric();
    assert!(!fabric.nmi_possible());
    fabric.set_nmi_line(true);
    assert!(!fabric.nmi_pending(), "LINT1 is masked");
    fabric.set_nmi_line(false);
    lapic_write(&mut fabric, 0x360, 0x400);
    fabric.set_nmi_line(true);
    fabric.set_nmi_line(true);
    assert!(fabric.has_pending() && fabric.take_nmi() && !fabric.take_nmi());
    lapic_write(&mut fabric, 0x300, 0x400);
    assert!(fabric.take_nmi());
    route_pin(&mut fabric, 7, 0x400);
    assert!(fabric.nmi_possible());
    fabric.set_line(Gsi(7), true);
    assert!(fabric.take_nmi());
}

#[test]
fn an_init_to_itself_resets_the_apic_but_not_its_base() {
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0x300, 0x4_00F0);
    lapic_write(&mut fabric, 0x300, 0x500);
    assert!(fabric.init_pending() && fabric.has_pending());
    assert!(fabric.take_init());
    assert!(!fabric.has_pending());
    assert_eq!(lapic_read(&mut fabric, 0xF0), 0xFF);
    assert_eq!(fabric.apic_base(), 0xFEE0_0900);
}

#[test]
fn lines_that_no_pin_has_are_ignored() {
    let mut fabric = symmetric();
    let before = fabric.clone();
    for gsi in [0, 24, 31, 32, 255] {
        fabric.set_line(Gsi(gsi), true);
        fabric.set_line(Gsi(gsi), false);
    }
    assert_eq!(fabric, before);
}
