//! What a message is besides its words.

use crate::{
    Word,
    abi::current::{self as abi, badge},
};

/// Label, number of capabilities and number of words of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageInfo {
    /// Meaning: an invocation's label, an error, a fault's kind, or what two
    /// protection domains agree on. 20 bits on seL4 5.0.0.
    pub label: Word,
    /// Capabilities sent along, at most 3.
    pub extra_caps: u8,
    /// Words, at most 120.
    pub length: u8,
}

impl MessageInfo {
    /// A message without capabilities.
    pub const fn new(label: Word, length: u8) -> Self {
        MessageInfo { label, extra_caps: 0, length }
    }

    /// As the kernel takes it.
    pub const fn pack(self) -> Word {
        abi::pack(self)
    }

    /// From what the kernel gave.
    pub const fn unpack(word: Word) -> Self {
        abi::unpack(word)
    }
}

/// Who sent what a protection domain received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    /// Notifications, one bit a channel.
    Notification(Word),
    /// A protected procedure call over this channel.
    Call(u16),
    /// A fault of this child.
    Fault(u16),
}

impl Badge {
    /// Tells them apart.
    pub const fn parse(word: Word) -> Badge {
        if word & badge::NOTIFICATION != 0 {
            Badge::Notification(word & badge::CHANNELS)
        } else if word & badge::FAULT != 0 {
            Badge::Fault((word & badge::ID) as u16)
        } else {
            Badge::Call((word & badge::ID) as u16)
        }
    }

    /// As the initial task mints it.
    pub const fn pack(self) -> Word {
        match self {
            Badge::Notification(channels) => badge::NOTIFICATION | channels & badge::CHANNELS,
            Badge::Call(id) => badge::CALL | id as Word,
            Badge::Fault(id) => badge::FAULT | id as Word,
        }
    }
}

/// A message or notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// From whom.
    pub badge: Word,
    /// Its shape; meaningless for a notification.
    pub info: MessageInfo,
    /// Message registers 0 to 3; the rest is in the IPC buffer.
    pub mrs: [Word; 4],
}
