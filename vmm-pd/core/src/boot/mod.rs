//! Preparing a guest's memory and first instruction.
pub mod acpi;
pub mod e820;
pub mod linux;
pub mod pvh;
