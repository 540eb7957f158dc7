//! What a domain leaves for the moment at which it waits again: seL4 16 sends and
//! waits in one kernel call. On a kernel that does not, it costs what it costs
//! anyway.
//!
//! Not for the acknowledgement of an edge-triggered interrupt whose device is
//! looked at first: the next edge would be lost.

use sel4::{
    MessageInfo,
    cap::{Endpoint, IrqHandler},
};

use crate::{
    Channel,
    channel::{IRQ_BASE, NOTIFICATION_BASE},
    symbols,
};

/// What a domain leaves for the moment at which it waits again. Dropping it undoes
/// it.
#[must_use = "it is done by whoever waits next"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeferredAction {
    pub(crate) target: u64,
    pub(crate) info: MessageInfo,
}

impl DeferredAction {
    /// Does it now.
    pub(crate) fn execute(self) {
        Endpoint::from_address(self.target).send(self.info);
    }
}

impl Channel {
    /// Notifies the other end when this domain next waits, in the same kernel call
    /// where the kernel has one for both; see
    /// [`Handler::take_deferred_action`](crate::Handler::take_deferred_action).
    ///
    /// # Panics
    /// The description does not grant it.
    pub fn defer_notify(self) -> DeferredAction {
        assert!(self.may_notify(), "{self:?} may not be notified");
        DeferredAction {
            target: NOTIFICATION_BASE + self.index() as u64,
            info: MessageInfo::new(0, 0),
        }
    }

    /// Lets the interrupt line fire again when this domain next waits.
    ///
    /// # Panics
    /// The channel is not an interrupt line.
    pub fn defer_irq_ack(self) -> DeferredAction {
        assert!(symbols::irqs() >> self.index() & 1 != 0, "{self:?} is not an interrupt line");
        DeferredAction { target: IRQ_BASE + self.index() as u64, info: IrqHandler::ACK }
    }
}

/// Notifications of which the last goes with the next wait.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notifications(Option<DeferredAction>);

impl Notifications {
    /// Notifies the other end of `channel`, now or at the next wait.
    ///
    /// # Panics
    /// The description does not grant it.
    pub fn notify(&mut self, channel: Channel) {
        if let Some(earlier) = self.0.replace(channel.defer_notify()) {
            earlier.execute();
        }
    }

    /// The last one, for
    /// [`Handler::take_deferred_action`](crate::Handler::take_deferred_action).
    pub fn take(&mut self) -> Option<DeferredAction> {
        self.0.take()
    }
}
