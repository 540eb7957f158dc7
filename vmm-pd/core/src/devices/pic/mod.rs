//! The pic device.
