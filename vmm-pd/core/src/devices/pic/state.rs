//! What a snapshot holds of the interrupt controllers.

use serde::{Deserialize, Serialize};

/// Which word of an initialisation sequence the data register takes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// None: it is the interrupt mask.
    Ready,
    /// ICW2, the vector base.
    Icw2,
    /// ICW3, the cascade.
    Icw3,
    /// ICW4, the modes.
    Icw4,
}

/// One 8259A.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChipState {
    /// Levels of the eight inputs.
    pub lines: u8,
    /// Inputs that have risen and were not acknowledged since.
    pub edges: u8,
    /// IMR: masked inputs.
    pub mask: u8,
    /// ISR: interrupts in service.
    pub in_service: u8,
    /// ELCR: level-triggered inputs.
    pub level_triggered: u8,
    /// ICW2: vector of input 0.
    pub vector_base: u8,
    /// ICW3: a master's inputs with slaves, or a slave's identity.
    pub cascade: u8,
    /// The input of lowest priority, 0 to 7.
    pub lowest: u8,
    /// Where an initialisation sequence stands.
    pub stage: Stage,
    /// ICW1 announced an ICW4.
    pub icw4_follows: bool,
    /// ICW1: no cascade.
    pub single: bool,
    /// Automatic end of interrupt.
    pub auto_eoi: bool,
    /// Rotate at each automatic end of interrupt.
    pub rotate_on_auto_eoi: bool,
    /// Special fully nested mode.
    pub special_fully_nested: bool,
    /// Special mask mode.
    pub special_mask: bool,
    /// Reads of the command register return the ISR.
    pub read_isr: bool,
    /// The next read is a poll.
    pub poll: bool,
}

/// The pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PicState {
    /// Lines 0 to 7.
    pub master: ChipState,
    /// Lines 8 to 15.
    pub slave: ChipState,
}
