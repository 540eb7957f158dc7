//! What a message is besides its words.

use crate::{
    Word,
    abi::current::{badge, numbers::message as layout},
};

/// Label, number of capabilities and number of words of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageInfo {
    /// Meaning: an invocation's label, an error, a fault's kind, or what two
    /// protection domains agree on. 20 bits on seL4 5.0.0, 52 on 16.
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
        self.label << layout::LABEL_SHIFT
            | (self.extra_caps as Word) << layout::EXTRA_CAPS_SHIFT
            | (self.length as Word) << layout::LENGTH_SHIFT
    }

    /// From what the kernel gave.
    pub const fn unpack(word: Word) -> Self {
        MessageInfo {
            label: part(word, layout::LABEL_SHIFT, layout::LABEL_BITS),
            extra_caps: part(word, layout::EXTRA_CAPS_SHIFT, layout::EXTRA_CAPS_BITS) as u8,
            length: part(word, layout::LENGTH_SHIFT, layout::LENGTH_BITS) as u8,
        }
    }
}

/// `bits` bits of a word from bit `shift`.
const fn part(word: Word, shift: usize, bits: usize) -> Word {
    word >> shift & ((1 << bits) - 1)
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
        badge::parse(word)
    }

    /// As the initial task mints it.
    pub const fn pack(self) -> Word {
        badge::pack(self)
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
