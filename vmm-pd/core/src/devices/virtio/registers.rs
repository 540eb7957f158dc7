//! The common configuration: how a driver and a device come to agree (virtio
//! 1.2, 3.1, 4.1.4.3).
//!
//! What was agreed is frozen: features after FEATURES_OK, a queue's place after
//! it is enabled. Only a reset thaws, so nothing that was checked can change
//! later. A write that comes too late, or of a width that the field does not
//! have, changes nothing. Not here: what queues hold.

use crate::types::Width;

use super::bits::{Features, NO_VECTOR, Status, common};
use super::model::{Model, QUEUES_MAX};

/// A queue as the driver sets it up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueRegisters {
    /// In descriptors.
    pub size: u16,
    /// MSI-X vector, or [`NO_VECTOR`].
    pub vector: u16,
    /// Whether the driver is done with it.
    pub enabled: bool,
    /// Descriptor table, guest-physical.
    pub descriptors: u64,
    /// Available ring.
    pub driver: u64,
    /// Used ring.
    pub device: u64,
}

/// What a write brought about beyond the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The driver starts the device.
    Start,
    /// The driver resets it.
    Reset,
}

/// The registers.
#[derive(Clone, Debug)]
pub struct Registers {
    device_select: u32,
    driver_select: u32,
    driver_features: u64,
    status: Status,
    generation: u8,
    queue_select: u16,
    config_vector: u16,
    queues: [QueueRegisters; QUEUES_MAX],
    count: u16,
}

impl Registers {
    /// After a reset.
    pub fn new(model: &dyn Model) -> Self {
        let fresh = QueueRegisters {
            size: 0,
            vector: NO_VECTOR,
            enabled: false,
            descriptors: 0,
            driver: 0,
            device: 0,
        };
        let mut queues = [fresh; QUEUES_MAX];
        let sizes = model.queue_sizes();
        for (queue, size) in queues.iter_mut().zip(sizes) {
            queue.size = *size;
        }
        Registers {
            device_select: 0,
            driver_select: 0,
            driver_features: 0,
            status: Status::empty(),
            generation: 0,
            queue_select: 0,
            config_vector: NO_VECTOR,
            queues,
            count: sizes.len().min(QUEUES_MAX) as u16,
        }
    }

    /// The device's state.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What was agreed on; final once FEATURES_OK is set.
    pub const fn features(&self) -> u64 {
        self.driver_features
    }

    /// The vector of configuration changes.
    pub const fn config_vector(&self) -> u16 {
        self.config_vector
    }

    /// The queues that the device has.
    pub fn queues(&self) -> &[QueueRegisters] {
        self.queues.split_at(usize::from(self.count)).0
    }

    /// The device gives up until it is reset.
    pub fn give_up(&mut self) {
        self.status |= Status::NEEDS_RESET;
    }

    /// The device's own configuration changed (4.1.4.3.1).
    pub fn config_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    fn selected(&self) -> Option<&QueueRegisters> {
        self.queues().get(usize::from(self.queue_select))
    }

    /// Reads a field; what is no field reads zero.
    pub fn read(&self, offset: u32, width: Width, model: &dyn Model) -> u64 {
        if width == Width::Qword {
            let half = |at| self.read(at, Width::Dword, model);
            return half(offset) | half(offset.saturating_add(4)) << 32;
        }
        let queue = self.selected();
        let address = |f: fn(&QueueRegisters) -> u64| queue.map_or(0, f);
        match (offset, width) {
            (common::DEVICE_FEATURE_SELECT, Width::Dword) => self.device_select.into(),
            (common::DEVICE_FEATURE, Width::Dword) => half(offered(model), self.device_select),
            (common::DRIVER_FEATURE_SELECT, Width::Dword) => self.driver_select.into(),
            (common::DRIVER_FEATURE, Width::Dword) => {
                half(self.driver_features, self.driver_select)
            }
            (common::CONFIG_VECTOR, Width::Word) => self.config_vector.into(),
            (common::QUEUES, Width::Word) => self.count.into(),
            (common::STATUS, Width::Byte) => self.status.bits().into(),
            (common::GENERATION, Width::Byte) => self.generation.into(),
            (common::QUEUE_SELECT, Width::Word) => self.queue_select.into(),
            // Zero: there is no such queue.
            (common::QUEUE_SIZE, Width::Word) => queue.map_or(0, |q| q.size.into()),
            (common::QUEUE_VECTOR, Width::Word) => queue.map_or(NO_VECTOR, |q| q.vector).into(),
            (common::QUEUE_ENABLE, Width::Word) => queue.is_some_and(|q| q.enabled).into(),
            // All notifications go to one place, which gets the queue's number.
            (common::QUEUE_NOTIFY_OFF, Width::Word) => 0,
            (_, Width::Dword) => match offset & !4 {
                common::QUEUE_DESC => half(address(|q| q.descriptors), offset / 4 % 2),
                common::QUEUE_DRIVER => half(address(|q| q.driver), offset / 4 % 2),
                common::QUEUE_DEVICE => half(address(|q| q.device), offset / 4 % 2),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Writes a field. `vectors` is how many MSI-X vectors there are.
    pub fn write(
        &mut self,
        offset: u32,
        width: Width,
        value: u64,
        model: &dyn Model,
        vectors: u16,
    ) -> Change {
        if width == Width::Qword {
            // Only addresses are so wide: no status among them.
            self.write(offset, Width::Dword, value & 0xFFFF_FFFF, model, vectors);
            self.write(offset.saturating_add(4), Width::Dword, value >> 32, model, vectors);
            return Change::Nothing;
        }
        let (word, dword) = (value as u16, value as u32);
        // A vector that there is not is as none (4.1.5.1.2.1).
        let vector = if word < vectors { word } else { NO_VECTOR };
        let negotiating =
            self.status.contains(Status::DRIVER) && !self.status.contains(Status::FEATURES_OK);
        match (offset, width) {
            (common::DEVICE_FEATURE_SELECT, Width::Dword) => self.device_select = dword,
            (common::DRIVER_FEATURE_SELECT, Width::Dword) => self.driver_select = dword,
            (common::DRIVER_FEATURE, Width::Dword) if negotiating => {
                set_half(&mut self.driver_features, self.driver_select, dword);
            }
            (common::CONFIG_VECTOR, Width::Word) => self.config_vector = vector,
            (common::STATUS, Width::Byte) => return self.set_status(value as u8, model),
            (common::QUEUE_SELECT, Width::Word) => self.queue_select = word,
            (common::QUEUE_VECTOR, Width::Word) => {
                if let Some(queue) = self.selected_mut() {
                    queue.vector = vector;
                }
            }
            _ => self.write_queue(offset, width, dword, model),
        }
        Change::Nothing
    }

    fn selected_mut(&mut self) -> Option<&mut QueueRegisters> {
        let (queues, _) = self.queues.split_at_mut(usize::from(self.count));
        queues.get_mut(usize::from(self.queue_select))
    }

    /// Fields that are frozen once the queue is enabled, or the device runs.
    fn write_queue(&mut self, offset: u32, width: Width, value: u32, model: &dyn Model) {
        if self.status.contains(Status::DRIVER_OK) {
            return;
        }
        let most = model.queue_sizes().get(usize::from(self.queue_select)).copied().unwrap_or(0);
        let Some(queue) = self.selected_mut().filter(|q| !q.enabled) else { return };
        match (offset, width) {
            (common::QUEUE_SIZE, Width::Word) => {
                let size = value as u16;
                if size.is_power_of_two() && size <= most {
                    queue.size = size;
                }
            }
            (common::QUEUE_ENABLE, Width::Word) => queue.enabled = value as u16 == 1,
            (_, Width::Dword) => {
                let address = match offset & !4 {
                    common::QUEUE_DESC => &mut queue.descriptors,
                    common::QUEUE_DRIVER => &mut queue.driver,
                    common::QUEUE_DEVICE => &mut queue.device,
                    _ => return,
                };
                set_half(address, offset / 4 % 2, value);
            }
            _ => {}
        }
    }

    fn set_status(&mut self, value: u8, model: &dyn Model) -> Change {
        if value == 0 {
            *self = Registers::new(model);
            return Change::Reset;
        }
        let wanted = Status::from_bits_retain(value) & Status::OF_DRIVER & !self.status;
        if wanted.contains(Status::FEATURES_OK) && !self.acceptable(model) {
            self.status |= wanted & !(Status::FEATURES_OK | Status::DRIVER_OK);
            return Change::Nothing;
        }
        let next = self.status | wanted;
        if wanted.contains(Status::DRIVER_OK) {
            if !next.contains(Status::FEATURES_OK) {
                self.status = next & !Status::DRIVER_OK;
                return Change::Nothing;
            }
            self.status = next;
            return Change::Start;
        }
        self.status = next;
        Change::Nothing
    }

    /// Whether the device takes the features that the driver wrote (2.2, 6.1).
    fn acceptable(&self, model: &dyn Model) -> bool {
        let features = self.driver_features;
        features & !offered(model) == 0
            && features & Features::VERSION_1.bits() != 0
            && model.check_features(features)
    }
}

/// All features of a device with its transport.
fn offered(model: &dyn Model) -> u64 {
    let transport = Features::INDIRECT_DESC | Features::EVENT_IDX | Features::VERSION_1;
    model.features() | transport.bits()
}

/// Half 0 or 1 of a value; there are no others.
fn half(value: u64, select: u32) -> u64 {
    match select {
        0 => value & 0xFFFF_FFFF,
        1 => value >> 32,
        _ => 0,
    }
}

fn set_half(value: &mut u64, select: u32, half: u32) {
    match select {
        0 => *value = *value & !0xFFFF_FFFF | u64::from(half),
        1 => *value = *value & 0xFFFF_FFFF | u64::from(half) << 32,
        _ => {}
    }
}
