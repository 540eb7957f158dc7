//! The mmio bus.
