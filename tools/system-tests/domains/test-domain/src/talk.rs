//! Domains that call, notify and watch each other.

use sel4_microkit::{Channel, ChannelSet, Child, MessageInfo};

use crate::{console::say, message_registers, set_message_registers};

/// The part `server` in `caller`.
const SERVER: Channel = Channel::new(7);
/// The part `caller` in `server`.
const CALLER: Channel = Channel::new(61);

/// Lengths around the number of message registers that travel in processor
/// registers, and the greatest.
const LENGTHS: [u8; 6] = [0, 1, 3, 4, 5, 120];

/// Greatest label of a message on the kernel with fewer bits (20).
const LABEL_MAX: u64 = 0xf_ffff;

/// Word `n` of a question, which no two questions share.
fn word(length: u8, n: u64) -> u64 {
    u64::from(length) << 56 | n << 32 | 0x5eed
}

/// Calls with messages of several lengths and compares the answers.
pub fn call_server() {
    for length in LENGTHS {
        set_message_registers((0..length.into()).map(|n| word(length, n)));
        let answer = SERVER.pp_call(MessageInfo::new(LABEL_MAX - u64::from(length), length));
        assert_eq!(answer, MessageInfo::new(length.into(), length), "shape of the answer");
        for (n, got) in message_registers(length).enumerate() {
            assert_eq!(got, !word(length, n as u64), "word {n} of {length}");
        }
    }
    say!("caller has {} answers", LENGTHS.len());
    SERVER.notify();
}

/// Answers calls and notifications.
#[derive(Default)]
pub struct Server {
    calls: usize,
}

impl Server {
    /// The complement of every word.
    pub fn answer(&mut self, message: MessageInfo) -> MessageInfo {
        self.calls += 1;
        let mut words = [0; 120];
        let length = usize::from(message.length);
        for (word, got) in words.iter_mut().zip(message_registers(message.length)) {
            *word = !got;
        }
        set_message_registers(words[..length].iter().copied());
        MessageInfo::new(LABEL_MAX - message.label, message.length)
    }

    pub fn notified(&mut self, channels: ChannelSet) {
        say!("server notified on {channels:?} after {} calls", self.calls);
        CALLER.notify();
    }
}

/// Children whose first fault is answered, their second not.
#[derive(Default)]
pub struct Parent {
    answered: u64,
}

impl Parent {
    pub fn fault(&mut self, child: Child, message: MessageInfo) -> Option<MessageInfo> {
        let mut words = [0; 4];
        for (word, got) in words.iter_mut().zip(message_registers(message.length)) {
            *word = got;
        }
        let [first, second, ..] = words;
        let index = child.index();
        say!("child {index} fault label {} words {first:#x} {second:#x}", message.label);
        let bit = 1 << index;
        let again = self.answered & bit != 0;
        self.answered |= bit;
        // An answer lets it try again.
        (!again).then_some(MessageInfo::default())
    }
}
