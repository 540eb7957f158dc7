//! The memory that a device reads and writes, and the buffers that are copied there.

use core::{
    fmt,
    marker::PhantomData,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};

use shmem::{ReadWrite, Region};
use spin::Once;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Why a pool cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolError {
    /// The region is not aligned to a page, at its I/O address or where it is
    /// mapped, or is at I/O address 0, which counts as none.
    Place {
        /// Its I/O address.
        base: u64,
    },
    /// It is smaller than the rings and the buffers' copies.
    Small {
        /// Bytes that it has.
        size: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// It has its memory already.
    Granted,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Place { base } => {
                write!(f, "the region for DMA at {base:#x} is not aligned to a page, or is at 0")
            }
            PoolError::Small { size, needed } => {
                write!(f, "the region for DMA has {size:#x} bytes, and {needed:#x} are wanted")
            }
            PoolError::Granted => f.write_str("the region for DMA is granted twice"),
        }
    }
}

/// A buffer of the driver's own, of which the pool has room for a copy.
///
/// Holding one proves that nobody else can see it: it is exclusive memory, and what
/// the device has of it, once it is handed over, is the copy.
#[derive(Debug)]
pub struct Buffer(pub(crate) &'static mut [u8]);

impl Buffer {
    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.0
    }
}

/// What was granted.
struct Granted {
    region: Region<ReadWrite>,
    base: u64,
    /// Bytes at the region's beginning that are for rings.
    rings: usize,
    /// Pages of them that are taken.
    taken: AtomicUsize,
    /// Where the buffers are, all of them in one piece, and how long that is.
    arena: usize,
    length: usize,
}

impl Granted {
    /// Where the copy of a buffer is in the region.
    fn copy_of(&self, buffer: NonNull<[u8]>) -> Option<usize> {
        let offset = buffer.addr().get().checked_sub(self.arena)?;
        let end = offset.checked_add(buffer.len())?;
        (end <= self.length).then_some(self.rings + offset)
    }
}

/// A driver's memory for one device: rings, and behind them a copy of its buffers,
/// which lie to each other as the buffers do.
///
/// It is a static, because the crate's memory functions are told of no object.
pub struct Pool(Once<Granted>);

/// Which pool is meant.
pub trait Pooled: 'static {
    /// The pool: always the same.
    fn pool() -> &'static Pool;
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new()
    }
}

impl Pool {
    /// One without memory.
    pub const fn new() -> Self {
        Pool(Once::new())
    }

    /// Gives it its memory, which the device finds at the I/O address `base`, with
    /// so many pages for rings; and cuts private memory into buffers of `size`
    /// bytes each. What is left over is not used.
    ///
    /// # Errors
    /// The region will not do, or there is one already.
    pub fn grant(
        &self,
        region: &Region<ReadWrite>,
        base: u64,
        pages: usize,
        private: &'static mut [u8],
        size: usize,
    ) -> Result<impl Iterator<Item = Buffer> + use<>, PoolError> {
        let aligned = |address: u64| address != 0 && address.is_multiple_of(PAGE_SIZE as u64);
        if !aligned(base) || !aligned(region.base().addr().get() as u64) {
            return Err(PoolError::Place { base });
        }
        let rings = pages.saturating_mul(PAGE_SIZE);
        let needed = rings.saturating_add(private.len());
        if region.len() < needed || base.checked_add(region.len() as u64).is_none() {
            return Err(PoolError::Small { size: region.len(), needed });
        }
        if self.0.is_completed() {
            return Err(PoolError::Granted);
        }
        self.0.call_once(|| Granted {
            region: region.clone(),
            base,
            rings,
            taken: AtomicUsize::new(0),
            arena: private.as_ptr().addr(),
            length: private.len(),
        });
        Ok(private.chunks_exact_mut(size.max(1)).map(Buffer))
    }

    fn granted(&self) -> &Granted {
        match self.0.get() {
            Some(granted) => granted,
            // A queue is made of buffers, which come from the grant.
            None => unreachable!("the pool has no memory yet"),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.0.get().map(|granted| &granted.region);
        f.debug_tuple("Pool").field(&region).finish()
    }
}

/// The crate's memory functions, over a pool.
pub struct Bounce<P>(PhantomData<fn() -> P>);

// SAFETY: each function's obligations are discharged at its head.
unsafe impl<P: Pooled> Hal for Bounce<P> {
    /// The pages are within the region, which is mapped for as long as the program
    /// runs and holds no Rust object (`Region`'s invariants) and whose base is
    /// aligned to a page (`grant`). Nobody is given them twice: the count only grows.
    /// The pool itself accesses only what is behind them.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let granted = P::pool().granted();
        let most = granted.rings / PAGE_SIZE;
        let take = |taken: usize| taken.checked_add(pages).filter(|&end| end <= most);
        let taken = granted.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let memory = taken.ok().and_then(|first| {
            let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
            let part = granted.region.sub(offset, length).ok()?;
            part.zero(0, length).ok()?;
            Some((granted.base + offset as u64, part.base()))
        });
        // An address of 0 is how the crate is told that there is no memory.
        memory.unwrap_or((0, NonNull::dangling()))
    }

    /// Does nothing: a driver's rings are there as long as its domain.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    /// Not used: the transport here has its registers from elsewhere.
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("the transport of `virtio-drivers` is not used")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let granted = P::pool().granted();
        let Some(place) = granted.copy_of(buffer) else {
            unreachable!("a buffer that is not the pool's")
        };
        // What the device is to write needs no copy.
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: the caller's obligation: it is valid memory, which nobody else
            // accesses during this call.
            let bytes =
                unsafe { slice::from_raw_parts(buffer.cast::<u8>().as_ptr(), buffer.len()) };
            let copied = granted.region.write(place, bytes);
            debug_assert!(copied.is_ok(), "the region was measured");
        }
        granted.base + place as u64
    }

    unsafe fn unshare(_: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction == BufferDirection::DriverToDevice {
            return;
        }
        let granted = P::pool().granted();
        let Some(place) = granted.copy_of(buffer) else {
            unreachable!("a buffer that is not the pool's")
        };
        // SAFETY: the caller's obligation: it is valid memory, which nobody else
        // accesses during this call.
        let bytes =
            unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>().as_ptr(), buffer.len()) };
        let copied = granted.region.read(place, bytes);
        debug_assert!(copied.is_ok(), "the region was measured");
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec;

    use super::*;

    fn private(length: usize) -> &'static mut [u8] {
        Box::leak(vec![0; length].into_boxed_slice())
    }

    #[test]
    fn buffers_are_as_many_as_fit_and_memory_that_will_not_do_is_refused() {
        let region = Region::host(3 * PAGE_SIZE);
        let pool = Pool::new();
        let refused = |base, pages, length| {
            pool.grant(&region, base, pages, private(length), 64).map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(0, 1, 64), PoolError::Place { base: 0 });
        assert_eq!(refused(0x1800, 1, 64), PoolError::Place { base: 0x1800 });
        let needed = 2 * PAGE_SIZE + 4097;
        assert_eq!(refused(0x1000, 2, 4097), PoolError::Small { size: region.len(), needed });
        assert!(matches!(refused(u64::MAX - 0xfff, 1, 64), PoolError::Small { .. }));
        let buffers = pool.grant(&region, 0x1000, 1, private(1000), 64).unwrap();
        assert_eq!(buffers.count(), 15);
        assert_eq!(refused(0x1000, 1, 64), PoolError::Granted);
    }

    struct Mine;

    impl Pooled for Mine {
        fn pool() -> &'static Pool {
            static POOL: Pool = Pool::new();
            &POOL
        }
    }

    #[test]
    fn rings_and_copies_do_not_meet_and_what_the_device_gets_is_a_copy() {
        let region = Region::host(4 * PAGE_SIZE);
        region.fill(0, region.len(), 0xee).unwrap();
        let grant = Mine::pool().grant(&region, 0x10_0000, 2, private(2 * PAGE_SIZE), 512);
        let mut buffers = grant.unwrap();
        let (at, memory) = Bounce::<Mine>::dma_alloc(1, BufferDirection::Both);
        assert_eq!((at, memory), (0x10_0000, region.base()));
        assert_eq!(region.read_u64(PAGE_SIZE - 8), Ok(0), "the pages are zeroed");
        assert_eq!(region.read_u8(PAGE_SIZE), Ok(0xee), "and only they");
        assert_eq!(Bounce::<Mine>::dma_alloc(2, BufferDirection::Both).0, 0, "one is left");
        assert_eq!(Bounce::<Mine>::dma_alloc(usize::MAX, BufferDirection::Both).0, 0);
        assert_eq!(Bounce::<Mine>::dma_alloc(1, BufferDirection::Both).0, 0x10_1000);
        assert_eq!(Bounce::<Mine>::dma_alloc(1, BufferDirection::Both).0, 0, "none is left");

        let (mut first, mut second) = (buffers.next().unwrap(), buffers.next().unwrap());
        first.bytes().fill(1);
        second.bytes().fill(2);
        let whole = |buffer: &mut Buffer| NonNull::from(buffer.bytes());
        let (to, from) = (BufferDirection::DriverToDevice, BufferDirection::DeviceToDriver);
        // SAFETY: the buffers are ours alone.
        let first_at = unsafe { Bounce::<Mine>::share(whole(&mut first), to) };
        // SAFETY: as above.
        let second_at = unsafe { Bounce::<Mine>::share(whole(&mut second), from) };
        assert_eq!([first_at, second_at], [0x10_2000, 0x10_2200]);
        assert_eq!(region.read_u8(0x2000), Ok(1));
        assert_eq!(region.read_u8(0x2200), Ok(0xee), "what it is to write is not copied");
        region.fill(0x2000, 0x400, 7).unwrap();
        // SAFETY: as above.
        unsafe { Bounce::<Mine>::unshare(first_at, whole(&mut first), to) };
        // SAFETY: as above.
        unsafe { Bounce::<Mine>::unshare(second_at, whole(&mut second), from) };
        assert!(first.bytes().iter().all(|&byte| byte == 1), "the device cannot write it");
        assert!(second.bytes().iter().all(|&byte| byte == 7));
    }
}
