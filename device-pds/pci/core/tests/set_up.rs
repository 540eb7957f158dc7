//! Setting up, against a model of a PC's configuration space.

mod bus;

use bulkhead_config::{PciBar, PciDevice, PciSpace};
use bus::{Bus, CARD, Function, IDE, ISA, OTHER, device};
use pci_bus::{Place, Refusal};
use pci_core::Host;

fn card() -> PciDevice {
    let mut wanted = device(CARD, 0x100e_8086, 10);
    let bar = PciBar { bar: 0, space: PciSpace::Memory, address: 0xfebe_0000 };
    wanted.registers.push(bar).unwrap();
    wanted
}

fn refusal(change: impl FnOnce(&mut Bus, &mut PciDevice)) -> (Option<Refusal>, Bus) {
    let (mut bus, mut wanted) = (Bus::pc(), card());
    change(&mut bus, &mut wanted);
    let result = Host::new(&mut bus).set_up(&wanted);
    (result.err(), bus)
}

#[test]
fn a_device_as_the_firmware_left_it_gets_what_its_driver_needs() {
    let (refusal, bus) = refusal(|_, _| {});
    assert_eq!(refusal, None);
    assert_eq!(bus.get(CARD, 0x04), 0b110, "memory and bus mastering, no I/O ports");
    assert_eq!(bus.get(CARD, 0x10), 0xfebe_0000);
    assert_eq!(bus.get(ISA, 0x60), 0x0b0b_0a0a, "wire B leads to line 10 already");
}

#[test]
fn a_register_moves_to_where_the_description_has_it() {
    let (refusal, bus) = refusal(|_, wanted| wanted.registers[0].address = 0xe000_0000);
    assert_eq!(refusal, None);
    assert_eq!(bus.get(CARD, 0x10), 0xe000_0000);
    let moved = bus.writes.iter().position(|w| *w == (CARD, 0x10, 0xe000_0000)).unwrap();
    assert_eq!(bus.writes[moved - 1], (CARD, 0x04, 0), "it answered to nothing meanwhile");
}

#[test]
fn looking_at_the_others_leaves_them_as_they_were() {
    let before = Bus::pc();
    let (_, after) = refusal(|_, _| {});
    for place in [IDE, OTHER] {
        assert_eq!(before.functions[&place].registers, after.functions[&place].registers);
    }
}

#[test]
fn what_is_not_as_configured_is_refused_with_its_reason_and_starts_no_transfer() {
    type Change = fn(&mut Bus, &mut PciDevice);
    let cases: [(Refusal, Change); 12] = [
        (Refusal::Absent, |_, w| w.place = Place::new(4, 0)),
        (Refusal::OtherDevice, |_, w| w.device = 0x100f),
        (Refusal::OtherDevice, |_, w| w.vendor = 0x8087),
        (Refusal::Bar, |_, w| w.registers[0].space = PciSpace::Io),
        (Refusal::Bar, |_, w| w.registers[0].bar = 6),
        (Refusal::Bar, |_, w| w.registers[0].bar = 2),
        (Refusal::Bar, |_, w| w.registers[0].address = 0xfeb1_0000),
        (Refusal::Overlap, |_, w| w.registers[0].address = 0xfd02_0000),
        (Refusal::Command, |b, _| {
            let card = b.functions.get_mut(&CARD).unwrap();
            card.writable.insert(0x04, 0b011);
        }),
        (Refusal::Interrupt, |_, w| w.interrupt = 8),
        (Refusal::Interrupt, |b, _| {
            b.functions.get_mut(&CARD).unwrap().registers.insert(0x3c, 0);
        }),
        (Refusal::Interrupt, |b, _| {
            b.functions.remove(&ISA);
        }),
    ];
    for (expected, change) in cases {
        let (refusal, bus) = refusal(change);
        assert_eq!(refusal, Some(expected));
        assert_eq!(bus.get(CARD, 0x10), 0xfebe_0000, "its registers stay where they were");
        assert_eq!(bus.get(CARD, 0x04) & 4, 0, "{expected:?}");
    }
}

#[test]
fn an_interrupt_is_led_to_the_line_that_the_description_has() {
    let (refusal, bus) = refusal(|_, wanted| wanted.interrupt = 11);
    assert_eq!(refusal, None);
    assert_eq!(bus.get(ISA, 0x60), 0x0b0b_0b0a, "device 2, pin A is wire B");
}

#[test]
fn two_devices_on_one_wire_want_the_same_line_or_the_second_is_refused() {
    for (line, expected) in [(10, Ok(None)), (11, Err(Refusal::Interrupt))] {
        let mut bus = Bus::pc();
        let far = Place::new(6, 0);
        let function = Function::new(0x100e_8086, 2, 0).with(0x3c, 0x0100, 0xff);
        bus.functions.insert(far, function);
        let mut host = Host::new(&mut bus);
        assert_eq!(host.set_up(&card()), Ok(None));
        assert_eq!(host.set_up(&device(far, 0x100e_8086, line)), expected);
    }
}

#[test]
fn the_firmware_s_bus_masters_are_switched_off_and_bridges_left_alone() {
    let mut bus = Bus::pc();
    Host::new(&mut bus).hush(|place| place == CARD);
    assert_eq!(bus.get(IDE, 0x04), 1);
    assert_eq!(bus.get(Place::new(0, 0), 0x04), 6);
    assert_eq!(bus.writes.len(), 1);
}
