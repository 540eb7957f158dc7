//! What a snapshot of the clock holds. Times are ticks of the machine it was
//! taken on.

use serde::{Deserialize, Serialize};

use crate::types::Ticks;

/// Registers, memory and the phases of its counters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// The selected index, 7 bits.
    pub index: u8,
    /// Whether the index port masks NMIs.
    pub nmi_masked: bool,
    /// Its 128 bytes by index, in rows of 32; the time as of `second_began`.
    pub cmos: [[u8; 32]; 4],
    /// Flags of register C, without IRQF.
    pub flags: u8,
    /// When the second that the time registers show began.
    pub second_began: Ticks,
    /// When the counter of the periodic interrupt was last started.
    pub periodic_began: Ticks,
    /// How many of its periods have been noticed since.
    pub periods_seen: u64,
}
