//! The controller's ports, each access a kernel call.

use deadline::Tsc;
use ide_core::{Ports, Register};
use sel4_microkit::{IoPort, started, timestamp_counter, var};

const COMMAND: IoPort = IoPort::new(0);
const CONTROL: IoPort = IoPort::new(1);
const MASTER: IoPort = IoPort::new(2);

/// The ranges that the description grants.
pub struct PiixPorts {
    command: u16,
    control: u16,
    master: u16,
}

impl PiixPorts {
    /// Where the description has them.
    pub fn new() -> Self {
        let port = |first: u64| started(u16::try_from(first));
        PiixPorts {
            command: port(var!(command_port: u64 = 0x170)),
            control: port(var!(control_port: u64 = 0x376)),
            master: port(var!(master_port: u64 = 0)),
        }
    }

    fn place(&self, register: Register) -> (IoPort, u16) {
        let command = |offset| (COMMAND, self.command.wrapping_add(offset));
        let master = |offset| (MASTER, self.master.wrapping_add(offset));
        match register {
            Register::Data => command(0),
            Register::Error => command(1),
            Register::Count => command(2),
            Register::Low => command(3),
            Register::Mid => command(4),
            Register::High => command(5),
            Register::Device => command(6),
            Register::StatusCommand => command(7),
            Register::AlternateControl => (CONTROL, self.control),
            Register::MasterCommand => master(0),
            Register::MasterStatus => master(2),
            Register::MasterTable => master(4),
        }
    }
}

impl Ports for PiixPorts {
    fn read(&mut self, register: Register) -> u8 {
        let (range, port) = self.place(register);
        range.read_8(port)
    }

    fn write(&mut self, register: Register, value: u8) {
        let (range, port) = self.place(register);
        range.write_8(port, value);
    }

    fn read_data(&mut self) -> u16 {
        let (range, port) = self.place(Register::Data);
        range.read_16(port)
    }

    fn write_table(&mut self, address: u32) {
        let (range, port) = self.place(Register::MasterTable);
        range.write_32(port, address);
    }

    fn now(&mut self) -> Tsc {
        Tsc(timestamp_counter())
    }
}
