//! What a device is to its transport.

use virtq::{Fault, Queue};

use crate::memory::GuestMemory;
use crate::types::Ticks;

/// Most queues of a device.
pub const QUEUES_MAX: usize = 8;

/// The queues of a device that runs. The transport makes them of what the driver
/// wrote, when it starts the device, and drops them at a reset.
#[derive(Debug, Default)]
pub struct Queues {
    list: [Option<Queue>; QUEUES_MAX],
    kicked: u32,
    interrupts: u32,
}

impl Queues {
    /// A queue, if the driver enabled it.
    #[inline]
    pub fn get(&mut self, index: usize) -> Option<&mut Queue> {
        self.list.get_mut(index)?.as_mut()
    }

    /// The driver is to be told that a queue has something for it.
    #[inline]
    pub fn interrupt(&mut self, index: usize) {
        self.interrupts |= 1u32.checked_shl(index as u32).unwrap_or(0);
    }

    /// The queues that the driver said have something for the device, since the
    /// last call: a bit each.
    #[inline]
    pub fn take_kicked(&mut self) -> u32 {
        core::mem::take(&mut self.kicked)
    }

    /// Puts a queue into service.
    pub(super) fn set(&mut self, index: usize, queue: Queue) {
        if let Some(place) = self.list.get_mut(index) {
            *place = Some(queue);
        }
    }

    #[inline]
    pub(super) fn kick(&mut self, index: u16) {
        self.kicked |= 1u32.checked_shl(index.into()).unwrap_or(0);
    }

    #[inline]
    pub(super) fn take_interrupts(&mut self) -> u32 {
        core::mem::take(&mut self.interrupts)
    }
}

/// What came of serving a device.
#[derive(Debug, Default)]
pub struct Served {
    /// The device's configuration changed; the driver is to be told.
    pub config_changed: bool,
    /// The peer outside must be notified.
    pub ring: bool,
    /// Bytes copied between guest memory and memory shared with the peer.
    pub copied: u64,
    /// When to serve it again even if nothing happens.
    pub again: Option<Ticks>,
    /// The driver broke a rule of its queue. The device stops until it is reset.
    pub fault: Option<Fault>,
}

/// A device behind its transport.
pub trait Model {
    /// Its type (virtio 1.2, 5).
    fn device_type(&self) -> u16;

    /// The greatest size of each of its queues: powers of two, at most
    /// [`QUEUES_MAX`] of them.
    fn queue_sizes(&self) -> &[u16];

    /// The feature bits that it offers beside the transport's.
    fn features(&self) -> u64;

    /// Whether these features, of those offered, go together.
    fn check_features(&self, features: u64) -> bool;

    /// Reads its configuration; beyond the end are zeroes.
    fn read_config(&self, offset: u32, into: &mut [u8]);

    /// Writes its configuration, where it can be written.
    fn write_config(&mut self, offset: u32, from: &[u8]);

    /// The driver is ready, with these features.
    fn start(&mut self, features: u64);

    /// Back to power-on. What is in flight outside comes back some time, and
    /// then concerns nobody.
    fn reset(&mut self);

    /// Does all that can be done now, for the driver and for the peer outside.
    /// Cheap where there is nothing: it is called after every notification.
    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, now: Ticks) -> Served
    where
        Self: Sized;

    /// Why the connection to the peer outside is closed, if it is.
    fn breach(&self) -> Option<&dyn core::fmt::Display>;
}

/// A model that lives elsewhere, as those do that are too large to be moved about.
impl<M: Model> Model for &mut M {
    fn device_type(&self) -> u16 {
        (**self).device_type()
    }

    fn queue_sizes(&self) -> &[u16] {
        (**self).queue_sizes()
    }

    fn features(&self) -> u64 {
        (**self).features()
    }

    fn check_features(&self, features: u64) -> bool {
        (**self).check_features(features)
    }

    fn read_config(&self, offset: u32, into: &mut [u8]) {
        (**self).read_config(offset, into);
    }

    fn write_config(&mut self, offset: u32, from: &[u8]) {
        (**self).write_config(offset, from);
    }

    fn start(&mut self, features: u64) {
        (**self).start(features);
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, now: Ticks) -> Served {
        (**self).serve(queues, memory, now)
    }

    fn breach(&self) -> Option<&dyn core::fmt::Display> {
        (**self).breach()
    }
}
