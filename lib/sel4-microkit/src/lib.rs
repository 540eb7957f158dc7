//! The Microkit's programming model for protection domains in Rust: a subset
//! of rust-sel4's `sel4-microkit`, with the same names and shapes, on stable
//! Rust and the stock target.
//!
//! A protection domain is a function that returns a [`Handler`]:
//!
//! ```ignore
//! #[protection_domain]
//! fn init() -> impl Handler {
//!     Server { ... }
//! }
//! ```
//!
//! What this adds: I/O ports, and [`vcpu`] for a domain that has a virtual
//! machine. What it leaves out: heap, threads. The surprising
//! fact: a panic does not unwind or exit; it executes an undefined instruction
//! with the message in registers, and whoever handles the domain's faults (the
//! initial task, or a parent) names it.
//!
//! Nobody above this crate can tell which kernel is below.
#![no_std]

#[cfg(not(test))]
use freestanding as _;

mod channel;
mod deferred;
mod entry;
mod handler;
mod io_port;
mod symbols;
pub mod vcpu;

pub use channel::{Channel, ChannelSet, Child};
pub use core::convert::Infallible;
pub use deferred::{DeferredAction, Notifications};
pub use handler::{Event, Handler, Never, acknowledge_all_irqs, recv};
pub use io_port::IoPort;
pub use sel4::{MessageInfo, Word, timestamp_counter};
pub use sel4_microkit_macros::protection_domain;
pub use symbols::pd_name;

/// Reads message register `n` of the message being handled.
///
/// # Panics
/// `n` of 120 or more.
pub fn get_mr(n: usize) -> Word {
    sel4::IpcBuffer::current().mr(n)
}

/// Sets message register `n` of the next message.
///
/// # Panics
/// `n` of 120 or more.
pub fn set_mr(n: usize, word: Word) {
    sel4::IpcBuffer::current().set_mr(n, word);
}

/// The value of a step of initialisation without which this domain cannot
/// start.
///
/// # Panics
/// The step failed; the message is the error's.
pub fn started<T, E: core::fmt::Display>(step: Result<T, E>) -> T {
    match step {
        Ok(value) => value,
        Err(e) => panic!("cannot start: {e}"),
    }
}

/// Prints a line on the debug kernel's console; nothing in a release build.
#[macro_export]
macro_rules! debug_println {
    ($($args:tt)*) => {{
        use core::fmt::Write as _;
        // The console cannot fail.
        let _ = writeln!($crate::_private::Console, $($args)*);
    }};
}

/// For the macros.
#[doc(hidden)]
pub mod _private {
    pub use crate::entry::{panicked, run_main};
    pub use crate::symbols::{Patched, region_opt};
    pub use sel4::debug::Console;
    pub use shmem;
}
