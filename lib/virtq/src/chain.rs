//! One descriptor chain, copied out of the guest's memory and checked.

use heapless::{Vec, VecView};

use crate::fault::Fault;
use crate::memory::{Memory, Outside};
use crate::parts::{Part, Parts};

/// Which chain of its queue a buffer belongs to: what the device gives back with
/// [`Queue::complete`](crate::Queue::complete). Only a queue makes one, and it means
/// nothing to another queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head(pub(crate) u16);

impl Head {
    /// The number of the chain's first descriptor.
    pub const fn descriptor(self) -> u16 {
        self.0
    }
}

/// A chain of at most `N` buffers: those that the device reads, then those that it
/// writes.
///
/// What it says was checked, and cannot change: it is a copy. The bytes in the
/// buffers still belong to the guest.
#[derive(Clone, Debug)]
pub struct Chain<const N: usize> {
    parts: Vec<Part, N>,
    totals: Totals,
}

/// What the parts of a chain come to.
#[derive(Clone, Copy, Default, Debug)]
struct Totals {
    /// How many of them the device reads.
    readable: usize,
    readable_length: u32,
    writable_length: u32,
}

impl<const N: usize> Default for Chain<N> {
    fn default() -> Self {
        Chain::new()
    }
}

/// `VIRTQ_DESC_F_NEXT` (virtio 1.2, 2.7.5).
const NEXT: u16 = 1;
/// `VIRTQ_DESC_F_WRITE`.
const WRITE: u16 = 2;
/// `VIRTQ_DESC_F_INDIRECT`.
const INDIRECT: u16 = 4;

/// Bytes of a descriptor.
const DESCRIPTOR: u32 = 16;

/// A descriptor, copied out: two accesses.
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    #[inline]
    fn read(memory: &impl Memory, table: u64, index: u16) -> Result<Self, Outside> {
        // The table is RAM, so the sum does not wrap.
        let at = table.wrapping_add(u64::from(DESCRIPTOR) * u64::from(index));
        let address = memory.read_u64(at)?;
        let word = memory.read_u64(at.wrapping_add(8))?;
        Ok(Descriptor {
            address,
            length: word as u32,
            flags: (word >> 32) as u16,
            next: (word >> 48) as u16,
        })
    }
}

impl<const N: usize> Chain<N> {
    /// A chain of no buffers, to be filled by [`Queue::pop`](crate::Queue::pop).
    pub const fn new() -> Self {
        let totals = Totals { readable: 0, readable_length: 0, writable_length: 0 };
        Chain { parts: Vec::new(), totals }
    }

    /// What the device reads.
    #[inline]
    pub fn readable(&self) -> Parts<'_> {
        let Totals { readable, readable_length, .. } = self.totals;
        Parts::new(self.parts.get(..readable).unwrap_or(&[]), readable_length)
    }

    /// What the device writes.
    #[inline]
    pub fn writable(&self) -> Parts<'_> {
        let Totals { readable, writable_length, .. } = self.totals;
        Parts::new(self.parts.get(readable..).unwrap_or(&[]), writable_length)
    }

    /// Fills it with the chain from descriptor `head` on, of a queue of `size`.
    pub(crate) fn fill(
        &mut self,
        memory: &impl Memory,
        table: u64,
        size: u16,
        indirect_negotiated: bool,
        head: u16,
    ) -> Result<(), Fault> {
        self.parts.clear();
        self.totals = Totals::default();
        let filling = Filling { parts: &mut self.parts, totals: &mut self.totals };
        filling.fill(memory, table, size, indirect_negotiated, head)
    }
}

/// A chain while it is filled: one piece of code for chains of every size.
struct Filling<'a> {
    parts: &'a mut VecView<Part>,
    totals: &'a mut Totals,
}

impl Filling<'_> {
    fn fill(
        mut self,
        memory: &impl Memory,
        table: u64,
        size: u16,
        indirect_negotiated: bool,
        head: u16,
    ) -> Result<(), Fault> {
        if head >= size {
            return Err(Fault::Head(head));
        }
        // The table that descriptors now come from, and its entries.
        let (mut table, mut entries) = (table, u32::from(size));
        let mut nested = false;
        let mut index = head;
        // Of all descriptors, an indirect one apart: it holds no buffer.
        for _ in 0..=size {
            let failed = if nested { Fault::IndirectTable } else { Fault::Area };
            let descriptor = Descriptor::read(memory, table, index).map_err(failed)?;
            if descriptor.flags & INDIRECT != 0 {
                entries = indirect(memory, &descriptor, indirect_negotiated, nested)?;
                table = descriptor.address;
                nested = true;
                index = 0;
                continue;
            }
            if self.parts.len() >= usize::from(size) {
                break;
            }
            self.add(memory, &descriptor)?;
            if descriptor.flags & NEXT == 0 {
                return Ok(());
            }
            index = descriptor.next;
            if u32::from(index) >= entries {
                return Err(Fault::Next(index));
            }
        }
        Err(Fault::TooLong { most: size })
    }

    #[inline]
    fn add(&mut self, memory: &impl Memory, descriptor: &Descriptor) -> Result<(), Fault> {
        let &Descriptor { address, length, flags, .. } = descriptor;
        if length == 0 {
            return Err(Fault::Empty);
        }
        if !memory.contains(address, length.into()) {
            return Err(Fault::Buffer(Outside { address, length: length.into() }));
        }
        let totals = &mut *self.totals;
        let (own, other) = if flags & WRITE != 0 {
            (&mut totals.writable_length, totals.readable_length)
        } else {
            if totals.readable < self.parts.len() {
                return Err(Fault::ReadableAfterWritable);
            }
            totals.readable += 1;
            (&mut totals.readable_length, totals.writable_length)
        };
        *own = own.checked_add(length).ok_or(Fault::TooManyBytes)?;
        // Both together, too.
        own.checked_add(other).ok_or(Fault::TooManyBytes)?;
        let most = u16::try_from(self.parts.capacity()).unwrap_or(u16::MAX);
        self.parts.push(Part { address, length }).map_err(|_| Fault::TooManyParts { most })
    }
}

/// The entries of the table that an indirect descriptor names. That it may be
/// writable is to be ignored (virtio 1.2, 2.7.5.3.2).
fn indirect(
    memory: &impl Memory,
    descriptor: &Descriptor,
    negotiated: bool,
    nested: bool,
) -> Result<u32, Fault> {
    let &Descriptor { address, length, flags, .. } = descriptor;
    if !negotiated {
        return Err(Fault::IndirectNotNegotiated);
    }
    if nested {
        return Err(Fault::IndirectNested);
    }
    if flags & NEXT != 0 {
        return Err(Fault::IndirectWithNext);
    }
    let entries = length / DESCRIPTOR;
    if length & (DESCRIPTOR - 1) != 0 || entries == 0 || entries > 1 << 16 {
        return Err(Fault::IndirectSize(length));
    }
    if !memory.contains(address, length.into()) {
        return Err(Fault::IndirectTable(Outside { address, length: length.into() }));
    }
    Ok(entries)
}
