//! What a snapshot of the keyboard controller holds.

use serde::{Deserialize, Serialize};

/// Registers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// Status bits that stay: self-test passed, last byte a command, timeout.
    pub status: u8,
    /// The byte at the data port, until read.
    pub output: Option<u8>,
    /// Command byte.
    pub command_byte: u8,
    /// Output port.
    pub output_port: u8,
    /// The command whose parameter comes next.
    pub pending: Option<u8>,
}
