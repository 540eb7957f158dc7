//! Guest memory as the VMM sees it: bounds-checked copies, never references.

use core::fmt;

use shmem::{OutOfBounds, Region, Rights, Writable};

use crate::types::Gpa;

/// An access to guest-physical addresses that are not all RAM. Nothing was
/// read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotRam {
    /// Where the access began.
    pub gpa: Gpa,
    /// How many bytes it wanted.
    pub length: usize,
}

impl fmt::Display for NotRam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at guest-physical {:#x} are not all RAM", self.length, self.gpa.0)
    }
}

/// The guest's RAM: one piece from guest-physical zero ([`crate::layout`]).
pub trait GuestMemory {
    /// Copies out of guest RAM.
    ///
    /// # Errors
    /// Any byte outside RAM; `into` is then unchanged.
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam>;

    /// Copies into guest RAM.
    ///
    /// # Errors
    /// Any byte outside RAM; nothing was then written.
    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam>;

    /// Sets a range of guest RAM to zero.
    ///
    /// # Errors
    /// Any byte outside RAM; nothing was then written.
    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam>;

    /// Whether `gpa` is RAM.
    fn is_ram(&self, gpa: Gpa) -> bool;

    /// Whether all of a range is RAM. An empty one is.
    #[inline]
    fn is_all_ram(&self, gpa: Gpa, length: u64) -> bool {
        match length.checked_sub(1) {
            // One piece from zero: what holds the last byte holds the first.
            Some(last) => gpa.checked_add(last).is_some_and(|last| self.is_ram(last)),
            None => true,
        }
    }

    /// Reads a little-endian word of 2 bytes, in one piece if it is aligned.
    ///
    /// # Errors
    /// As [`GuestMemory::read`].
    fn read_u16(&self, gpa: Gpa) -> Result<u16, NotRam> {
        let mut b = [0; 2];
        self.read(gpa, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// Writes a little-endian word of 2 bytes, in one piece if it is aligned.
    ///
    /// # Errors
    /// As [`GuestMemory::write`].
    fn write_u16(&mut self, gpa: Gpa, value: u16) -> Result<(), NotRam> {
        self.write(gpa, &value.to_le_bytes())
    }

    /// Writes a little-endian word of 8 bytes, in one piece if it is aligned.
    ///
    /// # Errors
    /// As [`GuestMemory::write`].
    fn write_u64(&mut self, gpa: Gpa, value: u64) -> Result<(), NotRam> {
        self.write(gpa, &value.to_le_bytes())
    }

    /// Reads a little-endian word of 4 bytes.
    ///
    /// # Errors
    /// As [`GuestMemory::read`].
    fn read_u32(&self, gpa: Gpa) -> Result<u32, NotRam> {
        let mut b = [0; 4];
        self.read(gpa, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// Reads a little-endian word of 8 bytes.
    ///
    /// # Errors
    /// As [`GuestMemory::read`].
    fn read_u64(&self, gpa: Gpa) -> Result<u64, NotRam> {
        let mut b = [0; 8];
        self.read(gpa, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// Copies guest RAM into a region. Where RAM is a region itself, each byte is
    /// copied once, and nothing if either range is wrong.
    ///
    /// # Errors
    /// A byte outside either.
    fn copy_to_region(
        &self,
        gpa: Gpa,
        region: &Region<impl Writable>,
        offset: usize,
        length: usize,
    ) -> Result<(), CopyError> {
        let mut buffer = [0; PIECE];
        let mut done = 0;
        while done < length {
            let (piece, _) = buffer.split_at_mut(PIECE.min(length - done));
            let from = gpa.checked_add(done as u64).ok_or(NotRam { gpa, length })?;
            self.read(from, piece)?;
            region.write(offset.saturating_add(done), piece)?;
            done += piece.len();
        }
        Ok(())
    }

    /// Copies from a region into guest RAM, as [`GuestMemory::copy_to_region`] does the
    /// other way.
    ///
    /// # Errors
    /// As there.
    fn copy_from_region(
        &mut self,
        gpa: Gpa,
        region: &Region<impl Rights>,
        offset: usize,
        length: usize,
    ) -> Result<(), CopyError> {
        let mut buffer = [0; PIECE];
        let mut done = 0;
        while done < length {
            let (piece, _) = buffer.split_at_mut(PIECE.min(length - done));
            let to = gpa.checked_add(done as u64).ok_or(NotRam { gpa, length })?;
            region.read(offset.saturating_add(done), piece)?;
            self.write(to, piece)?;
            done += piece.len();
        }
        Ok(())
    }
}

/// Bytes at a time between RAM that is no region and one.
const PIECE: usize = 512;

/// Why guest RAM and a region did not exchange bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyError {
    /// The guest's end is not all RAM.
    NotRam(NotRam),
    /// The other end leaves its region.
    Region(OutOfBounds),
}

impl From<NotRam> for CopyError {
    fn from(e: NotRam) -> Self {
        CopyError::NotRam(e)
    }
}

impl From<OutOfBounds> for CopyError {
    fn from(e: OutOfBounds) -> Self {
        CopyError::Region(e)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::NotRam(e) => e.fmt(f),
            CopyError::Region(e) => e.fmt(f),
        }
    }
}

/// RAM in a vector, for host tests.
#[cfg(any(test, feature = "testing"))]
pub struct TestMemory(pub std::vec::Vec<u8>);

#[cfg(any(test, feature = "testing"))]
impl TestMemory {
    /// Zeroed RAM of `size` bytes from guest-physical zero.
    pub fn new(size: usize) -> Self {
        TestMemory(std::vec![0; size])
    }

    fn range(&self, gpa: Gpa, length: usize) -> Result<core::ops::Range<usize>, NotRam> {
        let start = usize::try_from(gpa.0).map_err(|_| NotRam { gpa, length })?;
        match start.checked_add(length) {
            Some(end) if end <= self.0.len() => Ok(start..end),
            _ => Err(NotRam { gpa, length }),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl GuestMemory for TestMemory {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        into.copy_from_slice(&self.0[self.range(gpa, into.len())?]);
        Ok(())
    }

    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        let range = self.range(gpa, from.len())?;
        self.0[range].copy_from_slice(from);
        Ok(())
    }

    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let range = self.range(gpa, length)?;
        self.0[range].fill(0);
        Ok(())
    }

    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < self.0.len() as u64
    }
}
