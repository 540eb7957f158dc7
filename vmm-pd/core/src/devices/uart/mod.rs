//! The uart device.
