//! I/O ports and interrupt lines.

use super::{caps, invoke};
use crate::{MessageInfo, Word, abi::current::numbers::invocation, error::Result};

caps! {
    /// A range of I/O ports.
    IoPort,
    /// One interrupt line.
    IrqHandler,
}

impl IoPort {
    /// Reads one byte.
    ///
    /// # Errors
    /// The port is outside the capability's range.
    pub fn read_8(self, port: u16) -> Result<u8> {
        invoke(self.0, invocation::X86_IO_PORT_IN8, [port.into()], []).map(|w| w as u8)
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// As [`IoPort::read_8`].
    pub fn read_16(self, port: u16) -> Result<u16> {
        invoke(self.0, invocation::X86_IO_PORT_IN16, [port.into()], []).map(|w| w as u16)
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// As [`IoPort::read_8`].
    pub fn read_32(self, port: u16) -> Result<u32> {
        invoke(self.0, invocation::X86_IO_PORT_IN32, [port.into()], []).map(|w| w as u32)
    }

    /// Writes one byte.
    ///
    /// # Errors
    /// As [`IoPort::read_8`].
    pub fn write_8(self, port: u16, value: u8) -> Result {
        invoke(self.0, invocation::X86_IO_PORT_OUT8, [port.into(), value.into()], []).map(drop)
    }

    /// Writes two bytes.
    ///
    /// # Errors
    /// As [`IoPort::read_8`].
    pub fn write_16(self, port: u16, value: u16) -> Result {
        invoke(self.0, invocation::X86_IO_PORT_OUT16, [port.into(), value.into()], []).map(drop)
    }

    /// Writes four bytes.
    ///
    /// # Errors
    /// As [`IoPort::read_8`].
    pub fn write_32(self, port: u16, value: u32) -> Result {
        invoke(self.0, invocation::X86_IO_PORT_OUT32, [port.into(), value.into()], []).map(drop)
    }
}

impl IrqHandler {
    /// The message of [`ack`](Self::ack), for whoever sends it together with
    /// something else.
    pub const ACK: MessageInfo = MessageInfo::new(invocation::IRQ_ACK_IRQ as Word, 0);

    /// Lets the line interrupt again.
    ///
    /// # Errors
    /// Not an interrupt handler.
    pub fn ack(self) -> Result {
        invoke(self.0, invocation::IRQ_ACK_IRQ, [], []).map(drop)
    }
}
