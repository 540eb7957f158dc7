//! The devices a guest sees. None of them knows its address or interrupt line.
pub mod acpi_pm;
pub mod debug_exit;
pub mod host_bridge;
pub mod i8042;
pub mod ioapic;
pub mod lapic;
pub mod passed;
pub mod pic;
pub mod pit;
pub mod pvpanic;
pub mod request;
pub mod rtc;
pub mod uart;
pub mod virtio;
