//! The msr bus.
