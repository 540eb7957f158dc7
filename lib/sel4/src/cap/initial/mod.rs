//! What only an initial task does: objects out of untyped memory, capability
//! spaces, mappings, threads and interrupt lines.
//!
//! The surprising fact: it is not there on the Microkit SDK's kernel. There the
//! SDK's own initialiser does all this, and no protection domain may.

mod irq;
mod memory;
mod thread;

pub use irq::{IoApicLine, IrqControl};
pub use memory::{
    AsidPool, CNode, EptPageDirectory, EptPageTable, EptPdpt, EptPml4, Frame, MemoryType,
    ObjectType, PageDirectory, PageTable, Pdpt, Pml4, Rights, Slot, Untyped, port_range,
};
