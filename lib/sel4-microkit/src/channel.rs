//! Channels, children and where their capabilities lie.

use core::fmt;

use sel4::{
    MessageInfo,
    cap::{Endpoint, IrqHandler, Notification, Tcb},
};

use crate::symbols;

// The capability space of a protection domain, as in Microkit 2.3.
pub(crate) const INPUT: u64 = 1;
pub(crate) const REPLY: u64 = 4;
pub(crate) const NOTIFICATION_BASE: u64 = 10;
const ENDPOINT_BASE: u64 = NOTIFICATION_BASE + 64;
pub(crate) const IRQ_BASE: u64 = ENDPOINT_BASE + 64;
const TCB_BASE: u64 = IRQ_BASE + 64;
const VM_TCB_BASE: u64 = TCB_BASE + 64;
pub(crate) const VCPU_BASE: u64 = VM_TCB_BASE + 64;
pub(crate) const IO_PORT_BASE: u64 = VCPU_BASE + 64;

/// Channels that a domain can have.
const CHANNELS: usize = 62;

/// One end of a channel, or an interrupt line: they share their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Channel(usize);

impl Channel {
    /// The channel with this number in the system description.
    ///
    /// # Panics
    /// A number of 62 or more.
    pub const fn new(index: usize) -> Self {
        assert!(index < CHANNELS, "channel numbers are 0 to 61");
        Channel(index)
    }

    /// Its number.
    pub const fn index(self) -> usize {
        self.0
    }

    /// Whether the description lets this domain notify the other end.
    pub fn may_notify(self) -> bool {
        symbols::notifications() >> self.0 & 1 != 0
    }

    /// Whether it is an interrupt line that the description grants.
    pub fn is_irq(self) -> bool {
        symbols::irqs() >> self.0 & 1 != 0
    }

    /// Whether the description lets this domain call the other end.
    pub fn may_call(self) -> bool {
        symbols::calls() >> self.0 & 1 != 0
    }

    /// Notifies the other end; never waits.
    ///
    /// # Panics
    /// The description does not grant it.
    pub fn notify(self) {
        assert!(self.may_notify(), "{self:?} may not be notified");
        Notification::from_address(NOTIFICATION_BASE + self.0 as u64).signal();
    }

    /// Lets the interrupt line fire again.
    ///
    /// # Errors
    /// The channel is not an interrupt line.
    pub fn irq_ack(self) -> Result<(), IrqAckError> {
        IrqHandler::from_address(IRQ_BASE + self.0 as u64).ack().map_err(IrqAckError)
    }

    /// Calls the other end and waits for its reply. The caller trusts the
    /// callee: while that hangs, so does this domain.
    ///
    /// # Panics
    /// The description does not grant it.
    pub fn pp_call(self, message: MessageInfo) -> MessageInfo {
        assert!(self.may_call(), "{self:?} may not be called");
        let ipc = sel4::IpcBuffer::current();
        let mrs = [ipc.mr(0), ipc.mr(1), ipc.mr(2), ipc.mr(3)];
        let reply = Endpoint::from_address(ENDPOINT_BASE + self.0 as u64).call(message, mrs);
        for (n, word) in reply.mrs.into_iter().enumerate() {
            ipc.set_mr(n, word);
        }
        reply.info
    }
}

/// Why an interrupt could not be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IrqAckError(sel4::Error);

impl fmt::Display for IrqAckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupt not acknowledged: {}", self.0)
    }
}

/// A set of channels.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelSet(u64);

impl ChannelSet {
    pub(crate) const fn from_bits(bits: u64) -> Self {
        ChannelSet(bits & ((1 << CHANNELS) - 1))
    }

    /// Those that are in both.
    pub const fn and(self, other: ChannelSet) -> ChannelSet {
        ChannelSet(self.0 & other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `channel` is among them.
    pub const fn contains(self, channel: Channel) -> bool {
        self.0 >> channel.0 & 1 != 0
    }
}

impl FromIterator<Channel> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        ChannelSet(channels.into_iter().fold(0, |bits, channel| bits | 1 << channel.0))
    }
}

impl Iterator for ChannelSet {
    type Item = Channel;

    fn next(&mut self) -> Option<Channel> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(Channel(index))
    }
}

impl fmt::Debug for ChannelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map(Channel::index)).finish()
    }
}

/// A child domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Child(usize);

impl Child {
    /// The child with this number in the system description.
    pub const fn new(index: usize) -> Self {
        Child(index)
    }

    /// Its number.
    pub const fn index(self) -> usize {
        self.0
    }

    /// Its thread.
    pub const fn tcb(self) -> Tcb {
        Tcb::from_address(TCB_BASE + self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_yields_its_channels_in_order_once() {
        let set = ChannelSet::from_bits(1 << 61 | 1 << 3 | 1);
        assert!(set.map(Channel::index).eq([0, 3, 61]));
        assert!(set.contains(Channel::new(61)) && !set.contains(Channel::new(1)));
    }

    #[test]
    fn bits_that_are_no_channel_are_dropped() {
        assert_eq!(ChannelSet::from_bits(1 << 62 | 1 << 63), ChannelSet::default());
    }

    #[test]
    fn badges_tell_notifications_calls_and_faults_apart() {
        use sel4::Badge;
        for badge in [
            Badge::Notification(1 << 27 | 1 << 26),
            Badge::Notification(1 << 61),
            Badge::Call(61),
            Badge::Fault(0),
        ] {
            assert_eq!(Badge::parse(badge.pack()), badge);
        }
    }
}
