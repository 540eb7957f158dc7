//! The pci bus.
