//! Memory that somebody else reads and writes too: a device's registers, what a device
//! is given, or addresses at which there may be nothing.

use std::{
    fs::{File, OpenOptions},
    io,
    num::NonZeroUsize,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    ptr::NonNull,
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Part of a file, mapped and shared.
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps so many bytes of a file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(path: &Path, offset: u64, length: usize) -> io::Result<Self> {
        // Without caches, where that is a choice.
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_SYNC).open(path)?;
        Mapping::of(&file, offset, length)
    }

    /// Memory of our own, zeroed.
    ///
    /// # Errors
    /// There is no room.
    pub fn own(name: &str, length: usize) -> io::Result<Self> {
        let path = Path::new("/tmp").join(name);
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.set_len(length as u64)?;
        Mapping::of(&file, 0, length)
    }

    fn of(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        let size = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses a place where nothing of ours is; nothing but this
        // structure knows it, and reads and writes it in single accesses.
        let start = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, file, offset)? };
        Ok(Mapping { start: start.cast(), length })
    }

    fn place<T>(&self, at: usize) -> *mut T {
        let inside = at.checked_add(size_of::<T>()).is_some_and(|end| end <= self.length);
        assert!(inside && at.is_multiple_of(align_of::<T>()), "{at:#x} of {:#x}", self.length);
        // SAFETY: it stays within the mapping, as was just checked.
        unsafe { self.start.as_ptr().add(at).cast() }
    }

    /// Reads a number at a place that it is aligned to.
    pub fn read<T: Number>(&self, at: usize) -> T {
        // SAFETY: mapped, aligned and within bounds; every pattern of bits is a number.
        unsafe { self.place::<T>(at).read_volatile() }
    }

    /// Writes a number at a place that it is aligned to.
    pub fn write<T: Number>(&self, at: usize, value: T) {
        // SAFETY: mapped, aligned and within bounds, and no reference to it exists.
        unsafe { self.place::<T>(at).write_volatile(value) }
    }

    /// Where a page of it lies in the guest's memory
    /// (Documentation/admin-guide/mm/pagemap.rst of Linux).
    ///
    /// # Errors
    /// The system does not say.
    pub fn physical(&self, page: usize) -> io::Result<u64> {
        // Touched, so that there is one.
        self.write(page * PAGE, self.read::<u8>(page * PAGE));
        let number = self.start.as_ptr() as usize / PAGE + page;
        let mut entry = [0; 8];
        File::open("/proc/self/pagemap")?.read_exact_at(&mut entry, number as u64 * 8)?;
        // Bits 0 to 54 are the frame's number.
        let frame = u64::from_le_bytes(entry) & ((1 << 55) - 1);
        if frame == 0 {
            return Err(io::Error::other("pagemap does not say where our memory lies"));
        }
        Ok(frame * PAGE as u64)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nothing refers to it any more.
        let _gone = unsafe { munmap(self.start.cast(), self.length) };
    }
}

/// A number that can be read and written at once.
pub trait Number: Copy {}

impl Number for u8 {}
impl Number for u16 {}
impl Number for u32 {}
impl Number for u64 {}
