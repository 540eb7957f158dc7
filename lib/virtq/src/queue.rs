//! A queue at work.

use crate::chain::{Chain, Head};
use crate::config::{Features, QueueConfig};
use crate::fault::Fault;
use crate::memory::{Memory, Outside};

/// Whether chains wait after the device asked to be told of new ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a chain that waits already is not told of"]
pub enum Pending {
    /// The driver has made more available: look again.
    More,
    /// There is none: the driver notifies the device of the next.
    None,
}

/// A split virtqueue, made by [`QueueConfig::activate`].
///
/// Holding one proves that its areas are RAM and aligned, not that anything in them
/// makes sense.
///
/// Invariants: `popped` is at most `size` after `published`, and `available` at most
/// `size` after it, modulo 2^16; `used` lies between `published` and `popped`.
#[derive(Debug)]
pub struct Queue {
    descriptors: u64,
    driver: u64,
    device: u64,
    size: u16,
    features: Features,
    /// Chains ever made available, as last read.
    available: u16,
    /// Chains ever taken.
    popped: u16,
    /// Chains ever put into the used ring.
    used: u16,
    /// Of those, told to the driver.
    published: u16,
    /// What the driver was last told about notifications.
    wish: Wish,
    broken: Option<Fault>,
}

/// What the used ring says about the driver's notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    /// Nothing was written yet.
    Unknown,
    /// None, please.
    Silence,
    /// With the event index: at the chain of this number.
    At(u16),
    /// Without: at every one.
    Always,
}

/// Offsets within the rings (virtio 1.2, 2.7.6, 2.7.8).
const FLAGS: u64 = 0;
const INDEX: u64 = 2;
const RING: u64 = 4;

/// `VIRTQ_AVAIL_F_NO_INTERRUPT` (virtio 1.2, 2.7.6).
const NO_INTERRUPT: u16 = 1;
/// `VIRTQ_USED_F_NO_NOTIFY` (virtio 1.2, 2.7.8).
const NO_NOTIFY: u16 = 1;

impl Queue {
    pub(crate) fn new(config: &QueueConfig, features: Features) -> Self {
        Queue {
            descriptors: config.descriptors,
            driver: config.driver,
            device: config.device,
            size: config.size,
            features,
            available: 0,
            popped: 0,
            used: 0,
            published: 0,
            wish: Wish::Unknown,
            broken: None,
        }
    }

    /// Entries.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Why it is closed, if it is.
    #[inline]
    pub fn broken(&self) -> Option<Fault> {
        self.broken
    }

    /// Chains in the device's hands.
    #[inline]
    pub fn in_flight(&self) -> u16 {
        self.popped.wrapping_sub(self.used)
    }

    /// Copies the next chain out, if there is one.
    ///
    /// # Errors
    /// The driver broke a rule, now or earlier; what `chain` then holds is no chain.
    pub fn pop<const N: usize>(
        &mut self,
        memory: &impl Memory,
        chain: &mut Chain<N>,
    ) -> Result<Option<Head>, Fault> {
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        let popped = self.next(memory, chain);
        if let Err(fault) = popped {
            self.broken = Some(fault);
        }
        popped
    }

    /// Takes back the last chain that [`Queue::pop`] gave, as if it had not: the next
    /// `pop` gives it again (reading the guest's memory anew). For a device that has no
    /// room for it now.
    ///
    /// # Panics
    /// Never; without a chain in flight it does nothing.
    pub fn unpop(&mut self) {
        if self.in_flight() > 0 {
            self.popped = self.popped.wrapping_sub(1);
        }
    }

    /// Whether the driver has made a chain available, which is then the next.
    ///
    /// # Errors
    /// As [`Queue::pop`].
    pub fn has_next(&mut self, memory: &impl Memory) -> Result<bool, Fault> {
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        if self.available != self.popped {
            return Ok(true);
        }
        let refreshed = self.refresh(memory);
        if let Err(fault) = refreshed {
            self.broken = Some(fault);
        }
        refreshed
    }

    fn next<const N: usize>(
        &mut self,
        memory: &impl Memory,
        chain: &mut Chain<N>,
    ) -> Result<Option<Head>, Fault> {
        if self.available == self.popped && !self.refresh(memory)? {
            return Ok(None);
        }
        let at = self.driver + RING + 2 * u64::from(self.slot(self.popped));
        let head = memory.read_u16(at).map_err(Fault::Area)?;
        let Features { indirect, .. } = self.features;
        chain.fill(memory, self.descriptors, self.size, indirect, head)?;
        self.popped = self.popped.wrapping_add(1);
        Ok(Some(Head(head)))
    }

    /// Reads the driver's index. Every chain in the device's hands has a descriptor of
    /// its own, and so has every one still to be taken.
    fn refresh(&mut self, memory: &impl Memory) -> Result<bool, Fault> {
        let found = memory.read_u16(self.driver + INDEX).map_err(Fault::Area)?;
        let held = self.available.wrapping_sub(self.published);
        let room = self.size.saturating_sub(held);
        if found.wrapping_sub(self.available) > room {
            return Err(Fault::Index { found, from: self.available, room });
        }
        self.available = found;
        Ok(self.available != self.popped)
    }

    /// Gives a chain back, of which the first `written` writable bytes were written.
    /// The driver sees it with [`Queue::publish`].
    ///
    /// With no chain in flight, or once the queue is closed, it does nothing.
    pub fn complete(&mut self, memory: &mut impl Memory, head: Head, written: u32) {
        if self.broken.is_some() || self.in_flight() == 0 {
            return;
        }
        let at = self.device + RING + 8 * u64::from(self.slot(self.used));
        let element = u64::from(head.0) | u64::from(written) << 32;
        if self.done(memory.write_u64(at, element)) {
            self.used = self.used.wrapping_add(1);
        }
    }

    /// Tells the driver of all completed chains.
    ///
    /// # Returns
    /// Whether it wants an interrupt (virtio 1.2, 2.7.7).
    #[must_use = "the driver may wait for an interrupt"]
    pub fn publish(&mut self, memory: &mut impl Memory) -> bool {
        if self.broken.is_some() || self.used == self.published {
            return false;
        }
        let old = self.published;
        if !self.done(memory.write_u16(self.device + INDEX, self.used)) {
            return false;
        }
        self.published = self.used;
        // The index must be visible before the driver's wish is read: else it could
        // miss the one while we miss the other.
        memory.fence();
        if self.features.event_index {
            let event = memory.read_u16(self.driver + RING + 2 * u64::from(self.size));
            event.is_ok_and(|event| passed(event, old, self.published))
        } else {
            memory.read_u16(self.driver + FLAGS).is_ok_and(|flags| flags & NO_INTERRUPT == 0)
        }
    }

    /// Asks the driver for a notification of the next chain, and looks whether one
    /// came before it could know.
    ///
    /// # Errors
    /// As [`Queue::pop`].
    pub fn arm(&mut self, memory: &mut impl Memory) -> Result<Pending, Fault> {
        // What waits already is more; no need to be told of what follows.
        if self.broken.is_none() && self.available != self.popped {
            return Ok(Pending::More);
        }
        let wish = if self.features.event_index { Wish::At(self.popped) } else { Wish::Always };
        if self.wish != wish {
            self.tell(memory, wish);
            // As in `publish`.
            memory.fence();
        }
        Ok(if self.has_next(memory)? { Pending::More } else { Pending::None })
    }

    /// Asks the driver not to notify: the device looks by itself. With the event index
    /// there is nothing to say: a wish that was passed is not heard again for 2^16 chains.
    pub fn disarm(&mut self, memory: &mut impl Memory) {
        if !self.features.event_index && self.wish != Wish::Silence && self.broken.is_none() {
            self.tell(memory, Wish::Silence);
        }
    }

    fn tell(&mut self, memory: &mut impl Memory, wish: Wish) {
        let told = match wish {
            Wish::Unknown => Ok(()),
            Wish::Silence => memory.write_u16(self.device + FLAGS, NO_NOTIFY),
            Wish::Always => memory.write_u16(self.device + FLAGS, 0),
            Wish::At(index) => {
                memory.write_u16(self.device + RING + 8 * u64::from(self.size), index)
            }
        };
        if self.done(told) {
            self.wish = wish;
        }
    }

    /// Closes the queue if an area of it is gone.
    fn done(&mut self, result: Result<(), Outside>) -> bool {
        if let Err(e) = result {
            self.broken = Some(Fault::Area(e));
        }
        result.is_ok()
    }

    /// An index's place in a ring. The size is a power of two: no division.
    #[inline]
    fn slot(&self, index: u16) -> u16 {
        index & (self.size - 1)
    }
}

/// Whether an index that went from `old` to `new` passed `event` (virtio 1.2, 2.7.7.2).
#[inline]
fn passed(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
