//! What a snapshot holds of all interrupt controllers.

use serde::{Deserialize, Serialize};

use crate::devices::ioapic::state::IoApicState;
use crate::devices::lapic::state::LapicState;
use crate::devices::pic::state::PicState;

/// The controllers and what waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterruptsState {
    /// Local APIC.
    pub lapic: LapicState,
    /// I/O APIC.
    pub ioapic: IoApicState,
    /// 8259 pair.
    pub pic: PicState,
    /// Asserted GSIs.
    pub lines: u32,
    /// An NMI waits.
    pub nmi: bool,
    /// An INIT waits.
    pub init: bool,
}
