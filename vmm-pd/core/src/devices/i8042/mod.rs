//! The i8042 device.
