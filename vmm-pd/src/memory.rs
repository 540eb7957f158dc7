//! Guest RAM as the system description maps it here: one region from
//! guest-physical zero.

use shmem::{Read, ReadWrite, Region, Rights, Writable};
use vmm_core::{
    boot::{CopyError, OutOfBounds, Source},
    memory::{self, GuestMemory, NotRam},
    types::Gpa,
};

/// The guest's RAM.
#[derive(Debug)]
pub struct Ram(Region<ReadWrite>);

impl Ram {
    /// All of `region`.
    pub fn new(region: Region<ReadWrite>) -> Self {
        Ram(region)
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    /// A range of it, so that a copy can say which of its ends is wrong.
    fn part(&self, gpa: Gpa, length: usize) -> Result<Region<ReadWrite>, NotRam> {
        let not_ram = NotRam { gpa, length };
        self.0.sub(Ram::offset(gpa, length)?, length).map_err(|_| not_ram)
    }

    fn offset(gpa: Gpa, length: usize) -> Result<usize, NotRam> {
        usize::try_from(gpa.0).map_err(|_| NotRam { gpa, length })
    }
}

impl GuestMemory for Ram {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        let length = into.len();
        self.0.read(Ram::offset(gpa, length)?, into).map_err(|_| NotRam { gpa, length })
    }

    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        let length = from.len();
        self.0.write(Ram::offset(gpa, length)?, from).map_err(|_| NotRam { gpa, length })
    }

    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        let not_ram = NotRam { gpa, length: usize::try_from(length).unwrap_or(usize::MAX) };
        self.0.zero(Ram::offset(gpa, not_ram.length)?, not_ram.length).map_err(|_| not_ram)
    }

    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < self.size()
    }

    #[inline]
    fn read_u16(&self, gpa: Gpa) -> Result<u16, NotRam> {
        self.0.read_u16(Ram::offset(gpa, 2)?).map_err(|_| NotRam { gpa, length: 2 })
    }

    #[inline]
    fn write_u16(&mut self, gpa: Gpa, value: u16) -> Result<(), NotRam> {
        self.0.write_u16(Ram::offset(gpa, 2)?, value).map_err(|_| NotRam { gpa, length: 2 })
    }

    #[inline]
    fn write_u64(&mut self, gpa: Gpa, value: u64) -> Result<(), NotRam> {
        self.0.write_u64(Ram::offset(gpa, 8)?, value).map_err(|_| NotRam { gpa, length: 8 })
    }

    /// One load, where a copy of any length is a loop.
    #[inline]
    fn read_u64(&self, gpa: Gpa) -> Result<u64, NotRam> {
        self.0.read_u64(Ram::offset(gpa, 8)?).map_err(|_| NotRam { gpa, length: 8 })
    }

    fn copy_to_region(
        &self,
        gpa: Gpa,
        region: &Region<impl Writable>,
        offset: usize,
        length: usize,
    ) -> Result<(), memory::CopyError> {
        let from = self.part(gpa, length)?;
        Ok(region.copy_from(offset, &from, 0, length)?)
    }

    fn copy_from_region(
        &mut self,
        gpa: Gpa,
        region: &Region<impl Rights>,
        offset: usize,
        length: usize,
    ) -> Result<(), memory::CopyError> {
        let to = self.part(gpa, length)?;
        Ok(to.copy_from(0, region, offset, length)?)
    }
}

/// A guest image in a read-only region. The region is whole pages; beyond the
/// file's end it holds zeroes.
#[derive(Debug)]
pub struct Image(pub Region<Read>);

impl Source<Ram> for Image {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let start = usize::try_from(offset).map_err(|_| OutOfBounds)?;
        self.0.read(start, into).map_err(|_| OutOfBounds)
    }

    fn copy_into(
        &self,
        offset: u64,
        memory: &mut Ram,
        gpa: Gpa,
        length: u64,
    ) -> Result<(), CopyError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let from = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.sub(start, length).ok())
            .ok_or(CopyError::Source(OutOfBounds))?;
        let not_ram = NotRam { gpa, length };
        let to = Ram::offset(gpa, length).map_err(CopyError::Memory)?;
        memory.0.copy_from(to, &from, 0, length).map_err(|_| CopyError::Memory(not_ram))
    }
}
