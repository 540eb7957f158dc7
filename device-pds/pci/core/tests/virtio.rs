//! Virtio devices: registers of 64 bits, and the list that says where the structures
//! are, which the device may have filled with anything.

mod bus;

use bulkhead_config::{PciBar, PciDevice, PciSpace};
use bus::{Bus, CARD, Function, OTHER, device};
use pci_bus::{
    Refusal,
    virtio::{Span, Structures},
};
use pci_core::Host;
use proptest::prelude::*;

/// Where the description has the device's fourth register.
const HERE: u32 = 0xfe00_0000;
const IDENTITY: u32 = 0x1042_1af4;

/// A structure: its type, register, offset and size.
type Entry = (u8, u8, u32, u32);

/// As QEMU has it.
const USUAL: [Entry; 4] =
    [(1, 4, 0, 0x1000), (3, 4, 0x1000, 0x1000), (4, 4, 0x2000, 0x1000), (2, 4, 0x3000, 0x1000)];

/// A device with these, in a register of 64 bits and 16 KiB.
fn function(entries: &[Entry]) -> Function {
    let mut function = Function::new(IDENTITY, 1, 0)
        .memory(4, 0x8000_000c, 0x4000)
        .with(0x24, 1, u32::MAX)
        .with(0x04, 1 << 20, bus::COMMAND)
        .with(0x34, 0x40, 0)
        .with(0x3c, 0x0100, 0xff);
    for (number, &(kind, bar, offset, size)) in entries.iter().enumerate() {
        let at = 0x40 + 0x18 * number as u8;
        let next = if number + 1 == entries.len() { 0 } else { at + 0x18 };
        let head = u32::from_le_bytes([0x09, next, 0x14, kind]);
        for (place, word) in [(0, head), (4, bar.into()), (8, offset), (12, size), (16, 4)] {
            function = function.with(at + place, word, 0);
        }
    }
    function
}

fn wanted() -> PciDevice {
    let mut wanted = device(CARD, IDENTITY, 10);
    let bar = PciBar { bar: 4, space: PciSpace::Memory, address: HERE };
    wanted.registers.push(bar).unwrap();
    wanted
}

fn set_up(function: Function) -> (Result<Option<Structures>, Refusal>, Bus) {
    let mut bus = Bus::pc();
    bus.functions.insert(CARD, function);
    let result = Host::new(&mut bus).set_up(&wanted());
    (result, bus)
}

#[test]
fn a_register_of_64_bits_moves_below_4_gib_and_the_structures_with_it() {
    let (found, bus) = set_up(function(&USUAL));
    let span = |page: u32| Span { address: HERE + page, size: 0x1000 };
    let expected = Structures {
        common: span(0),
        isr: span(0x1000),
        device: span(0x2000),
        notify: span(0x3000),
        notify_multiplier: 4,
    };
    assert_eq!(found, Ok(Some(expected)));
    assert_eq!([bus.get(CARD, 0x20), bus.get(CARD, 0x24)], [HERE | 0xc, 0]);
}

#[test]
fn the_upper_half_of_a_register_is_no_register_of_its_own() {
    let mut bus = Bus::pc();
    // Its upper half, taken for a register, would lie over what is wanted.
    let far = Function::new(0x1234_1234, 1, 0).memory(0, 0x0000_000c, 0x4000);
    bus.functions.insert(OTHER, far.with(0x14, HERE, u32::MAX));
    bus.functions.insert(CARD, function(&USUAL));
    assert!(Host::new(&mut bus).set_up(&wanted()).is_ok());
    // The last register has no room for one.
    let mut last = wanted();
    last.registers[0].bar = 5;
    let function = Function::new(IDENTITY, 1, 0).memory(5, 0x8000_000c, 0x4000);
    bus.functions.insert(CARD, function);
    assert_eq!(Host::new(&mut bus).set_up(&last), Err(Refusal::Bar));
}

#[test]
fn the_first_of_a_type_that_is_in_named_memory_counts() {
    let entries =
        [(1, 0, 0, 0x40), (1, 4, 0, 0x100), (1, 4, 0x100, 0x100), (2, 4, 8, 8), (3, 4, 4, 1)];
    let (found, _) = set_up(function(&entries));
    let found = found.unwrap().unwrap();
    assert_eq!(found.common, Span { address: HERE, size: 0x100 });
    assert_eq!(found.device, Span::default(), "not every device has one");
}

#[test]
fn structures_that_are_missing_or_elsewhere_are_refused_and_no_transfer_starts() {
    for missing in 0..3 {
        let mut entries = vec![(1, 4, 0, 0x40), (2, 4, 0x40, 4), (3, 4, 0x44, 1)];
        for place in [(0, 0), (0x4000, 1), (0x3fff, 2), (u32::MAX, 2), (0, u32::MAX)] {
            (entries[missing].2, entries[missing].3) = place;
            let (found, bus) = set_up(function(&entries));
            assert_eq!(found, Err(Refusal::Structures), "{missing} at {place:x?}");
            assert_eq!(bus.get(CARD, 0x04) & 4, 0);
        }
        entries.remove(missing);
        assert_eq!(set_up(function(&entries)).0, Err(Refusal::Structures));
    }
    let none = function(&USUAL).with(0x04, 0, bus::COMMAND);
    assert_eq!(set_up(none).0, Err(Refusal::Structures), "there is no list");
}

#[test]
fn a_list_that_never_ends_is_not_followed_for_ever() {
    let head = u32::from_le_bytes([0x09, 0x40, 0x14, 1]);
    let (found, _) = set_up(function(&USUAL).with(0x40, head, 0));
    assert_eq!(found, Err(Refusal::Structures), "the others are not reached");
}

proptest! {
    /// Whatever the list says, what is found is within what is named.
    #[test]
    fn nothing_is_found_outside_the_registers_that_are_named(
        words in proptest::collection::vec(any::<(u8, u32)>(), 0..64),
        entries in proptest::collection::vec(
            (0..6u8, 3..6u8, 0..0x5000u32, 0..0x5000u32), 1..7),
    ) {
        let mut function = function(&entries);
        for (place, word) in words {
            function = function.with(0x40 | place & 0xbc, word, 0);
        }
        if let Ok(Some(found)) = set_up(function).0 {
            for span in [found.common, found.notify, found.isr, found.device] {
                let end = u64::from(span.address) + u64::from(span.size);
                let inside = span.address >= HERE && end <= u64::from(HERE) + 0x4000;
                prop_assert!(inside || span == Span::default(), "{span}");
            }
        }
    }
}
