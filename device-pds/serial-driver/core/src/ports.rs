//! A UART's registers as I/O ports that the kernel grants.

use core::fmt;

use sel4_microkit::IoPort;

use crate::uart::{Ports, Register};

/// Ports of a 16550.
const COUNT: u16 = 8;

/// A 16550's eight consecutive ports.
#[derive(Debug)]
pub struct PortRange {
    ports: IoPort,
    first: u16,
}

/// The first port is none, or leaves no room for the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPort(u64);

impl fmt::Display for BadPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uart_port {:#x} is not the first of {COUNT} I/O ports", self.0)
    }
}

impl PortRange {
    /// The ports from `first` on, which `ports` must cover.
    ///
    /// # Errors
    /// They would end beyond the last port there is.
    pub fn new(ports: IoPort, first: u64) -> Result<Self, BadPort> {
        match u16::try_from(first) {
            Ok(first) if first <= u16::MAX - (COUNT - 1) => Ok(PortRange { ports, first }),
            _ => Err(BadPort(first)),
        }
    }
}

impl Ports for PortRange {
    fn read(&mut self, register: Register) -> u8 {
        self.ports.read_8(self.first + register.offset())
    }

    fn write(&mut self, register: Register, value: u8) {
        self.ports.write_8(self.first + register.offset(), value);
    }
}
