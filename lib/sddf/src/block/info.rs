//! The page that says what disk it is.
//!
//! One side writes it, the other maps it read-only. A byte says that the rest
//! is filled in; it is set last, and a reader looks at it first.

use core::fmt;

use shmem::{OutOfBounds, Read, ReadWrite, Region};

/// Most bytes of a serial number (sDDF 0.7, `BLK_MAX_SERIAL_NUMBER`).
pub const SERIAL_MAX: usize = 63;

// Offsets in `struct blk_storage_info` (sDDF 0.7, include/sddf/blk/storage_info.h).
const SERIAL: usize = 0;
const READ_ONLY: usize = 64;
const READY: usize = 65;
const SECTOR_SIZE: usize = 66;
const BLOCK_SIZE: usize = 68;
const QUEUE_DEPTH: usize = 70;
const CYLINDERS: usize = 72;
const HEADS: usize = 74;
const SECTORS: usize = 76;
const CAPACITY: usize = 80;
const SIZE: usize = 88;

/// What disk it is. All of it is the writer's word: whoever divides by a field
/// or trusts a size checks it first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StorageInfo {
    /// Serial number, filled up with zeroes.
    pub serial: [u8; SERIAL_MAX],
    /// Writes are refused.
    pub read_only: bool,
    /// Bytes of a sector of the device.
    pub sector_size: u16,
    /// The best size of a transfer, in blocks.
    pub block_size: u16,
    /// Requests that the device keeps in flight.
    pub queue_depth: u16,
    /// Geometry; zero where there is none.
    pub cylinders: u16,
    /// As above.
    pub heads: u16,
    /// As above; sDDF calls it `blocks`.
    pub sectors: u16,
    /// Blocks of the disk.
    pub capacity: u64,
}

impl StorageInfo {
    /// A disk of so many blocks and nothing special.
    pub const fn of(capacity: u64) -> StorageInfo {
        StorageInfo {
            serial: [0; SERIAL_MAX],
            read_only: false,
            sector_size: 512,
            block_size: 1,
            queue_depth: 1,
            cylinders: 0,
            heads: 0,
            sectors: 0,
            capacity,
        }
    }

    /// The same with a serial number, cut to what fits.
    #[must_use]
    pub fn with_serial(mut self, serial: &[u8]) -> StorageInfo {
        self.serial = [0; SERIAL_MAX];
        for (to, from) in self.serial.iter_mut().zip(serial) {
            *to = *from;
        }
        self
    }

    /// The serial number without what fills it up.
    pub fn serial(&self) -> &[u8] {
        let end = self.serial.iter().position(|&byte| byte == 0).unwrap_or(SERIAL_MAX);
        self.serial.get(..end).unwrap_or_default()
    }
}

impl fmt::Debug for StorageInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageInfo")
            .field("serial", &self.serial().escape_ascii())
            .field("read_only", &self.read_only)
            .field("sector_size", &self.sector_size)
            .field("block_size", &self.block_size)
            .field("queue_depth", &self.queue_depth)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// The reading end. Holding one proves that the region is large enough.
#[derive(Clone, Debug)]
pub struct InfoSource(Region<Read>);

impl InfoSource {
    /// Over the region.
    ///
    /// # Errors
    /// It is too small.
    pub fn new(region: &Region<Read>) -> Result<Self, OutOfBounds> {
        Ok(InfoSource(region.sub(0, SIZE)?))
    }

    /// What disk it is, once it is known.
    pub fn read(&self) -> Option<StorageInfo> {
        let half = |offset| self.0.read_u16(offset).ok();
        if self.0.read_u8(READY).ok()? == 0 {
            return None;
        }
        let mut serial = [0; SERIAL_MAX];
        self.0.read(SERIAL, &mut serial).ok()?;
        Some(StorageInfo {
            serial,
            read_only: self.0.read_u8(READ_ONLY).ok()? != 0,
            sector_size: half(SECTOR_SIZE)?,
            block_size: half(BLOCK_SIZE)?,
            queue_depth: half(QUEUE_DEPTH)?,
            cylinders: half(CYLINDERS)?,
            heads: half(HEADS)?,
            sectors: half(SECTORS)?,
            capacity: self.0.read_u64(CAPACITY).ok()?,
        })
    }
}

/// The writing end. Holding one proves that the region is large enough.
#[derive(Clone, Debug)]
pub struct InfoSink(Region<ReadWrite>);

impl InfoSink {
    /// Over the region.
    ///
    /// # Errors
    /// It is too small.
    pub fn new(region: &Region<ReadWrite>) -> Result<Self, OutOfBounds> {
        Ok(InfoSink(region.sub(0, SIZE)?))
    }

    /// Says what disk it is. Notify the reader.
    pub fn publish(&self, info: &StorageInfo) {
        self.withdraw();
        let written = self
            .0
            .write(SERIAL, &info.serial)
            .and_then(|()| self.0.write_u8(SERIAL + SERIAL_MAX, 0))
            .and_then(|()| self.0.write_u8(READ_ONLY, u8::from(info.read_only)))
            .and_then(|()| self.0.write_u16(SECTOR_SIZE, info.sector_size))
            .and_then(|()| self.0.write_u16(BLOCK_SIZE, info.block_size))
            .and_then(|()| self.0.write_u16(QUEUE_DEPTH, info.queue_depth))
            .and_then(|()| self.0.write_u16(CYLINDERS, info.cylinders))
            .and_then(|()| self.0.write_u16(HEADS, info.heads))
            .and_then(|()| self.0.write_u16(SECTORS, info.sectors))
            .and_then(|()| self.0.write_u64(CAPACITY, info.capacity))
            .and_then(|()| self.0.write_u8(READY, 1));
        debug_assert!(written.is_ok(), "the region was measured");
    }

    /// Says that there is no disk now. Notify the reader.
    pub fn withdraw(&self) {
        let written = self.0.write_u8(READY, 0);
        debug_assert!(written.is_ok(), "the region was measured");
    }
}
