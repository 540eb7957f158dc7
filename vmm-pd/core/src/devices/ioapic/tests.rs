//! Rules of the 82093AA data sheet, one test each. How it plays together with
//! the local APIC is tested with the fabric.

use proptest::prelude::*;

use super::*;

const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

fn write(ioapic: &mut IoApic, index: u8, value: u32) {
    ioapic.write(0x00, Width::Dword, u64::from(index));
    ioapic.write(0x10, Width::Dword, u64::from(value));
}

fn read(ioapic: &mut IoApic, index: u8) -> u32 {
    ioapic.write(0x00, Width::Dword, u64::from(index));
    ioapic.read(0x10, Width::Dword) as u32
}

fn with_pin(pin: u8, low: u32) -> IoApic {
    let mut ioapic = IoApic::new();
    write(&mut ioapic, 0x10 + 2 * pin, low);
    ioapic
}

#[test]
fn after_reset_every_pin_is_masked() {
    let mut ioapic = IoApic::new();
    for pin in 0..PINS {
        assert_eq!(read(&mut ioapic, 0x10 + 2 * pin), MASKED);
        assert_eq!(read(&mut ioapic, 0x11 + 2 * pin), 0);
        ioapic.set_line(pin, true);
    }
    assert_eq!(ioapic.waiting(), 0);
}

#[test]
fn version_20h_with_24_pins() {
    assert_eq!(read(&mut IoApic::new(), 1), 0x0017_0020);
}

#[test]
fn the_identity_has_four_bits_and_shows_as_arbitration_too() {
    let mut ioapic = IoApic::new();
    write(&mut ioapic, 0, 0xFFFF_FFFF);
    assert_eq!(read(&mut ioapic, 0), 0x0F00_0000);
    assert_eq!(read(&mut ioapic, 2), 0x0F00_0000);
}

#[test]
fn read_only_bits_stay() {
    let mut ioapic = IoApic::new();
    write(&mut ioapic, 0x12, 0xFFFF_FFFF);
    write(&mut ioapic, 0x13, 0xFFFF_FFFF);
    assert_eq!(read(&mut ioapic, 0x12), 0x1_AFFF);
    assert_eq!(read(&mut ioapic, 0x13), 0xFF00_0000);
    write(&mut ioapic, 1, 0);
    assert_eq!(read(&mut ioapic, 1), 0x0017_0020);
}

#[test]
fn indices_without_a_register_read_zero() {
    let mut ioapic = IoApic::new();
    for index in (3..0x10).chain(0x40..=0xFF) {
        write(&mut ioapic, index, 0xFFFF_FFFF);
        assert_eq!(read(&mut ioapic, index), 0);
    }
}

#[test]
fn the_message_says_what_the_entry_says() {
    let mut ioapic = with_pin(5, 0x0841 | LEVEL | 1 << 8);
    write(&mut ioapic, 0x1B, 0x0300_0000);
    let expected = Message {
        vector: 0x41,
        mode: DeliveryMode::LowestPriority,
        trigger: Trigger::Level,
        destination: Destination::Logical(3),
    };
    assert_eq!(ioapic.message(5), Some(expected));
    write(&mut ioapic, 0x1A, 0x0041);
    write(&mut ioapic, 0x1B, 0xFF00_0000);
    let to_all = Destination::Physical(u32::MAX);
    assert_eq!(ioapic.message(5).unwrap().destination, to_all);
    assert_eq!(ioapic.message(24), None);
}

#[test]
fn an_edge_is_sent_once() {
    let mut ioapic = with_pin(4, 0x40);
    ioapic.set_line(4, true);
    assert_eq!(ioapic.waiting(), 1 << 4);
    ioapic.sent(4, Delivery::Taken);
    ioapic.set_line(4, true);
    assert_eq!(ioapic.waiting(), 0);
    ioapic.set_line(4, false);
    ioapic.set_line(4, true);
    assert_eq!(ioapic.waiting(), 1 << 4);
}

#[test]
fn an_edge_on_a_masked_pin_or_refused_is_gone() {
    let mut ioapic = with_pin(4, 0x40 | MASKED);
    ioapic.set_line(4, true);
    write(&mut ioapic, 0x18, 0x40);
    assert_eq!(ioapic.waiting(), 0);
    ioapic.set_line(4, false);
    ioapic.set_line(4, true);
    ioapic.sent(4, Delivery::Refused);
    assert_eq!(ioapic.waiting(), 0);
}

#[test]
fn a_level_waits_for_its_mask_and_for_a_refusal() {
    let mut ioapic = with_pin(9, 0x49 | LEVEL | MASKED);
    ioapic.set_line(9, true);
    assert_eq!(ioapic.waiting(), 0);
    write(&mut ioapic, 0x22, 0x49 | LEVEL);
    ioapic.sent(9, Delivery::Refused);
    assert_eq!(ioapic.waiting(), 1 << 9);
    assert_eq!(read(&mut ioapic, 0x22), 0x49 | LEVEL | 1 << 12);
    ioapic.set_line(9, false);
    assert_eq!(ioapic.waiting(), 0);
}

#[test]
fn a_level_is_sent_again_after_its_end() {
    let mut ioapic = with_pin(9, 0x49 | LEVEL);
    ioapic.set_line(9, true);
    ioapic.sent(9, Delivery::Taken);
    assert_eq!(ioapic.waiting(), 0);
    assert_eq!(read(&mut ioapic, 0x22), 0x49 | LEVEL | 1 << 14);
    ioapic.end_of_interrupt(Vector(0x48));
    assert_eq!(ioapic.waiting(), 0, "another's end");
    ioapic.write(0x40, Width::Dword, 0x49);
    assert_eq!(ioapic.waiting(), 1 << 9);
    ioapic.sent(9, Delivery::Taken);
    write(&mut ioapic, 0x22, 0x49 | LEVEL | MASKED);
    ioapic.end_of_interrupt(Vector(0x49));
    assert_eq!(ioapic.waiting(), 0, "masked meanwhile");
    write(&mut ioapic, 0x22, 0x49 | LEVEL);
    assert_eq!(ioapic.waiting(), 1 << 9);
}

#[test]
fn choosing_edges_for_a_moment_clears_remote_irr() {
    let mut ioapic = with_pin(9, 0x49 | LEVEL);
    ioapic.set_line(9, true);
    ioapic.sent(9, Delivery::Taken);
    write(&mut ioapic, 0x22, 0x49 | MASKED);
    write(&mut ioapic, 0x22, 0x49 | LEVEL | MASKED);
    assert_eq!(read(&mut ioapic, 0x22), 0x49 | LEVEL | MASKED);
}

#[test]
fn messages_without_a_vector_are_edges() {
    let mut ioapic = with_pin(7, 0x400 | LEVEL);
    assert!(ioapic.has_nmi());
    ioapic.set_line(7, true);
    assert_eq!(ioapic.message(7).unwrap().trigger, Trigger::Edge);
    ioapic.sent(7, Delivery::Nmi);
    assert_eq!(ioapic.waiting(), 0);
    assert_eq!(read(&mut ioapic, 0x1E) & 1 << 14, 0);
}

#[test]
fn odd_accesses_read_their_bytes_and_write_nothing() {
    let mut ioapic = with_pin(1, 0x1_A5C3);
    ioapic.write(0x00, Width::Byte, 0x12);
    assert_eq!(ioapic.read(0x00, Width::Qword), 0x12);
    assert_eq!(ioapic.read(0x10, Width::Byte), 0xC3);
    assert_eq!(ioapic.read(0x11, Width::Word), 0x1_A5 & 0xFFFF);
    assert_eq!(ioapic.read(0x10, Width::Qword), 0x1_A5C3);
    assert_eq!(ioapic.read(0x14, Width::Dword), 0);
    assert_eq!(ioapic.read(0x1F, Width::Qword), 0);
    let before = ioapic.clone();
    for (offset, width) in [
        (0x10, Width::Byte),
        (0x10, Width::Word),
        (0x10, Width::Qword),
        (0x11, Width::Dword),
        (0x14, Width::Dword),
        (0x40, Width::Byte),
        (0x20, Width::Dword),
        (0x01, Width::Byte),
        (u32::MAX, Width::Dword),
    ] {
        ioapic.write(offset, width, 0);
        ioapic.read(offset, width);
    }
    assert_eq!(ioapic, before);
}

proptest! {
    #[test]
    fn no_access_sequence_panics_and_a_snapshot_changes_nothing(
        accesses in prop::collection::vec((0u8..6, any::<u32>(), 0u8..64, 0u8..30), 0..200),
    ) {
        let mut ioapic = IoApic::new();
        for (what, value, index, pin) in accesses {
            match what {
                0 | 1 => write(&mut ioapic, index, value),
                2 => { read(&mut ioapic, index); }
                3 => ioapic.set_line(pin, value & 1 != 0),
                4 => ioapic.sent(pin, if value & 1 == 0 { Delivery::Taken } else { Delivery::Refused }),
                _ => { ioapic.end_of_interrupt(Vector(value as u8)); }
            }
            prop_assert_eq!(&IoApic::from_state(ioapic.state().clone()), &ioapic);
        }
    }
}
