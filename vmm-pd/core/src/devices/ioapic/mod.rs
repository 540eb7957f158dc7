//! The ioapic device.
