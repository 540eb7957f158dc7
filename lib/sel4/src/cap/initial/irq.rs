//! Interrupt lines, made and connected.

use super::{CNode, Slot};
use crate::{
    Word,
    abi::current::numbers::invocation,
    cap::{IrqHandler, Notification, caps, invoke},
    error::Result,
};

caps! {
    /// The authority to make interrupt handlers.
    IrqControl,
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
        Ok(IrqHandler::from_address(slot.index))
    }
}

impl IrqHandler {
    /// Says what an interrupt signals.
    ///
    /// # Errors
    /// Not a notification that may be signalled.
    pub fn set_notification(self, notification: Notification) -> Result {
        invoke(self.address(), invocation::IRQ_SET_IRQ_HANDLER, [], [notification.address()])
            .map(drop)
    }
}
