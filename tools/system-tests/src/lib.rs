//! Drives an emulated machine from a test: wait for text on the console, type,
//! collect status lines, look at the end.
//!
//! Waits are in seconds of the host and generous: they bound a hang, they
//! measure nothing. Ticks are what is measured, by other means.
#![forbid(unsafe_code)]

mod bare;
pub mod debian;
pub mod kernel;
mod low_module;
pub mod pairs;
pub mod sdk;
mod session;
mod shell;
mod system;
pub mod units;

pub use bare::BareImage;
pub use session::Session;
pub use shell::{BANNER, BOOT, COMMAND, Shells};
pub use system::{
    System, checkout, fresh_disk, hardware_linux, hostile_guests, unit_guest, unit_guests,
};
