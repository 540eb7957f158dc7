//! What the driver wrote into a transport's registers, and the checks that make a
//! queue of it.

use core::fmt;

use crate::memory::{Memory, Outside};
use crate::queue::Queue;

/// The largest queue there is (virtio 1.2, 2.7).
pub const SIZE_MAX: u16 = 32768;

/// The features that change how a queue works.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Features {
    /// `VIRTIO_F_INDIRECT_DESC` was negotiated.
    pub indirect: bool,
    /// `VIRTIO_F_EVENT_IDX` was negotiated.
    pub event_index: bool,
}

impl Features {
    /// `VIRTIO_F_INDIRECT_DESC` as a bit (virtio 1.2, 6).
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// `VIRTIO_F_EVENT_IDX` as a bit (virtio 1.2, 6).
    pub const EVENT_IDX: u64 = 1 << 29;

    /// What the negotiated feature bits say about queues.
    pub const fn from_bits(bits: u64) -> Self {
        Features {
            indirect: bits & Features::INDIRECT_DESC != 0,
            event_index: bits & Features::EVENT_IDX != 0,
        }
    }
}

/// One of the three areas of a queue (virtio 1.2, 2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Area {
    /// The descriptor table.
    Descriptors,
    /// The available ring, which the driver writes.
    Driver,
    /// The used ring, which the device writes.
    Device,
}

impl Area {
    /// The alignment it must have (virtio 1.2, 2.7).
    pub const fn alignment(self) -> u64 {
        match self {
            Area::Descriptors => 16,
            Area::Driver => 2,
            Area::Device => 4,
        }
    }

    /// Its length in bytes in a queue of `size`, with the event index's word (virtio
    /// 1.2, 2.7), which is there whether or not it is used.
    pub const fn length(self, size: u16) -> u64 {
        match self {
            Area::Descriptors => 16 * size as u64,
            Area::Driver => 6 + 2 * size as u64,
            Area::Device => 6 + 8 * size as u64,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Area::Descriptors => "descriptor table",
            Area::Driver => "available ring",
            Area::Device => "used ring",
        }
    }
}

/// Why registers make no queue. The guest's driver is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// The size is not a power of two, or zero (virtio 1.2, 2.7).
    Size(u16),
    /// The size is larger than what the device offers (4.1.5.1.3).
    TooLarge {
        /// What the driver wrote.
        size: u16,
        /// What the device offers.
        most: u16,
    },
    /// An area is not aligned as it must be (2.7).
    Misaligned(Area, u64),
    /// An area is not all RAM (2.7).
    Outside(Area, Outside),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Size(size) => {
                write!(f, "a queue's size is {size}, which is no power of two (virtio 1.2, 2.7)")
            }
            ConfigError::TooLarge { size, most } => write!(
                f,
                "a queue's size is {size}, but the device offers {most} at most (virtio 1.2, 4.1.5.1.3)"
            ),
            ConfigError::Misaligned(area, at) => write!(
                f,
                "the {} at {at:#x} is not aligned to {} (virtio 1.2, 2.7)",
                area.name(),
                area.alignment()
            ),
            ConfigError::Outside(area, e) => {
                write!(f, "the {}: {e} (virtio 1.2, 2.7)", area.name())
            }
        }
    }
}

impl core::error::Error for ConfigError {}

/// A queue as the driver's registers describe it: nothing is checked yet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct QueueConfig {
    /// Entries.
    pub size: u16,
    /// Entries that the device offers at most.
    pub most: u16,
    /// Where the descriptor table is, guest-physical.
    pub descriptors: u64,
    /// Where the available ring is.
    pub driver: u64,
    /// Where the used ring is.
    pub device: u64,
}

impl QueueConfig {
    /// Makes the queue. It begins with entry 0, as a queue does that was just
    /// enabled (virtio 1.2, 2.7.13 and 3.1.1).
    ///
    /// # Errors
    /// The driver's values break a rule; see [`ConfigError`].
    pub fn activate(&self, features: Features, memory: &impl Memory) -> Result<Queue, ConfigError> {
        let size = self.size;
        if !size.is_power_of_two() {
            return Err(ConfigError::Size(size));
        }
        if size > self.most.min(SIZE_MAX) {
            return Err(ConfigError::TooLarge { size, most: self.most.min(SIZE_MAX) });
        }
        for (area, at) in [
            (Area::Descriptors, self.descriptors),
            (Area::Driver, self.driver),
            (Area::Device, self.device),
        ] {
            if at & (area.alignment() - 1) != 0 {
                return Err(ConfigError::Misaligned(area, at));
            }
            let length = area.length(size);
            if !memory.contains(at, length) {
                return Err(ConfigError::Outside(area, Outside { address: at, length }));
            }
        }
        Ok(Queue::new(self, features))
    }
}
