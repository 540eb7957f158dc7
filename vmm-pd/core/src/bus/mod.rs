//! From an address to the device that answers it: one static match a bus.
pub mod cpuid;
pub mod mmio;
pub mod msr;
pub mod pci;
pub mod pio;
