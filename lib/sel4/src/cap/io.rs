//! I/O ports and interrupt lines.

use super::{CNode, Notification, Slot, caps, invoke};
use crate::{Word, abi::current::numbers::invocation, error::Result};

caps! {
    /// A range of I/O ports.
    IoPort,
    /// The authority to make interrupt handlers.
    IrqControl,
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

/// An input of an I/O APIC and how it is wired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoApicLine {
    /// Which I/O APIC.
    pub ioapic: Word,
    /// Which input.
    pub pin: Word,
    /// Level-triggered, else edge.
    pub level: bool,
    /// Active low, else high.
    pub active_low: bool,
    /// Vector, counted from the kernel's first user vector.
    pub vector: Word,
}

impl IrqControl {
    /// Makes the handler of an I/O APIC's input, in `root`'s slot `slot`.
    ///
    /// # Errors
    /// No such input, the vector is taken, or the slot is.
    pub fn io_apic(self, line: IoApicLine, root: CNode, slot: Slot) -> Result<IrqHandler> {
        invoke(
            self.0,
            invocation::X86_IRQ_ISSUE_IRQ_HANDLER_IOAPIC,
            [
                slot.index,
                slot.depth.into(),
                line.ioapic,
                line.pin,
                line.level.into(),
                line.active_low.into(),
                line.vector,
            ],
            [root.address()],
        )?;
        Ok(IrqHandler(slot.index))
    }
}

impl IrqHandler {
    /// Lets the line interrupt again.
    ///
    /// # Errors
    /// Not an interrupt handler.
    pub fn ack(self) -> Result {
        invoke(self.0, invocation::IRQ_ACK_IRQ, [], []).map(drop)
    }

    /// Says what an interrupt signals.
    ///
    /// # Errors
    /// Not a notification that may be signalled.
    pub fn set_notification(self, notification: Notification) -> Result {
        invoke(self.0, invocation::IRQ_SET_IRQ_HANDLER, [], [notification.address()]).map(drop)
    }
}
