//! seL4 system calls and objects: the only crate that makes system calls.
//!
//! Capabilities are typed addresses ([`cap`]); a method on one is one
//! invocation, one kernel call. Nothing here allocates, keeps state besides the
//! IPC buffer's address, or knows about protection domains.
//!
//! Two kernels sit below: seL4 5.0.0 (the `bochs` board) and seL4 16 with MCS (the
//! Microkit SDK's). All that differs between them is in one module of [`abi`]
//! each: the system-call convention, the numbers, the layout of badges, what is
//! switched between guests. `--cfg sel4_mcs` selects the second. The surprising
//! fact: both kernels destroy `rsp` on every system call.
//!
//! Code that calls here runs with the authority of its own capability space
//! and nothing else, so every method is safe in Rust's sense unless it can
//! change this program's own memory or control flow; those are `unsafe`.
#![no_std]

pub mod abi;
pub mod cap;
pub mod debug;
mod error;
mod ipc_buffer;
mod message;
pub mod vmx;

pub use error::{Error, Result};
pub use ipc_buffer::{IpcBuffer, set_ipc_buffer};
pub use message::{Badge, MessageInfo, Received};

/// A word of the machine: registers, message registers, capability addresses.
pub type Word = u64;

/// The time-stamp counter.
#[inline(always)]
pub fn timestamp_counter() -> u64 {
    // SAFETY: RDTSC has no memory effect, and seL4 leaves CR4.TSD clear, so
    // user level may execute it.
    unsafe { core::arch::x86_64::_rdtsc() }
}
