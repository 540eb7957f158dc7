//! The debug_exit device.
