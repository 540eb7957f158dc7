//! The memory of a ring, as the two ends see it. The trait exists so that the
//! protocol can be model-checked over other memory than [`Shared`].

use core::fmt;
use core::marker::PhantomData;

use shmem::{ReadWrite, Region, Word16, Word32, WordError};

use super::error::LayoutError;

/// Which of the two indices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Index {
    /// Entries ever enqueued.
    Tail,
    /// Entries ever given back.
    Head,
}

/// A ring in memory.
pub trait Memory {
    /// What a slot holds.
    type Entry: Copy + fmt::Debug;

    /// The bits of an index that its word holds.
    const MASK: u32;

    /// Slots: a power of two, at most half of what the indices can count.
    fn capacity(&self) -> u32;

    /// Loads an index: an acquire.
    fn load(&self, index: Index) -> u32;

    /// Stores an index: a release.
    fn store(&self, index: Index, value: u32);

    /// Copies an entry out of a slot below the capacity.
    fn read(&self, slot: u32) -> Self::Entry;

    /// Copies an entry into a slot below the capacity.
    fn write(&self, slot: u32, entry: &Self::Entry);
}

/// A word that holds an index.
pub trait IndexWord: Sized {
    /// The bits of an index that it holds.
    const MASK: u32;

    /// The word at an offset of a region.
    ///
    /// # Errors
    /// It leaves the region or is not aligned.
    fn at(region: &Region<ReadWrite>, offset: usize) -> Result<Self, WordError>;

    /// Its value.
    fn get(&self) -> u32;

    /// Sets its value to the low bits of one.
    fn set(&self, value: u32);
}

impl IndexWord for Word16<ReadWrite> {
    const MASK: u32 = 0xFFFF;

    fn at(region: &Region<ReadWrite>, offset: usize) -> Result<Self, WordError> {
        region.word16(offset)
    }

    #[inline]
    fn get(&self) -> u32 {
        u32::from(self.load())
    }

    #[inline]
    fn set(&self, value: u32) {
        self.store(value as u16);
    }
}

impl IndexWord for Word32<ReadWrite> {
    const MASK: u32 = u32::MAX;

    fn at(region: &Region<ReadWrite>, offset: usize) -> Result<Self, WordError> {
        region.word32(offset)
    }

    #[inline]
    fn get(&self) -> u32 {
        self.load()
    }

    #[inline]
    fn set(&self, value: u32) {
        self.store(value);
    }
}

/// Where a kind of ring has its words and slots.
pub trait Layout: 'static {
    /// What a slot holds.
    type Entry: Copy + fmt::Debug;
    /// The words of the indices.
    type Word: IndexWord;
    /// Offset of the tail.
    const TAIL: usize;
    /// Offset of the head.
    const HEAD: usize;
    /// Offset of the first slot.
    const SLOTS: usize;
    /// Bytes from slot to slot.
    const STRIDE: usize;

    /// Copies an entry out of the slot at an offset of the slots' region, each
    /// field once.
    fn read(slots: &Region<ReadWrite>, at: usize) -> Self::Entry;

    /// Copies an entry into the slot at an offset of the slots' region.
    fn write(slots: &Region<ReadWrite>, at: usize, entry: &Self::Entry);
}

/// A ring in a shared region.
///
/// Holding one proves that the region has the size and alignment of the ring,
/// not that the indices make sense.
pub struct Shared<L: Layout> {
    tail: L::Word,
    head: L::Word,
    slots: Region<ReadWrite>,
    capacity: u32,
    layout: PhantomData<fn() -> L>,
}

impl<L: Layout> Shared<L> {
    /// The most slots that the indices can count: half their range, so that a
    /// full ring and an index that went back are told apart.
    pub const MOST: u32 = L::Word::MASK / 2 + 1;

    /// The most slots that a region of this size holds; none if not even one.
    pub const fn fitting(size: usize) -> u32 {
        let slots = size.saturating_sub(L::SLOTS) / L::STRIDE;
        match slots.checked_ilog2() {
            None => 0,
            Some(log) if log >= Self::MOST.ilog2() => Self::MOST,
            Some(log) => 1 << log,
        }
    }

    /// A ring of so many slots.
    ///
    /// # Errors
    /// The region cannot hold it; see [`LayoutError`].
    pub fn new(region: &Region<ReadWrite>, slots: u32) -> Result<Self, LayoutError> {
        if !slots.is_power_of_two() || slots > Self::MOST {
            return Err(LayoutError::Capacity { slots, most: Self::MOST });
        }
        let bytes = slots as usize * L::STRIDE;
        let size = region.len();
        let outside = |_| LayoutError::Size { size, slots, needed: L::SLOTS + bytes };
        Ok(Shared {
            tail: L::Word::at(region, L::TAIL)?,
            head: L::Word::at(region, L::HEAD)?,
            slots: region.sub(L::SLOTS, bytes).map_err(outside)?,
            capacity: slots,
            layout: PhantomData,
        })
    }

    fn word(&self, index: Index) -> &L::Word {
        match index {
            Index::Tail => &self.tail,
            Index::Head => &self.head,
        }
    }
}

impl<L: Layout> fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?}, {} slots)", self.slots, self.capacity)
    }
}

impl<L: Layout> Memory for Shared<L> {
    type Entry = L::Entry;

    const MASK: u32 = L::Word::MASK;

    #[inline]
    fn capacity(&self) -> u32 {
        self.capacity
    }

    #[inline]
    fn load(&self, index: Index) -> u32 {
        self.word(index).get()
    }

    #[inline]
    fn store(&self, index: Index, value: u32) {
        self.word(index).set(value);
    }

    #[inline]
    fn read(&self, slot: u32) -> L::Entry {
        L::read(&self.slots, slot as usize * L::STRIDE)
    }

    #[inline]
    fn write(&self, slot: u32, entry: &L::Entry) {
        L::write(&self.slots, slot as usize * L::STRIDE, entry);
    }
}
