//! Kernel objects out of untyped memory.

use core::fmt;

use heapless::Vec;
use sel4::{
    Word,
    abi::current::numbers::{bootinfo::MAX_UNTYPED_CAPS, limits::RETYPE_FAN_OUT},
    cap::{ObjectType, Untyped},
};

use crate::{
    boot_info::{BootInfo, init_caps},
    slots::Slots,
};

/// Why no object could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocError {
    /// The capability space has too few free slots.
    Slots {
        /// How many were wanted.
        wanted: Word,
        /// How many are left.
        left: Word,
    },
    /// No untyped memory has room.
    Memory {
        /// Bytes of one object.
        object: Word,
        /// How many were wanted.
        count: Word,
        /// Bytes left in all untyped memory.
        left: Word,
    },
    /// No untyped memory covers this physical range, or it was handed out.
    PhysicalRange {
        /// Its start.
        paddr: Word,
        /// Its size in bytes.
        size: Word,
        /// Beginning and end of the largest range of RAM that is free.
        free: (Word, Word),
    },
    /// A part of a virtual machine, on a processor that has none.
    NoVtx,
    /// The kernel refused.
    Kernel(sel4::Error),
}

impl From<sel4::Error> for AllocError {
    fn from(e: sel4::Error) -> Self {
        AllocError::Kernel(e)
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AllocError::Slots { wanted, left } => {
                write!(f, "{wanted} capability slots wanted, {left} left; larger pages need fewer")
            }
            AllocError::Memory { object, count, left } => write!(
                f,
                "out of memory: {count} objects of {object} bytes wanted, {} KiB left in all",
                left / 1024
            ),
            AllocError::PhysicalRange { paddr, size, free: (start, end) } => write!(
                f,
                "physical range {paddr:#x} of {size:#x} bytes is not free for use; the largest \
                 free range of RAM is {start:#x}..{end:#x}"
            ),
            AllocError::NoVtx => f.write_str(
                "this processor has no VT-x, or the firmware has switched it off: there can be \
                 no guest",
            ),
            AllocError::Kernel(e) => write!(f, "kernel: {e}"),
        }
    }
}

/// Untyped memory and how much of it is used.
#[derive(Clone, Copy, Debug)]
struct Pool {
    untyped: Untyped,
    paddr: Word,
    size: Word,
    /// Bytes handed out, alignment included; the kernel's own watermark.
    used: Word,
    device: bool,
}

impl Pool {
    /// One after its last byte.
    fn end(&self) -> Word {
        self.paddr + self.size
    }

    /// Where `count` objects of `1 << bits` would begin, if they fit.
    fn fit(&self, bits: u8, count: Word) -> Option<Word> {
        let object = 1u64.checked_shl(bits.into())?;
        let start = self.used.checked_next_multiple_of(object)?;
        let end = start.checked_add(object.checked_mul(count)?)?;
        (end <= self.size).then_some(start)
    }
}

/// Pieces that are accounted for: the kernel's, and what lies below RAM at a
/// known place, a few dozen pieces each.
const POOLS_MAX: usize = 2 * MAX_UNTYPED_CAPS;

/// Makes kernel objects.
#[derive(Debug)]
pub struct Objects {
    slots: Slots,
    pools: Vec<Pool, POOLS_MAX>,
}

impl Objects {
    /// All untyped memory and empty slots that the kernel gave.
    pub fn new(boot: &BootInfo) -> Self {
        let mut pools = Vec::new();
        for (slot, d) in boot.untyped() {
            let pool = Pool {
                untyped: Untyped::from_address(slot),
                paddr: d.paddr,
                size: 1 << d.size_bits,
                used: 0,
                device: d.is_device != 0,
            };
            if pools.push(pool).is_err() {
                break;
            }
        }
        Objects { slots: Slots::new(boot.empty()), pools }
    }

    /// Bytes of RAM not handed out.
    pub fn memory_left(&self) -> Word {
        self.pools.iter().filter(|p| !p.device).map(|p| p.size - p.used).sum()
    }

    /// Empty slots in a row; returns the first.
    ///
    /// # Errors
    /// Too few are left.
    pub fn slots(&mut self, count: Word) -> Result<Word, AllocError> {
        let left = self.slots.left();
        self.slots.take(count).ok_or(AllocError::Slots { wanted: count, left })
    }

    /// Makes one object; returns its capability's address.
    ///
    /// # Errors
    /// No room.
    pub fn one(&mut self, kind: ObjectType) -> Result<Word, AllocError> {
        self.many(kind, 1)
    }

    /// Makes `count` objects with capabilities in a row; returns the first's
    /// address. They may lie in several pieces of untyped memory.
    ///
    /// # Errors
    /// No room.
    pub fn many(&mut self, kind: ObjectType, count: Word) -> Result<Word, AllocError> {
        let first = self.slots(count)?;
        let mut done = 0;
        while done < count {
            // The kernel makes a limited number of objects in one call.
            let most = (count - done).min(RETYPE_FAN_OUT as Word);
            done += self.some(kind, first + done, most)?;
        }
        Ok(first)
    }

    /// Makes up to `most` objects out of one piece; returns how many.
    fn some(&mut self, kind: ObjectType, slot: Word, most: Word) -> Result<Word, AllocError> {
        let bits = kind.size_bits();
        // The smallest piece that holds them all, else the one that holds most.
        let fits = |p: &Pool, n| !p.device && p.fit(bits, n).is_some();
        let mut n = most;
        let pool = loop {
            let left = self.memory_left();
            if let Some(p) =
                self.pools.iter_mut().filter(|p| fits(p, n)).min_by_key(|p| p.size - p.used)
            {
                break p;
            }
            n /= 2;
            if n == 0 {
                return Err(AllocError::Memory { object: 1 << bits, count: most, left });
            }
        };
        let start = pool.fit(bits, n).unwrap_or(pool.used);
        pool.untyped.retype(kind, init_caps::CNODE, slot, n).map_err(|e| refused(kind, e))?;
        pool.used = start + (n << bits);
        Ok(n)
    }

    /// Makes frames for the physical range from `paddr`: device registers, or
    /// RAM that a device needs at a known place. Ranges of device registers must
    /// be asked for in ascending order; RAM below a range stays of use.
    ///
    /// # Errors
    /// Part of the range is the kernel's, nobody's, or handed out already.
    pub fn frames_at(
        &mut self,
        kind: ObjectType,
        paddr: Word,
        count: Word,
    ) -> Result<Word, AllocError> {
        let bits = kind.size_bits();
        let first = self.slots(count)?;
        let mut done = 0;
        // RAM and what is not do not make one region, even side by side.
        let device = self.covering(paddr, bits).map(|index| self.pools[index].device);
        while done < count {
            let at = (done << bits).checked_add(paddr);
            let found = at
                .and_then(|at| self.covering(at, bits).map(|index| (index, at)))
                .filter(|&(index, _)| Some(self.pools[index].device) == device);
            let Some((index, at)) = found else {
                let free = self.largest_ram();
                return Err(AllocError::PhysicalRange { paddr, size: count << bits, free });
            };
            self.advance(index, at)?;
            let pool = &mut self.pools[index];
            let here = (pool.end() - at) >> bits;
            let n = here.min(count - done).min(RETYPE_FAN_OUT as Word);
            pool.untyped.retype(kind, init_caps::CNODE, first + done, n)?;
            pool.used += n << bits;
            done += n;
        }
        Ok(first)
    }

    /// Which piece has this block, not handed out.
    fn covering(&self, at: Word, bits: u8) -> Option<usize> {
        let end = at.checked_add(1 << bits)?;
        self.pools.iter().position(|pool| pool.paddr + pool.used <= at && end <= pool.end())
    }

    /// The range of the largest piece of RAM.
    fn largest_ram(&self) -> (Word, Word) {
        let ram = self.pools.iter().filter(|pool| !pool.device);
        let largest = ram.max_by_key(|pool| pool.size - pool.used);
        largest.map_or((0, 0), |pool| (pool.paddr + pool.used, pool.end()))
    }

    /// Moves a piece's watermark to this address. Objects come one after another,
    /// so the gap is filled with untyped memory, in the largest aligned pieces;
    /// those of RAM become pieces of their own.
    fn advance(&mut self, index: usize, to: Word) -> Result<(), AllocError> {
        loop {
            let pool = self.pools[index];
            let at = pool.paddr + pool.used;
            let gap = to - at;
            if gap == 0 {
                return Ok(());
            }
            let bits = at.trailing_zeros().min(gap.ilog2()) as u8;
            let slot = self.slots(1)?;
            pool.untyped.retype(ObjectType::Untyped(bits), init_caps::CNODE, slot, 1)?;
            let piece = Pool {
                untyped: Untyped::from_address(slot),
                paddr: at,
                size: 1 << bits,
                used: 0,
                device: pool.device,
            };
            self.pools[index].used += piece.size;
            if !piece.device {
                // Where there is no place left to account for it, it lies idle.
                let _ = self.pools.push(piece);
            }
        }
    }
}

/// What the kernel means by refusing to make an object.
fn refused(kind: ObjectType, e: sel4::Error) -> AllocError {
    match kind {
        ObjectType::Vcpu
        | ObjectType::EptPml4
        | ObjectType::EptPdpt
        | ObjectType::EptPageDirectory
        | ObjectType::EptPageTable
            if e == sel4::Error::IllegalOperation =>
        {
            AllocError::NoVtx
        }
        _ => AllocError::Kernel(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_placed_where_the_kernel_places_them() {
        let pool = |used| Pool {
            untyped: Untyped::from_address(1),
            paddr: 0x10_0000,
            size: 0x1_0000,
            used,
            device: false,
        };
        assert_eq!(pool(0).fit(12, 16), Some(0));
        assert_eq!(pool(0).fit(12, 17), None);
        assert_eq!(pool(32).fit(12, 15), Some(0x1000));
        assert_eq!(pool(32).fit(12, 16), None);
        assert_eq!(pool(0x1_0000).fit(5, 1), None);
        assert_eq!(pool(0).fit(12, u64::MAX), None);
    }
}
