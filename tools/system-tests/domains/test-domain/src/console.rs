//! Lines of text on COM1, printed by one part for all.

use core::fmt;

use sel4_microkit::{Channel, IoPort, MessageInfo};

use crate::{message_registers, set_message_registers};

/// The part `console`, from every other part.
const CONSOLE: Channel = Channel::new(0);

/// Longest line in bytes: what a message holds.
const LINE_MAX: usize = 120 * WORD;
const WORD: usize = size_of::<u64>();

const COM1: u16 = 0x3f8;
/// Line control register: eight bits a character, where reset leaves five.
const LCR: u16 = COM1 + 3;
const EIGHT_BITS: u8 = 3;
/// Line status register, and its bit for an empty transmitter (National
/// Semiconductor PC16550D, table II).
const LSR: u16 = COM1 + 5;
const THRE: u8 = 1 << 5;

/// Prints a line by calling the console.
macro_rules! say {
    ($($text:tt)*) => { $crate::console::print(format_args!($($text)*)) };
}
pub(crate) use say;

/// A line being put together; what does not fit is cut off.
struct Line {
    length: usize,
    bytes: [u8; LINE_MAX],
}

impl fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let n = s.len().min(room.len());
        room[..n].copy_from_slice(&s.as_bytes()[..n]);
        self.length += n;
        Ok(())
    }
}

/// Sends a line to the console: its length is the label, its bytes are the
/// words.
pub fn print(text: fmt::Arguments<'_>) {
    let mut line = Line { length: 0, bytes: [0; LINE_MAX] };
    // Cutting off is no error.
    let _ = fmt::write(&mut line, text);
    let words = line.bytes[..line.length.next_multiple_of(WORD)].chunks_exact(WORD);
    let length = set_message_registers(words.map(|word| {
        let mut bytes = [0; WORD];
        bytes.copy_from_slice(word);
        u64::from_le_bytes(bytes)
    }));
    CONSOLE.pp_call(MessageInfo::new(line.length as u64, length));
}

/// The part that has the port.
pub struct Console {
    ports: IoPort,
}

impl Console {
    pub fn start() -> Self {
        let ports = IoPort::new(0);
        ports.write_8(LCR, EIGHT_BITS);
        Console { ports }
    }

    /// Prints a message's text and a line end.
    pub fn print(&mut self, message: MessageInfo) -> MessageInfo {
        let bytes = message_registers(message.length).flat_map(u64::to_le_bytes);
        bytes.take(message.label as usize).for_each(|byte| self.put(byte));
        self.put(b'\n');
        MessageInfo::default()
    }

    fn put(&mut self, byte: u8) {
        while self.ports.read_8(LSR) & THRE == 0 {}
        self.ports.write_8(COM1, byte);
    }
}
