//! Setting up, against a model of a PC's configuration space.

use std::collections::BTreeMap;

use bulkhead_config::{PciBar, PciDevice, PciSpace};
use pci_bus::{Place, Refusal};
use pci_core::{ConfigSpace, Host};

const ISA: Place = Place::new(1, 0);
const IDE: Place = Place::new(1, 1);
const CARD: Place = Place::new(2, 0);
const OTHER: Place = Place::new(3, 0);

/// Command bits that the model's devices have.
const COMMAND: u32 = 0x407;

/// One function: its registers, and what of each a write changes.
#[derive(Clone, Default)]
struct Function {
    registers: BTreeMap<u8, u32>,
    writable: BTreeMap<u8, u32>,
}

impl Function {
    fn new(identity: u32, class: u8, header: u8) -> Self {
        let registers = [
            (0x00, identity),
            (0x04, 0),
            (0x08, u32::from(class) << 24),
            (0x0c, u32::from(header) << 16),
        ];
        Function { registers: registers.into(), writable: [(0x04, COMMAND)].into() }
    }

    fn with(mut self, offset: u8, value: u32, writable: u32) -> Self {
        self.registers.insert(offset, value);
        self.writable.insert(offset, writable);
        self
    }

    fn io(self, bar: u8, address: u32, size: u32) -> Self {
        self.with(0x10 + 4 * bar, address | 1, !(size - 1) & 0xfffc)
    }

    fn memory(self, bar: u8, address: u32, size: u32) -> Self {
        self.with(0x10 + 4 * bar, address, !(size - 1))
    }
}

/// The bus, and every write, in order.
#[derive(Clone, Default)]
struct Bus {
    functions: BTreeMap<Place, Function>,
    writes: Vec<(Place, u8, u32)>,
}

impl ConfigSpace for &mut Bus {
    fn read(&mut self, place: Place, offset: u8) -> u32 {
        let found = self.functions.get(&place);
        found.map_or(u32::MAX, |f| f.registers.get(&offset).copied().unwrap_or(0))
    }

    fn write(&mut self, place: Place, offset: u8, value: u32) {
        self.writes.push((place, offset, value));
        let Some(function) = self.functions.get_mut(&place) else { return };
        let mask = function.writable.get(&offset).copied().unwrap_or(0);
        let register = function.registers.entry(offset).or_default();
        *register = *register & !mask | value & mask;
    }
}

impl Bus {
    fn get(&self, place: Place, offset: u8) -> u32 {
        self.functions[&place].registers[&offset]
    }

    /// A PC as SeaBIOS leaves it.
    fn pc() -> Bus {
        let functions = [
            (Place::new(0, 0), Function::new(0x1237_8086, 6, 0).with(0x04, 6, 6)),
            (ISA, Function::new(0x7000_8086, 6, 0x80).with(0x60, 0x0b0b_0a0a, u32::MAX)),
            (IDE, Function::new(0x7010_8086, 1, 0).with(0x04, 5, COMMAND).io(4, 0xc000, 16)),
            (
                CARD,
                Function::new(0x100e_8086, 2, 0)
                    .memory(0, 0xfebe_0000, 0x2_0000)
                    .io(1, 0xc040, 64)
                    .with(0x3c, 0x010a, 0xff),
            ),
            (OTHER, Function::new(0x1111_1234, 3, 0).memory(0, 0xfd00_0000, 0x100_0000)),
        ];
        Bus { functions: functions.into(), writes: Vec::new() }
    }
}

fn device(place: Place, identity: u32, interrupt: u8) -> PciDevice {
    PciDevice {
        client: "driver".try_into().unwrap(),
        place,
        vendor: identity as u16,
        device: (identity >> 16) as u16,
        registers: Default::default(),
        bus_master: true,
        interrupt,
    }
}

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
    for (line, expected) in [(10, Ok(())), (11, Err(Refusal::Interrupt))] {
        let mut bus = Bus::pc();
        let far = Place::new(6, 0);
        let function = Function::new(0x100e_8086, 2, 0).with(0x3c, 0x0100, 0xff);
        bus.functions.insert(far, function);
        let mut host = Host::new(&mut bus);
        assert_eq!(host.set_up(&card()), Ok(()));
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
