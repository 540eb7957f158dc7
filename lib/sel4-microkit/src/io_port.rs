//! I/O ports.

use sel4::Result;

use crate::{channel::IO_PORT_BASE, symbols};

/// A range of I/O ports that the system description grants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoPort(u64);

macro_rules! accesses {
    ($($read:ident, $write:ident, $type:ty;)*) => {$(
        /// Reads `port`.
        ///
        /// # Panics
        /// The port is outside the range: the program and the system
        /// description disagree.
        pub fn $read(self, port: u16) -> $type {
            self.check(self.cap().$read(port), port)
        }

        /// Writes `port`.
        ///
        /// # Panics
        /// The port is outside the range: the program and the system
        /// description disagree.
        pub fn $write(self, port: u16, value: $type) {
            self.check(self.cap().$write(port, value), port);
        }
    )*};
}

impl IoPort {
    /// The range with this number in the system description.
    ///
    /// # Panics
    /// A number of 62 or more.
    pub const fn new(id: u64) -> Self {
        assert!(id < 62, "I/O port ids are 0 to 61");
        IoPort(id)
    }

    /// Whether the system description grants it.
    pub fn is_granted(self) -> bool {
        symbols::io_ports() >> self.0 & 1 != 0
    }

    /// Its capability.
    ///
    /// # Panics
    /// The description does not grant it.
    pub(crate) fn cap(self) -> sel4::cap::IoPort {
        assert!(self.is_granted(), "no ioport id {} is granted", self.0);
        sel4::cap::IoPort::from_address(IO_PORT_BASE + self.0)
    }

    fn check<T>(self, result: Result<T>, port: u16) -> T {
        match result {
            Ok(value) => value,
            Err(e) => panic!("ioport id {} does not reach port {port:#x}: {e}", self.0),
        }
    }

    accesses! {
        read_8, write_8, u8;
        read_16, write_16, u16;
        read_32, write_32, u32;
    }
}
