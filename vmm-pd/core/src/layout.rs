//! The guest-physical map.
