//! Buses: static matches from an address to a device.
//!
//! A bus routes and nothing more: a device knows neither its address nor its
//! interrupt line, and a bus does not know what a register means. Reads that
//! nobody claims are all ones and writes are ignored, as on a PC; both are
//! counted. What an access asks of the machine as a whole travels back as a
//! [`crate::devices::request::Request`].

pub mod access;
pub mod cpuid;
pub mod mmio;
pub mod msr;
pub mod pci;
pub mod pio;
