//! The transport's registers and bits (virtio 1.2, 2.1, 4.1.4, 6).

use bitflags::bitflags;

bitflags! {
    /// Device status (2.1).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Status: u8 {
        /// The guest noticed the device.
        const ACKNOWLEDGE = 1;
        /// It knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready.
        const DRIVER_OK = 4;
        /// Features are agreed on.
        const FEATURES_OK = 8;
        /// The device gave up; only a reset helps.
        const NEEDS_RESET = 64;
        /// The driver gave up.
        const FAILED = 128;
    }
}

impl Status {
    /// What the driver may set. It clears bits only by a reset.
    pub const OF_DRIVER: Status = Status::ACKNOWLEDGE
        .union(Status::DRIVER)
        .union(Status::DRIVER_OK)
        .union(Status::FEATURES_OK)
        .union(Status::FAILED);
}

bitflags! {
    /// Features of the transport (6).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Features: u64 {
        /// Descriptors may refer to tables of descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// Event indices instead of flags.
        const EVENT_IDX = 1 << 29;
        /// Not a device of before 1.0.
        const VERSION_1 = 1 << 32;
    }
}

bitflags! {
    /// Interrupt status (4.1.4.5).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Isr: u8 {
        /// A queue has something.
        const QUEUE = 1;
        /// The configuration changed.
        const CONFIGURATION = 2;
    }
}

/// Vector number that means none (4.1.5.1.2).
pub const NO_VECTOR: u16 = 0xFFFF;

/// Vendor of all virtio devices (4.1.2).
pub const VENDOR: u16 = 0x1AF4;
/// First PCI device identity of the modern kind, to which the type is added.
pub const FIRST_DEVICE: u16 = 0x1040;
/// Revision: 1 or more for devices that are only modern (4.1.2.1).
pub const REVISION: u8 = 1;

/// Vendor-specific PCI capability (PCI Local Bus 3.0, appendix H).
pub const CAPABILITY: u8 = 9;

/// What a vendor-specific capability describes (4.1.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Structure {
    /// Common configuration.
    Common = 1,
    /// Notifications.
    Notify = 2,
    /// Interrupt status.
    Isr = 3,
    /// The device's own configuration.
    Device = 4,
    /// Access to all of them through configuration space.
    Window = 5,
}

/// Offsets in the common configuration (4.1.4.3).
pub mod common {
    pub const DEVICE_FEATURE_SELECT: u32 = 0x00;
    pub const DEVICE_FEATURE: u32 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u32 = 0x08;
    pub const DRIVER_FEATURE: u32 = 0x0C;
    pub const CONFIG_VECTOR: u32 = 0x10;
    pub const QUEUES: u32 = 0x12;
    pub const STATUS: u32 = 0x14;
    pub const GENERATION: u32 = 0x15;
    pub const QUEUE_SELECT: u32 = 0x16;
    pub const QUEUE_SIZE: u32 = 0x18;
    pub const QUEUE_VECTOR: u32 = 0x1A;
    pub const QUEUE_ENABLE: u32 = 0x1C;
    pub const QUEUE_NOTIFY_OFF: u32 = 0x1E;
    pub const QUEUE_DESC: u32 = 0x20;
    pub const QUEUE_DRIVER: u32 = 0x28;
    pub const QUEUE_DEVICE: u32 = 0x30;
    /// Its length up to and including `queue_device`: the fields behind it belong
    /// to features that are not offered.
    pub const LENGTH: u32 = 0x38;
}
