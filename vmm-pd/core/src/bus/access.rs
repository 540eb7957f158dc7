//! The buses as the emulator sees them: an access finds its device, and what a
//! device asks of the whole machine is kept until the instruction is done.

use crate::bus::pio;
use crate::devices::request::Request;
use crate::emulate::{MmioBus, PortBus};
use crate::layout::numbers;
use crate::outside::Outside;
use crate::types::{Gpa, Port, Ticks, Width};
use crate::vm::Devices;

/// All buses, at one moment.
pub struct Buses<'a, O> {
    /// What they lead to.
    pub devices: &'a mut Devices,
    /// Where bytes for the outside go.
    pub outside: &'a mut O,
    /// The moment.
    pub now: Ticks,
    /// The first thing that a device asked of the machine.
    pub request: Option<Request>,
}

impl<O: Outside> PortBus for Buses<'_, O> {
    fn port_read(&mut self, port: Port, width: Width) -> u32 {
        pio::read(self.devices, port, width, self.now, self.outside)
    }

    fn port_write(&mut self, port: Port, width: Width, value: u32) {
        let request = pio::write(self.devices, port, width, value, self.now, self.outside);
        self.request = self.request.or(request);
    }
}

impl<O: Outside> MmioBus for Buses<'_, O> {
    fn read(&mut self, gpa: Gpa, width: Width) -> u64 {
        let Devices { interrupts, unclaimed_addresses, .. } = self.devices;
        match Page::of(gpa, interrupts.lapic_base()) {
            Page::LocalApic(offset) => interrupts.lapic_read(offset, width, self.now),
            Page::IoApic(offset) => interrupts.ioapic_read(offset, width),
            Page::Nothing => {
                *unclaimed_addresses = unclaimed_addresses.wrapping_add(1);
                width.mask()
            }
        }
    }

    fn write(&mut self, gpa: Gpa, width: Width, value: u64) {
        let Devices { interrupts, unclaimed_addresses, .. } = self.devices;
        match Page::of(gpa, interrupts.lapic_base()) {
            Page::LocalApic(offset) => interrupts.lapic_write(offset, width, value, self.now),
            Page::IoApic(offset) => interrupts.ioapic_write(offset, width, value),
            Page::Nothing => *unclaimed_addresses = unclaimed_addresses.wrapping_add(1),
        }
    }
}

/// Whose page an address lies in, and how far.
enum Page {
    LocalApic(u32),
    IoApic(u32),
    Nothing,
}

impl Page {
    /// The local APIC goes first: its page can be moved, even over the other.
    fn of(gpa: Gpa, lapic: Option<Gpa>) -> Page {
        let page = gpa.0 & !(numbers::PAGE - 1);
        let offset = (gpa.0 & (numbers::PAGE - 1)) as u32;
        if lapic == Some(Gpa(page)) {
            Page::LocalApic(offset)
        } else if page == numbers::IOAPIC {
            Page::IoApic(offset)
        } else {
            Page::Nothing
        }
    }
}
