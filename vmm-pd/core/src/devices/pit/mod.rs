//! The pit device.
