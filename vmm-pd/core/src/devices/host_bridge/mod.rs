//! The host_bridge device.
