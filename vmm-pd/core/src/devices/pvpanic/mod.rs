//! The pvpanic device.
