//! What the slots hold.

use shmem::{ReadWrite, Region, Word32};

use crate::ring::{Layout, Shared};

/// Bytes of a block, the unit of every number in a request (sDDF 0.7,
/// `BLK_TRANSFER_SIZE`).
pub const TRANSFER_SIZE: u64 = 4096;

/// What a request wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Blocks from the disk into the buffer.
    Read,
    /// Blocks from the buffer to the disk.
    Write,
    /// Answered when everything answered before is on stable storage.
    Flush,
    /// Answered when everything requested before is answered, and before
    /// anything requested after is begun.
    Barrier,
}

impl Operation {
    /// The code in a request (sDDF 0.7, `enum blk_req_code`).
    pub const fn code(self) -> u32 {
        match self {
            Operation::Read => 0,
            Operation::Write => 1,
            Operation::Flush => 2,
            Operation::Barrier => 3,
        }
    }

    /// The operation of a code.
    pub const fn from_code(code: u32) -> Option<Operation> {
        Some(match code {
            0 => Operation::Read,
            1 => Operation::Write,
            2 => Operation::Flush,
            3 => Operation::Barrier,
            4.. => return None,
        })
    }

    /// Whether it moves blocks, and so has a buffer.
    pub const fn transfers(self) -> bool {
        match self {
            Operation::Read | Operation::Write => true,
            Operation::Flush | Operation::Barrier => false,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done, for no reason that has a number.
    Unspecified,
    /// The request makes no sense: outside the disk or the data region, a write
    /// to a read-only disk, an unknown code.
    InvalidParameter,
    /// The device failed.
    Io,
    /// There is no device, or no disk in it.
    NoDevice,
}

impl Status {
    /// The number in a response (sDDF 0.7, `enum blk_resp_status`).
    pub const fn code(self) -> u32 {
        match self {
            Status::Ok => 0,
            Status::Unspecified => 1,
            Status::InvalidParameter => 2,
            Status::Io => 3,
            Status::NoDevice => 4,
        }
    }

    /// The status of a number.
    pub const fn from_code(code: u32) -> Option<Status> {
        Some(match code {
            0 => Status::Ok,
            1 => Status::Unspecified,
            2 => Status::InvalidParameter,
            3 => Status::Io,
            4 => Status::NoDevice,
            5.. => return None,
        })
    }
}

/// A request as both ends speak of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// What it wants.
    pub operation: Operation,
    /// Where its buffer begins: an offset in the client's data region, between
    /// virtualiser and driver an I/O address. Without meaning for an operation
    /// without a buffer.
    pub buffer: u64,
    /// The first block on the disk.
    pub block: u64,
    /// How many blocks.
    pub count: u16,
}

impl Request {
    /// Bytes of its buffer.
    pub const fn bytes(&self) -> u64 {
        self.count as u64 * TRANSFER_SIZE
    }

    /// One that moves no blocks.
    pub const fn bare(operation: Operation) -> Request {
        Request { operation, buffer: 0, block: 0, count: 0 }
    }
}

/// A request as it stands in its slot: any value in any field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawRequest {
    /// [`Operation::code`].
    pub code: u32,
    /// [`Request::buffer`].
    pub buffer: u64,
    /// [`Request::block`].
    pub block: u64,
    /// [`Request::count`].
    pub count: u16,
    /// Comes back in the response.
    pub id: u32,
}

/// A response as it stands in its slot: any value in any field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawResponse {
    /// [`Status::code`].
    pub status: u32,
    /// Blocks moved.
    pub done: u16,
    /// The request's.
    pub id: u32,
}

/// The layout of `struct blk_req_queue`.
#[derive(Debug)]
pub enum RequestLayout {}

impl Layout for RequestLayout {
    type Entry = RawRequest;
    type Word = Word32<ReadWrite>;
    const HEAD: usize = 0;
    const TAIL: usize = 4;
    const SLOTS: usize = 16;
    const STRIDE: usize = 32;

    // A slot lies within the region of the slots, so no access fails.
    fn read(slots: &Region<ReadWrite>, at: usize) -> RawRequest {
        RawRequest {
            code: slots.read_u32(at).unwrap_or_default(),
            buffer: slots.read_u64(at + 8).unwrap_or_default(),
            block: slots.read_u64(at + 16).unwrap_or_default(),
            count: slots.read_u16(at + 24).unwrap_or_default(),
            id: slots.read_u32(at + 28).unwrap_or_default(),
        }
    }

    fn write(slots: &Region<ReadWrite>, at: usize, entry: &RawRequest) {
        let written = slots
            .write_u32(at, entry.code)
            .and_then(|()| slots.write_u64(at + 8, entry.buffer))
            .and_then(|()| slots.write_u64(at + 16, entry.block))
            .and_then(|()| slots.write_u16(at + 24, entry.count))
            .and_then(|()| slots.write_u32(at + 28, entry.id));
        debug_assert!(written.is_ok(), "the ends keep to the capacity");
    }
}

/// The layout of `struct blk_resp_queue`.
#[derive(Debug)]
pub enum ResponseLayout {}

impl Layout for ResponseLayout {
    type Entry = RawResponse;
    type Word = Word32<ReadWrite>;
    const HEAD: usize = 0;
    const TAIL: usize = 4;
    const SLOTS: usize = 8;
    const STRIDE: usize = 12;

    // As above.
    fn read(slots: &Region<ReadWrite>, at: usize) -> RawResponse {
        RawResponse {
            status: slots.read_u32(at).unwrap_or_default(),
            done: slots.read_u16(at + 4).unwrap_or_default(),
            id: slots.read_u32(at + 8).unwrap_or_default(),
        }
    }

    fn write(slots: &Region<ReadWrite>, at: usize, entry: &RawResponse) {
        let written = slots
            .write_u32(at, entry.status)
            .and_then(|()| slots.write_u16(at + 4, entry.done))
            .and_then(|()| slots.write_u32(at + 8, entry.id));
        debug_assert!(written.is_ok(), "the ends keep to the capacity");
    }
}

/// The slots of a connection whose rings lie in regions of these sizes: as many
/// as both hold, a power of two. Both ends of a connection of ours compute it;
/// with a peer of sDDF's own it is what its configuration says.
pub const fn capacity(requests: usize, responses: usize) -> u32 {
    let (asked, answered) =
        (Shared::<RequestLayout>::fitting(requests), Shared::<ResponseLayout>::fitting(responses));
    if asked < answered { asked } else { answered }
}
