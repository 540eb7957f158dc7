//! A model of a PC's configuration space.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use bulkhead_config::PciDevice;
use pci_bus::Place;
use pci_core::ConfigSpace;

pub const ISA: Place = Place::new(1, 0);
pub const IDE: Place = Place::new(1, 1);
pub const CARD: Place = Place::new(2, 0);
pub const OTHER: Place = Place::new(3, 0);

/// Command bits that the model's devices have.
pub const COMMAND: u32 = 0x407;

/// One function: its registers, and what of each a write changes.
#[derive(Clone, Default)]
pub struct Function {
    pub registers: BTreeMap<u8, u32>,
    pub writable: BTreeMap<u8, u32>,
}

impl Function {
    pub fn new(identity: u32, class: u8, header: u8) -> Self {
        let registers = [
            (0x00, identity),
            (0x04, 0),
            (0x08, u32::from(class) << 24),
            (0x0c, u32::from(header) << 16),
        ];
        Function { registers: registers.into(), writable: [(0x04, COMMAND)].into() }
    }

    pub fn with(mut self, offset: u8, value: u32, writable: u32) -> Self {
        self.registers.insert(offset, value);
        self.writable.insert(offset, writable);
        self
    }

    pub fn io(self, bar: u8, address: u32, size: u32) -> Self {
        self.with(0x10 + 4 * bar, address | 1, !(size - 1) & 0xfffc)
    }

    pub fn memory(self, bar: u8, address: u32, size: u32) -> Self {
        self.with(0x10 + 4 * bar, address, !(size - 1))
    }
}

/// The bus, and every write, in order.
#[derive(Clone, Default)]
pub struct Bus {
    pub functions: BTreeMap<Place, Function>,
    pub writes: Vec<(Place, u8, u32)>,
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
    pub fn get(&self, place: Place, offset: u8) -> u32 {
        self.functions[&place].registers[&offset]
    }

    /// A PC as SeaBIOS leaves it.
    pub fn pc() -> Bus {
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

pub fn device(place: Place, identity: u32, interrupt: u8) -> PciDevice {
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
