//! The requests that a device works on.

use virtq::{Chain, Head};

use super::bits::status;
use super::request::Job;
use super::{PARTS, REQUESTS};

/// A guest's request on its way.
#[derive(Debug)]
pub(super) struct Slot {
    pub chain: Chain<PARTS>,
    /// The chain's name in its queue; nothing in a slot that is free.
    pub head: Option<Head>,
    pub queue: u8,
    pub job: Job,
    /// First byte on the disk.
    pub start: u64,
    /// Bytes in all.
    pub length: u32,
    /// Bytes for which a piece was made.
    pub issued: u32,
    /// Pieces that the peer has.
    pub outstanding: u32,
    /// What the guest will be told.
    pub status: u8,
    /// A flush is still to follow before the guest is told.
    pub flush_after: bool,
}

impl Slot {
    const fn new() -> Self {
        Slot {
            chain: Chain::new(),
            head: None,
            queue: 0,
            job: Job::Read,
            start: 0,
            length: 0,
            issued: 0,
            outstanding: 0,
            status: status::OK,
            flush_after: false,
        }
    }
}

/// Room for the requests of a device: tens of kibibytes, so not for a stack. It is
/// made in a static place and lent to a [`Block`](super::Block).
#[derive(Debug)]
pub struct Store {
    slots: [Slot; REQUESTS],
    /// A set bit is a slot in use.
    used: u64,
}

const _: () = assert!(REQUESTS <= 64, "one word says which slots are in use");

impl Default for Store {
    fn default() -> Self {
        Store::new()
    }
}

impl Store {
    /// All of it free; all zeroes, so that it takes no room in an image.
    pub const fn new() -> Self {
        Store { slots: [const { Slot::new() }; REQUESTS], used: 0 }
    }

    /// A free slot, which stays free until [`Store::take`].
    pub(super) fn vacant(&mut self) -> Option<(usize, &mut Slot)> {
        let index = self.used.trailing_ones() as usize;
        Some((index, self.slots.get_mut(index)?))
    }

    pub(super) fn take(&mut self, index: usize) {
        self.used |= 1 << index;
    }

    pub(super) fn give_back(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.head = None;
            self.used &= !(1 << index);
        }
    }

    pub(super) fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index).filter(|slot| slot.head.is_some())
    }

    pub(super) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.head = None;
        }
        self.used = 0;
    }
}
