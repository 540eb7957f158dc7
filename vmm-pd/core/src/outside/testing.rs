//! An outside for host tests: what was written, what is to be read.

use core::fmt;
use std::collections::VecDeque;
use std::string::{String, ToString};
use std::vec::Vec;

use super::Outside;
use crate::devices::virtio::Device;

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
    /// Who was rung, in order.
    pub rung: Vec<Device>,
    /// What was complained of.
    pub complaints: Vec<String>,
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

    fn ring(&mut self, device: Device) {
        self.rung.push(device);
    }

    fn complain(&mut self, what: fmt::Arguments<'_>) {
        self.complaints.push(what.to_string());
    }
}
