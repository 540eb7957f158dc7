//! An outside for host tests: what was written, what is to be read.

use std::collections::VecDeque;
use std::vec::Vec;

use super::Outside;

/// A console with so much room, and what is typed at it.
#[derive(Clone, Debug, Default)]
pub struct FakeOutside {
    /// What the guest wrote to its console.
    pub written: Vec<u8>,
    /// How many more bytes the console takes.
    pub room: usize,
    /// What the guest has not read yet.
    pub typed: VecDeque<u8>,
    /// What the guest wrote to the debug port.
    pub debug: Vec<u8>,
}

impl FakeOutside {
    /// A console that takes everything.
    pub fn new() -> Self {
        FakeOutside { room: usize::MAX, ..Self::default() }
    }

    /// Types at the console.
    pub fn type_in(&mut self, bytes: &[u8]) {
        self.typed.extend(bytes);
    }
}

impl Outside for FakeOutside {
    fn console_write(&mut self, byte: u8) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        self.written.push(byte);
        true
    }

    fn console_read(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }

    fn debug_write(&mut self, byte: u8) {
        self.debug.push(byte);
    }
}
