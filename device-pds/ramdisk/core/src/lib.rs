//! A RAM disk without its shell: a driver whose device is a memory region.
//!
//! It serves a block virtualiser as the driver of a real disk does, but copies
//! where a disk's controller would transfer by itself: straight between the
//! disk's region and the data region in which a request's buffer lies, each byte
//! once. It checks what a controller cannot: that the blocks are on the disk, and
//! the buffer in a data region that its own configuration names.
//!
//! The disk's contents are what the description fills its region with, or
//! zeroes; they last as long as the system runs, a restart of this domain
//! included. A flush has nothing to do.
//!
//! The surprising fact: it answers at least every [`BUDGET`] blocks and asks to be
//! called again, for it ranks above those it serves: what a virtualiser that
//! ranks higher still is told early, it can use meanwhile.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

use bulkhead_config::DATA_REGIONS_MAX;
pub use sddf::block::Data;
use sddf::block::{
    Breach, DataError, DataRegions, InfoSink, Operation, Request, Server, Status, StorageInfo,
    TRANSFER_SIZE,
};
use shmem::{Read, ReadWrite, Region};

/// Most slots of the virtualiser's queue: what 8 KiB of requests hold.
pub const SLOTS: usize = 128;

/// Blocks after which what is done is answered: 4 MiB, a millisecond or so.
pub const BUDGET: u32 = 1024;

/// Serial number.
const SERIAL: &[u8] = b"bulkhead-ramdisk";

/// The region that is the disk.
#[derive(Debug)]
pub enum Disk {
    /// It may be written.
    Writable(Region<ReadWrite>),
    /// Writes are refused.
    ReadOnly(Region<Read>),
}

impl Disk {
    /// Its whole blocks.
    fn blocks(&self) -> u64 {
        let bytes = match self {
            Disk::Writable(region) => region.len(),
            Disk::ReadOnly(region) => region.len(),
        };
        bytes as u64 / TRANSFER_SIZE
    }
}

/// A description that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RamdiskError {
    /// The disk has not even one block.
    Empty,
    /// Its data regions are not as the configuration says.
    Data(DataError),
}

impl fmt::Display for RamdiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RamdiskError::Empty => {
                f.write_str("the region `disk` is smaller than a block of 4 KiB")
            }
            RamdiskError::Data(error) => error.fmt(f),
        }
    }
}

/// What the shell has to do after [`Ramdisk::serve`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Notify the virtualiser.
    pub notify: bool,
    /// Call again: there is more to do.
    pub again: bool,
    /// The virtualiser broke its protocol, as was just found; it is disconnected.
    pub breach: Option<Breach>,
}

/// The driver.
#[derive(Debug)]
pub struct Ramdisk {
    server: Server<SLOTS>,
    disk: Disk,
    data: DataRegions<DATA_REGIONS_MAX>,
    closed: bool,
}

impl Ramdisk {
    /// A disk, and what is said of it.
    ///
    /// # Errors
    /// The description cannot be.
    pub fn new(
        server: Server<SLOTS>,
        info: &InfoSink,
        disk: Disk,
        data: impl IntoIterator<Item = Data>,
    ) -> Result<Self, RamdiskError> {
        let blocks = disk.blocks();
        if blocks == 0 {
            return Err(RamdiskError::Empty);
        }
        let data = DataRegions::new(data).map_err(RamdiskError::Data)?;
        info.publish(&StorageInfo {
            read_only: matches!(disk, Disk::ReadOnly(_)),
            queue_depth: server.capacity() as u16,
            ..StorageInfo::of(blocks).with_serial(SERIAL)
        });
        Ok(Ramdisk { server, disk, data, closed: false })
    }

    /// Does what was requested.
    pub fn serve(&mut self) -> Outcome {
        match self.work() {
            Ok((notify, again)) => Outcome { notify, again, breach: None },
            Err(breach) => {
                let first = !core::mem::replace(&mut self.closed, true);
                Outcome { notify: false, again: false, breach: first.then_some(breach) }
            }
        }
    }

    fn work(&mut self) -> Result<(bool, bool), Breach> {
        let mut budget = BUDGET;
        let mut again = false;
        while let Some((ticket, request)) = self.server.take()? {
            let (status, done) = match self.perform(&request) {
                Ok(()) => (Status::Ok, request.count),
                Err(status) => (status, 0),
            };
            self.server.answer(ticket, status, done);
            // A flush costs as much as the smallest transfer; none is free.
            match budget.checked_sub(u32::from(request.count.max(1))) {
                Some(left) if left > 0 => budget = left,
                Some(_) | None => {
                    again = self.server.has_requests()?;
                    break;
                }
            }
        }
        Ok((self.server.publish()?, again))
    }

    /// # Errors
    /// How the request is answered instead.
    fn perform(&self, request: &Request) -> Result<(), Status> {
        let copied = match request.operation {
            // Everything requested before is done by now.
            Operation::Flush | Operation::Barrier => return Ok(()),
            Operation::Read => {
                let Place { data, offset, at, bytes } = self.place(request)?;
                match &self.disk {
                    Disk::Writable(disk) => data.copy_from(offset, disk, at, bytes),
                    Disk::ReadOnly(disk) => data.copy_from(offset, disk, at, bytes),
                }
            }
            Operation::Write => {
                let Place { data, offset, at, bytes } = self.place(request)?;
                match &self.disk {
                    Disk::Writable(disk) => disk.copy_from(at, data, offset, bytes),
                    Disk::ReadOnly(_) => return Err(Status::InvalidParameter),
                }
            }
        };
        copied.map_err(|_| Status::InvalidParameter)
    }

    /// Where a transfer's bytes are.
    ///
    /// # Errors
    /// Not on the disk, or in no data region.
    fn place(&self, request: &Request) -> Result<Place<'_>, Status> {
        let end = request.block.checked_add(u64::from(request.count));
        if end.is_none_or(|end| end > self.disk.blocks()) {
            return Err(Status::InvalidParameter);
        }
        let (data, offset) = self.data.find(request).ok_or(Status::InvalidParameter)?;
        Ok(Place {
            data,
            offset,
            // It lies in a region that is mapped here, so it fits.
            at: (request.block * TRANSFER_SIZE) as usize,
            bytes: request.bytes() as usize,
        })
    }
}

/// Where a transfer's bytes are.
struct Place<'a> {
    data: &'a Region<ReadWrite>,
    /// In the data region.
    offset: usize,
    /// On the disk.
    at: usize,
    bytes: usize,
}
