//! A ring with the word by which its consumer asks to be notified.

use shmem::{ReadWrite, Region, Word32};

use super::wire::{Descriptor, NetLayout};
use crate::ring::{Index, LayoutError, Memory, Shared};

/// Offset of the word (`consumer_signalled`).
const CONSUMER_SIGNALLED: usize = 4;

/// Whether there is something to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Nothing came; the peer will notify when something does.
    Asleep,
    /// Something came meanwhile: look at it first.
    More,
}

/// A ring's signalling word.
pub trait Flag: Memory<Entry = Descriptor> {
    /// The word: 0 while the consumer waits for a signal.
    fn signalled(&self) -> u32;

    /// Sets it.
    fn set_signalled(&self, value: u32);

    /// Keeps earlier stores before later loads.
    fn fence(&self);

    /// To be asked after publishing: whether the consumer must be notified.
    fn consumer_waits(&self) -> bool {
        // Our index must be visible before the word is read: else the consumer
        // could miss the one while we miss the other.
        self.fence();
        if self.signalled() != 0 {
            return false;
        }
        self.set_signalled(1);
        true
    }

    /// Asks for a signal; the consumer looks at the ring once more afterwards.
    fn ask(&self) {
        self.set_signalled(0);
        self.fence();
    }

    /// Takes the question back.
    fn busy(&self) {
        self.set_signalled(1);
    }
}

/// A ring in a shared region.
#[derive(Debug)]
pub struct Ring {
    ring: Shared<NetLayout>,
    signalled: Word32<ReadWrite>,
}

impl Ring {
    /// A ring of so many slots.
    ///
    /// # Errors
    /// The region cannot hold it.
    pub fn new(region: &Region<ReadWrite>, slots: u32) -> Result<Self, LayoutError> {
        Ok(Ring {
            ring: Shared::new(region, slots)?,
            signalled: region.word32(CONSUMER_SIGNALLED)?,
        })
    }
}

impl Memory for Ring {
    type Entry = Descriptor;

    const MASK: u32 = <Shared<NetLayout> as Memory>::MASK;

    #[inline]
    fn capacity(&self) -> u32 {
        self.ring.capacity()
    }

    #[inline]
    fn load(&self, index: Index) -> u32 {
        self.ring.load(index)
    }

    #[inline]
    fn store(&self, index: Index, value: u32) {
        self.ring.store(index, value);
    }

    #[inline]
    fn read(&self, slot: u32) -> Descriptor {
        self.ring.read(slot)
    }

    #[inline]
    fn write(&self, slot: u32, entry: &Descriptor) {
        self.ring.write(slot, entry);
    }
}

impl Flag for Ring {
    #[inline]
    fn signalled(&self) -> u32 {
        self.signalled.load()
    }

    #[inline]
    fn set_signalled(&self, value: u32) {
        self.signalled.store(value);
    }

    #[inline]
    fn fence(&self) {
        shmem::fence();
    }
}
