//! The buses as the emulator sees them: an access finds its device, and what a
//! device asks of the whole machine is kept until the instruction is done.

use crate::bus::{mmio, pio};
use crate::devices::request::Request;
use crate::emulate::{MmioBus, PortBus};
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
        mmio::read(self.devices, gpa, width, self.now)
    }

    fn write(&mut self, gpa: Gpa, width: Width, value: u64) {
        mmio::write(self.devices, gpa, width, value, self.now);
    }
}
