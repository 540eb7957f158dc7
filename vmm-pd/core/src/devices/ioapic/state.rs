//! What a snapshot holds of the I/O APIC.

use serde::{Deserialize, Serialize};

/// Everything it remembers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoApicState {
    /// IOREGSEL.
    pub select: u8,
    /// Identity.
    pub id: u8,
    /// Redirection table.
    pub entries: [u64; 24],
    /// Levels of the pins.
    pub lines: u32,
    /// Edges that were not offered yet.
    pub edges: u32,
}
