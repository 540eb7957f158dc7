//! What every initial task on seL4 needs: boot information, what the tools
//! appended to its image, capability slots, kernel objects out of untyped
//! memory, address spaces, start-up, status lines.
//!
//! Policy is not here: what to build and who gets it is the initial task's
//! matter. Memory is never given back; an initial task that fails to build its
//! system stops. The surprising fact: untyped memory is handed out in the
//! kernel's own order (a watermark that only rises), so this allocator mirrors
//! the watermark instead of asking.
#![no_std]

#[cfg(not(test))]
use freestanding as _;

#[cfg(not(test))]
mod appended;
mod boot_info;
mod objects;
mod slots;
mod start;
mod status;
mod vspace;

#[cfg(not(test))]
pub use appended::Appended;
pub use boot_info::{BootInfo, SlotRegion, init_caps};
pub use objects::{AllocError, Objects};
pub use slots::Slots;
pub use status::Status;
pub use vspace::{AddressSpace, GuestSpace, MapError, PdSpace, Root};
