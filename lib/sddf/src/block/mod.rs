//! Block requests: a ring of requests one way, a ring of responses the other,
//! a data region that only the two ends of the path and the device touch, and a
//! page that says what disk it is.
//!
//! | region      | offset | field                                                           |
//! | ----------- | ------ | --------------------------------------------------------------- |
//! | requests    | 0, 4   | `head`, `tail` (u32)                                            |
//! |             | 8      | `plugged` (u8), which nothing in 0.7 heeds                      |
//! |             | 16     | slots of 32: code u32, buffer u64 @8, block u64 @16, count u16 @24, id u32 @28 |
//! | responses   | 0, 4   | `head`, `tail` (u32)                                            |
//! |             | 8      | slots of 12: status u32, done u16 @4, id u32 @8                 |
//!
//! (sDDF 0.7, `include/sddf/blk/queue.h`, as a C compiler for x86-64 lays it
//! out.) Both ends map both rings writable, for the indices share them.
//!
//! Blocks are of [`TRANSFER_SIZE`] bytes, whatever the disk's sectors are. A
//! client names a buffer by its offset in its data region; a virtualiser hands
//! it on to the driver as an I/O address.
//!
//! Signalling: either end notifies the other after every batch; there is no
//! flag to suppress it. A new pair of rings is zero.
//!
//! **Restarts.** Every request is answered exactly once, so the requests ever
//! made less the responses ever taken are those outstanding. A [`Client`] that
//! attaches again first waits for as many responses: until then its buffers may
//! still be written, and it submits nothing. A [`Server`] answers in the order
//! of the requests and gives a request back only when it has answered it; one
//! that attaches again therefore finds exactly the unanswered requests. Either
//! end may fail at any point, and nothing is lost or answered twice.
//!
//! **What the format cannot carry.** There is no discard, and writing zeroes is
//! writing a buffer of zeroes. Less than a block, or what is not aligned to one,
//! is read, changed and written by the client, and is atomic against that
//! client's own requests only. A response has one status, no reason. Should
//! discard be needed, it must be a code beyond sDDF's four that both ends'
//! configurations name: a server answers a code that it does not know with
//! [`Status::InvalidParameter`].

mod cells;
mod client;
mod error;
mod info;
mod server;
mod window;
mod wire;

pub use cells::{Cells, Run};
pub use client::{Client, Completion, Outcome, Submitted};
pub use error::Breach;
pub use info::{InfoSink, InfoSource, SERIAL_MAX, StorageInfo};
pub use server::{Server, Ticket};
pub use window::{Data, DataError, DataRegions, Window};
pub use wire::{
    Operation, RawRequest, RawResponse, Request, RequestLayout, ResponseLayout, Status,
    TRANSFER_SIZE, capacity,
};

/// Why an end of a connection cannot be attached.
pub type AttachError = crate::ring::AttachError<Breach>;

/// The ring of requests in a shared region.
pub type Requests = crate::ring::Shared<RequestLayout>;

/// The ring of responses in a shared region.
pub type Responses = crate::ring::Shared<ResponseLayout>;
