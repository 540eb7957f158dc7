//! Guest memory as the VMM sees it: bounds-checked copies, never references.

use core::fmt;

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

/// The guest's RAM. It begins at guest-physical zero and may have holes.
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
