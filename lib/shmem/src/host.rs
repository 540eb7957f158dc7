//! Regions over memory of this process, so that whatever works on regions can
//! be tested on the host. Both ends of a queue may be driven from two threads:
//! the accesses are those of the product.

use alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use alloc::sync::Arc;
use core::ptr::NonNull;

use crate::region::{Read, ReadWrite, Region};

/// Keeps the allocation alive as long as a region on it exists.
pub(crate) type Keep = Option<Arc<Allocation>>;

/// Zeroed memory, aligned to a page as a mapped region is.
pub(crate) struct Allocation {
    base: NonNull<u8>,
    layout: Layout,
}

/// Alignment of a mapped region: the page size of x86-64.
const PAGE: usize = 4096;

// SAFETY: the allocation is an address to free; nothing is accessed through it.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and the last region is gone.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

impl Region<ReadWrite> {
    /// `len` zeroed bytes of this process. Clones and parts share them; they
    /// are freed with the last.
    ///
    /// # Panics
    /// `len` is zero or close to `isize::MAX`, or there is no memory.
    pub fn host(len: usize) -> Region<ReadWrite> {
        assert!(len > 0, "a region has at least one byte");
        let Ok(layout) = Layout::from_size_align(len, PAGE) else {
            panic!("{len} bytes are more than this address space can hold");
        };
        // SAFETY: the size is not zero.
        let base = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        Region::from_kept(base, len, Some(Arc::new(Allocation { base, layout })))
    }

    /// A region that holds a copy of `bytes`.
    ///
    /// # Panics
    /// As [`Region::host`].
    pub fn host_with(bytes: &[u8]) -> Region<ReadWrite> {
        let region = Region::host(bytes.len());
        match region.write(0, bytes) {
            Ok(()) => region,
            Err(e) => unreachable!("{e}"),
        }
    }
}

impl Region<Read> {
    /// A read-only region that holds a copy of `bytes`.
    ///
    /// # Panics
    /// As [`Region::host`].
    pub fn host_with_read_only(bytes: &[u8]) -> Region<Read> {
        Region::host_with(bytes).read_only()
    }
}
