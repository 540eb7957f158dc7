//! Completing a decoded instruction against a device.
