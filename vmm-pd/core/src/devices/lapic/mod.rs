//! The lapic device.
