//! The cpuid bus.
