//! A range of shared memory with rights.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::error::{Misaligned, OutOfBounds, WordError};
use crate::raw;
use crate::word::{Word16, Word32, Word64};

/// The memory is mapped readable.
#[derive(Clone, Copy, Debug)]
pub enum Read {}

/// The memory is mapped readable and writable.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// What a [`Region`] may do. Every region is readable; x86 has no write-only
/// mapping.
pub trait Rights: sealed::Sealed + 'static {}

/// Rights that include writing.
pub trait Writable: Rights {}

impl Rights for Read {}
impl Rights for ReadWrite {}
impl Writable for ReadWrite {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Read {}
    impl Sealed for super::ReadWrite {}
}

/// A range of memory that others may write at any time.
///
/// Invariants: `len` bytes from `base` are mapped with the rights `R` until
/// the program ends (or, under the feature `host`, until the last clone is
/// gone); no Rust object of this program lies in them; `len` is at most
/// `isize::MAX`.
pub struct Region<R: Rights> {
    base: NonNull<u8>,
    len: usize,
    #[cfg(feature = "host")]
    keep: crate::host::Keep,
    rights: PhantomData<fn() -> R>,
}

// SAFETY: a region is an address with a promise that holds in every thread;
// its accesses are single instructions or string copies whose races the
// architecture defines (crate documentation), so two threads may use clones of
// it, or one of it, at once.
unsafe impl<R: Rights> Send for Region<R> {}
// SAFETY: as above.
unsafe impl<R: Rights> Sync for Region<R> {}

impl<R: Rights> Clone for Region<R> {
    fn clone(&self) -> Self {
        Region {
            base: self.base,
            len: self.len,
            #[cfg(feature = "host")]
            keep: self.keep.clone(),
            rights: PhantomData,
        }
    }
}

impl<R: Rights> fmt::Debug for Region<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({:p}, {:#x} bytes)", self.base, self.len)
    }
}

impl<R: Rights> Region<R> {
    /// A region over memory that the system description mapped.
    ///
    /// # Safety
    /// - `len` bytes from `base` are mapped with at least the rights `R`, and
    ///   stay so until the program ends.
    /// - No Rust object of this program (stack, static, heap) lies in them.
    /// - `len` is at most `isize::MAX`.
    /// - If they are device registers, any access that `R` allows is one that
    ///   the device's owner may make.
    pub const unsafe fn from_raw(base: NonNull<u8>, len: usize) -> Self {
        Region {
            base,
            len,
            #[cfg(feature = "host")]
            keep: None,
            rights: PhantomData,
        }
    }

    #[cfg(feature = "host")]
    pub(crate) fn from_kept(base: NonNull<u8>, len: usize, keep: crate::host::Keep) -> Self {
        Region { base, len, keep, rights: PhantomData }
    }

    /// Size in bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes at all.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part of `length` bytes from `offset` on.
    ///
    /// # Errors
    /// It would leave this region.
    pub fn sub(&self, offset: usize, length: usize) -> Result<Region<R>, OutOfBounds> {
        let base = self.at(offset, length)?;
        Ok(Region {
            base,
            len: length,
            #[cfg(feature = "host")]
            keep: self.keep.clone(),
            rights: PhantomData,
        })
    }

    /// The same memory without the right to write.
    pub fn read_only(&self) -> Region<Read> {
        Region {
            base: self.base,
            len: self.len,
            #[cfg(feature = "host")]
            keep: self.keep.clone(),
            rights: PhantomData,
        }
    }

    /// Copies out.
    ///
    /// # Errors
    /// A byte outside the region; `into` is then unchanged.
    #[inline]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.at(offset, into.len())?;
        // SAFETY: `at` checked the source against this region, which is
        // readable; the destination is a slice that we hold exclusively.
        unsafe { raw::copy(from.as_ptr(), into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// The aligned word of two bytes at `offset`.
    ///
    /// # Errors
    /// It leaves the region or is not aligned in memory.
    pub fn word16(&self, offset: usize) -> Result<Word16<R>, WordError> {
        Ok(Word16::new(self.sub(offset, 2)?.aligned(offset)?))
    }

    /// The aligned word of four bytes at `offset`.
    ///
    /// # Errors
    /// It leaves the region or is not aligned in memory.
    pub fn word32(&self, offset: usize) -> Result<Word32<R>, WordError> {
        Ok(Word32::new(self.sub(offset, 4)?.aligned(offset)?))
    }

    /// The aligned word of eight bytes at `offset`.
    ///
    /// # Errors
    /// It leaves the region or is not aligned in memory.
    pub fn word64(&self, offset: usize) -> Result<Word64<R>, WordError> {
        Ok(Word64::new(self.sub(offset, 8)?.aligned(offset)?))
    }

    /// The region itself if it is aligned to its own length.
    fn aligned(self, offset: usize) -> Result<Self, Misaligned> {
        if self.base.addr().get().is_multiple_of(self.len) {
            Ok(self)
        } else {
            Err(Misaligned { offset, width: self.len })
        }
    }

    /// Where `length` bytes from `offset` begin.
    #[inline]
    fn at(&self, offset: usize, length: usize) -> Result<NonNull<u8>, OutOfBounds> {
        match offset.checked_add(length) {
            // SAFETY: the offset is at most `len`, so the sum stays in the
            // region or one past its end, and `len` fits an `isize`.
            Some(end) if end <= self.len => Ok(unsafe { self.base.add(offset) }),
            _ => Err(OutOfBounds { offset, length, size: self.len }),
        }
    }

    /// Where it is mapped, for code that answers for its accesses by itself: a
    /// driver's queues (`lib/virtio-hal`). Having the address allows nothing.
    #[inline]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl<R: Writable> Region<R> {
    /// Copies in.
    ///
    /// # Errors
    /// A byte outside the region; nothing was then written.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.at(offset, from.len())?;
        // SAFETY: `at` checked the destination against this region, which is
        // writable and holds no Rust object; the source is a slice.
        unsafe { raw::copy(from.as_ptr(), to.as_ptr(), from.len()) };
        Ok(())
    }

    /// Sets bytes.
    ///
    /// # Errors
    /// A byte outside the region; nothing was then written.
    pub fn fill(&self, offset: usize, length: usize, byte: u8) -> Result<(), OutOfBounds> {
        let to = self.at(offset, length)?;
        // SAFETY: as in `write`.
        unsafe { raw::fill(to.as_ptr(), length, byte) };
        Ok(())
    }

    /// Sets bytes to zero.
    ///
    /// # Errors
    /// As [`Region::fill`].
    pub fn zero(&self, offset: usize, length: usize) -> Result<(), OutOfBounds> {
        self.fill(offset, length, 0)
    }

    /// Copies between regions, without a buffer in between. If they share
    /// memory and the ranges overlap, what ends up in the overlap is a mixture.
    ///
    /// # Errors
    /// A byte outside either region; nothing was then written.
    pub fn copy_from<S: Rights>(
        &self,
        offset: usize,
        source: &Region<S>,
        source_offset: usize,
        length: usize,
    ) -> Result<(), OutOfBounds> {
        let from = source.at(source_offset, length)?;
        let to = self.at(offset, length)?;
        // SAFETY: `at` checked both ranges against their regions, of which the
        // source is readable and the destination writable; neither holds a
        // Rust object.
        unsafe { raw::copy(from.as_ptr(), to.as_ptr(), length) };
        Ok(())
    }
}

macro_rules! scalars {
    ($($get:ident $set:ident $load:ident $store:ident $ty:ty;)*) => {
        impl<R: Rights> Region<R> {$(
            /// Reads a little-endian value in one access; it need not be
            /// aligned, but is torn by a racing writer unless it is.
            ///
            /// # Errors
            /// It leaves the region.
            #[inline]
            pub fn $get(&self, offset: usize) -> Result<$ty, OutOfBounds> {
                let from = self.at(offset, size_of::<$ty>())?;
                // SAFETY: `at` checked the range; every region is readable.
                Ok(unsafe { raw::$load(from.as_ptr().cast()) })
            }
        )*}

        impl<R: Writable> Region<R> {$(
            /// Writes a little-endian value in one access; it need not be
            /// aligned, but a racing reader may then see half of it.
            ///
            /// # Errors
            /// It leaves the region; nothing was then written.
            #[inline]
            pub fn $set(&self, offset: usize, value: $ty) -> Result<(), OutOfBounds> {
                let to = self.at(offset, size_of::<$ty>())?;
                // SAFETY: `at` checked the range, which is writable and holds
                // no Rust object.
                unsafe { raw::$store(to.as_ptr().cast(), value) };
                Ok(())
            }
        )*}
    };
}

scalars! {
    read_u8 write_u8 load_u8 store_u8 u8;
    read_u16 write_u16 load_u16 store_u16 u16;
    read_u32 write_u32 load_u32 store_u32 u32;
    read_u64 write_u64 load_u64 store_u64 u64;
}
