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
    },
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
            AllocError::PhysicalRange { paddr, size } => {
                write!(f, "physical range {paddr:#x} of {size:#x} bytes is not free for use")
            }
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
    /// Where `count` objects of `1 << bits` would begin, if they fit.
    fn fit(&self, bits: u8, count: Word) -> Option<Word> {
        let object = 1u64.checked_shl(bits.into())?;
        let start = self.used.checked_next_multiple_of(object)?;
        let end = start.checked_add(object.checked_mul(count)?)?;
        (end <= self.size).then_some(start)
    }
}

/// Makes kernel objects.
#[derive(Debug)]
pub struct Objects {
    slots: Slots,
    pools: Vec<Pool, MAX_UNTYPED_CAPS>,
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
        pool.untyped.retype(kind, init_caps::CNODE, slot, n)?;
        pool.used = start + (n << bits);
        Ok(n)
    }

    /// Makes frames for the physical range from `paddr`: device registers, or
    /// RAM that a device needs at a known place. Ranges of one piece of
    /// untyped memory must be asked for in ascending order.
    ///
    /// # Errors
    /// The range is the kernel's, or below something handed out already.
    pub fn frames_at(
        &mut self,
        kind: ObjectType,
        paddr: Word,
        count: Word,
    ) -> Result<Word, AllocError> {
        let bits = kind.size_bits();
        let size = count << bits;
        let missing = AllocError::PhysicalRange { paddr, size };
        let end = paddr.checked_add(size).ok_or(missing)?;
        let index = self
            .pools
            .iter()
            .position(|p| paddr >= p.paddr + p.used && end <= p.paddr + p.size)
            .ok_or(missing)?;
        // Objects come one after another, so fill the gap below with untyped
        // memory, in the largest aligned pieces.
        loop {
            let pool = self.pools[index];
            let at = pool.paddr + pool.used;
            let gap = paddr - at;
            if gap == 0 {
                break;
            }
            let piece = at.trailing_zeros().min(gap.ilog2()) as u8;
            let slot = self.slots(1)?;
            pool.untyped.retype(ObjectType::Untyped(piece), init_caps::CNODE, slot, 1)?;
            self.pools[index].used += 1 << piece;
        }
        let first = self.slots(count)?;
        let mut done = 0;
        while done < count {
            let n = (count - done).min(RETYPE_FAN_OUT as Word);
            self.pools[index].untyped.retype(kind, init_caps::CNODE, first + done, n)?;
            self.pools[index].used += n << bits;
            done += n;
        }
        Ok(first)
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
