//! The trait that a protection domain implements, and its loop.

use core::fmt;

use sel4::{
    Badge, MessageInfo,
    abi::current::PASSIVE_SIGNAL,
    cap::{Endpoint, IrqHandler},
};

use crate::{
    Channel, ChannelSet, Child, DeferredAction,
    channel::{INPUT, IRQ_BASE, REPLY},
    symbols,
};

/// A protection domain's reactions. Each method has the meaning of its
/// namesake in `libmicrokit`; the defaults panic, because the system
/// description granted a channel that the program does not serve.
pub trait Handler {
    /// Returned to give up; the domain then faults with its text.
    type Error: fmt::Display;

    /// Notifications arrived on these channels.
    ///
    /// # Errors
    /// Whatever ends this domain.
    fn notified(&mut self, channels: ChannelSet) -> Result<(), Self::Error> {
        panic!("unexpected notification on channels {channels:?}")
    }

    /// A protected procedure call; what is returned is the reply.
    ///
    /// # Errors
    /// Whatever ends this domain.
    fn protected(
        &mut self,
        channel: Channel,
        message: MessageInfo,
    ) -> Result<MessageInfo, Self::Error> {
        panic!("unexpected call on {channel:?}: {message:?}")
    }

    /// A child domain faulted; a reply lets it continue.
    ///
    /// # Errors
    /// Whatever ends this domain.
    fn fault(
        &mut self,
        child: Child,
        message: MessageInfo,
    ) -> Result<Option<MessageInfo>, Self::Error> {
        panic!("unexpected fault of {child:?}: {message:?}")
    }

    /// What is left to be done when the domain waits again: asked once before each
    /// wait. seL4 16 sends and waits in one kernel call, which is what this is for.
    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        None
    }

    /// The loop. A domain with a virtual machine replaces it by one that
    /// enters the guest ([`crate::vcpu`]): no kernel call both sends and enters,
    /// so nothing is to be deferred there.
    ///
    /// # Errors
    /// What a reaction returned.
    fn run(&mut self) -> Result<Never, Self::Error> {
        acknowledge_all_irqs();
        let mut reply: Option<MessageInfo> = None;
        // The monitor takes a passive domain's time only while it waits.
        let mut passive = passive_signal();
        loop {
            // At most one goes with the wait; what else there is goes before it.
            let actions = [self.take_deferred_action(), passive.take()];
            let event = match (reply.take(), actions) {
                (Some(message), actions) => {
                    actions.into_iter().flatten().for_each(DeferredAction::execute);
                    reply_recv(message)
                }
                (None, [Some(first), Some(signal)]) => {
                    first.execute();
                    send_recv(signal)
                }
                (None, [Some(action), None] | [None, Some(action)]) => send_recv(action),
                (None, [None, None]) => recv(),
            };
            match event {
                Event::Notified(channels) => self.notified(channels)?,
                Event::Protected(channel, message) => {
                    reply = Some(self.protected(channel, message)?);
                }
                Event::Fault(child, message) => reply = self.fault(child, message)?,
            }
        }
    }
}

/// No value: the loop ends by an error only.
#[derive(Clone, Copy, Debug)]
pub enum Never {}

/// What a protection domain received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Notifications.
    Notified(ChannelSet),
    /// A protected procedure call.
    Protected(Channel, MessageInfo),
    /// A child's fault.
    Fault(Child, MessageInfo),
}

/// Waits for the next event.
pub fn recv() -> Event {
    event(Endpoint::from_address(INPUT).recv(REPLY))
}

/// What a passive domain does as it first waits, on a kernel that knows any.
fn passive_signal() -> Option<DeferredAction> {
    let target = PASSIVE_SIGNAL.filter(|_| symbols::passive())?;
    Some(DeferredAction { target, info: MessageInfo::new(0, 0) })
}

fn send_recv(action: DeferredAction) -> Event {
    event(Endpoint::from_address(INPUT).send_recv(action.target, action.info, REPLY))
}

fn reply_recv(message: MessageInfo) -> Event {
    let ipc = sel4::IpcBuffer::current();
    let mrs = [ipc.mr(0), ipc.mr(1), ipc.mr(2), ipc.mr(3)];
    event(Endpoint::from_address(INPUT).reply_recv(message, mrs, REPLY))
}

fn event(received: sel4::Received) -> Event {
    match Badge::parse(received.badge) {
        Badge::Notification(channels) => Event::Notified(ChannelSet::from_bits(channels)),
        Badge::Call(id) => {
            spill(received.mrs);
            Event::Protected(Channel::new(id.into()), received.info)
        }
        Badge::Fault(id) => {
            spill(received.mrs);
            Event::Fault(Child::new(id.into()), received.info)
        }
    }
}

/// Puts the message registers that arrived in processor registers where
/// [`get_mr`](crate::get_mr) reads.
fn spill(mrs: [u64; 4]) {
    let ipc = sel4::IpcBuffer::current();
    for (n, word) in mrs.into_iter().enumerate() {
        ipc.set_mr(n, word);
    }
}

/// Acknowledges every interrupt line of this domain once: one that fired before
/// its handler was bound would otherwise stay silent for good.
pub fn acknowledge_all_irqs() {
    for channel in ChannelSet::from_bits(symbols::irqs()) {
        // A line that cannot be acknowledged is not this domain's: the system
        // description and the capabilities disagree.
        IrqHandler::from_address(IRQ_BASE + channel.index() as u64)
            .ack()
            .expect("an interrupt handler's capability is where the description says");
    }
}
