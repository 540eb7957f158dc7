//! What a snapshot of the UART holds. Times are ticks of the machine it was
//! taken on.

use heapless::Deque;
use serde::{Deserialize, Serialize};

use super::bits::FIFO_SIZE;
use crate::types::Ticks;

/// Registers and queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// Interrupt enable.
    pub ier: u8,
    /// FIFO control: enable and trigger level only.
    pub fcr: u8,
    /// Line control.
    pub lcr: u8,
    /// Modem control.
    pub mcr: u8,
    /// Scratch.
    pub scratch: u8,
    /// Divisor latch.
    pub divisor: u16,
    /// Modem status: the change bits, until read.
    pub msr_changes: u8,
    /// A byte came while there was no room, until the line status is read.
    pub overrun: bool,
    /// The transmitter became empty and nobody looked yet.
    pub transmitter_emptied: bool,
    /// The character timeout has passed.
    pub timed_out: bool,
    /// When the character timeout passes.
    pub timeout_at: Option<Ticks>,
    /// Received, not yet read by the guest.
    pub receiver: Deque<u8, FIFO_SIZE>,
    /// Written by the guest, not yet taken by the console.
    pub transmitter: Deque<u8, FIFO_SIZE>,
}
