//! What differs between kernels. One module per kernel, one line selects.
//!
//! Each module provides, under the same names:
//! - the system calls as functions over [`Registers`]: `call`, `send`, `recv`,
//!   `reply_recv`, `send_recv`, `yield_now`, `vm_enter`, `debug_put_char`;
//! - `numbers`: invocation labels, object types, the IPC buffer's layout, made
//!   from the kernel's own interface description;
//! - `badge`: how a protection domain tells a notification, a call and a fault
//!   apart;
//! - `PASSIVE_SIGNAL`: whom a passive domain tells that it is ready;
//! - `vcpu`: what the kernel switches between virtual CPUs.

#[macro_use]
mod call;
pub mod v16;
pub mod v5;

use crate::Word;

/// Where a protection domain's IPC buffer is mapped, on both kernels: the page
/// that holds the last address of the Microkit's user space. The one above stays
/// empty, because a `syscall` instruction at its end would return to a
/// non-canonical address, which faults in the kernel.
pub const IPC_BUFFER: Word = 0x0000_7fff_ffff_e000;

/// The first address above a protection domain's stack. The page between it
/// and the IPC buffer is never mapped.
pub const STACK_TOP: Word = IPC_BUFFER - 0x1000;

pub use call::{EntryRegisters, Registers, VmEntry, VmReturn};
#[cfg(not(sel4_mcs))]
pub use v5 as current;
#[cfg(sel4_mcs)]
pub use v16 as current;
