//! The pio bus.
