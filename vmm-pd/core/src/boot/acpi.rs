//! ACPI tables: made by `build.rs` out of the same numbers that the devices are
//! reached by, embedded here, written to guest memory at its start.

use crate::layout::numbers as n;
use crate::memory::{GuestMemory, NotRam};
use crate::types::Gpa;

/// All tables, as they lie from [`RSDP`] on.
static TABLES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/acpi.bin"));

/// Where the root pointer lies, from which the others are found.
pub const RSDP: Gpa = Gpa(n::ACPI);

/// Writes the tables.
///
/// # Errors
/// Their place is not RAM.
pub fn install<M: GuestMemory>(memory: &mut M) -> Result<(), NotRam> {
    memory.write(RSDP, TABLES)
}

#[cfg(test)]
mod tests;
