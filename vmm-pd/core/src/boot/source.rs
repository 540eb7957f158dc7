//! Where an image comes from: a read-only region that this guest cannot write,
//! so a restart finds it pristine.

use core::fmt;

use crate::memory::{GuestMemory, NotRam};
use crate::types::Gpa;

/// Bytes copied at a time where the source and guest memory know nothing of
/// each other.
const CHUNK: usize = 512;

/// A read beyond the end of an image. Nothing was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfBounds;

/// Why bytes of an image did not reach guest memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyError {
    /// The image ends before.
    Source(OutOfBounds),
    /// The guest has no RAM there.
    Memory(NotRam),
}

/// An image's bytes. Whoever reads one treats them as hostile.
///
/// The type of guest memory is a parameter so that an implementation which
/// knows how both are mapped can override [`Source::copy_into`] with one bulk
/// copy.
pub trait Source<M: GuestMemory> {
    /// In bytes. May be more than the file's: a region is whole pages, and holds
    /// zeros beyond the file's end.
    fn length(&self) -> u64;

    /// Copies bytes out.
    ///
    /// # Errors
    /// Any byte beyond the end; `into` is then unspecified.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds>;

    /// Copies bytes into guest memory.
    ///
    /// # Errors
    /// Any byte beyond either end; what was written by then is unspecified, but
    /// nothing outside RAM.
    fn copy_into(
        &self,
        offset: u64,
        memory: &mut M,
        gpa: Gpa,
        length: u64,
    ) -> Result<(), CopyError> {
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while done < length {
            let part = &mut chunk[..(length - done).min(CHUNK as u64) as usize];
            let from = offset.checked_add(done).ok_or(CopyError::Source(OutOfBounds))?;
            self.read(from, part).map_err(CopyError::Source)?;
            let not_ram = NotRam { gpa, length: part.len() };
            let to = gpa.checked_add(done).ok_or(CopyError::Memory(not_ram))?;
            memory.write(to, part).map_err(CopyError::Memory)?;
            done += part.len() as u64;
        }
        Ok(())
    }
}

impl<M: GuestMemory> Source<M> for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        into.copy_from_slice(slice(self, offset, into.len() as u64)?);
        Ok(())
    }

    fn copy_into(
        &self,
        offset: u64,
        memory: &mut M,
        gpa: Gpa,
        length: u64,
    ) -> Result<(), CopyError> {
        let bytes = slice(self, offset, length).map_err(CopyError::Source)?;
        memory.write(gpa, bytes).map_err(CopyError::Memory)
    }
}

fn slice(bytes: &[u8], offset: u64, length: u64) -> Result<&[u8], OutOfBounds> {
    let start = usize::try_from(offset).map_err(|_| OutOfBounds)?;
    let length = usize::try_from(length).map_err(|_| OutOfBounds)?;
    bytes.get(start..).and_then(|rest| rest.get(..length)).ok_or(OutOfBounds)
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::Source(OutOfBounds) => f.write_str("the image ends too early"),
            CopyError::Memory(not_ram) => write!(f, "{not_ram}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::TestMemory;
    use std::vec::Vec;

    /// A source that relies on the provided copy.
    struct Plain(Vec<u8>);

    impl Source<TestMemory> for Plain {
        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
            Source::<TestMemory>::read(&self.0[..], offset, into)
        }
    }

    #[test]
    fn the_provided_copy_and_a_single_one_agree() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8 ^ (i >> 8) as u8).collect();
        let plain = Plain(bytes.clone());
        for (offset, length) in [(0, 0), (0, 5000), (1, 511), (7, 512), (100, 4900), (4999, 1)] {
            let mut one = TestMemory::new(8192);
            let mut two = TestMemory::new(8192);
            plain.copy_into(offset, &mut one, Gpa(77), length).unwrap();
            bytes[..].copy_into(offset, &mut two, Gpa(77), length).unwrap();
            assert!(one.0 == two.0, "{offset} {length}");
        }
    }

    #[test]
    fn neither_end_is_passed() {
        let plain = Plain(std::vec![1; 1000]);
        let mut memory = TestMemory::new(4096);
        for (offset, gpa, length) in
            [(0, 0, 1001), (1000, 0, 1), (u64::MAX, 0, 2), (0, 4000, 97), (0, u64::MAX, 2)]
        {
            assert!(plain.copy_into(offset, &mut memory, Gpa(gpa), length).is_err());
            assert!(plain.0[..].copy_into(offset, &mut memory, Gpa(gpa), length).is_err());
        }
    }
}
