//! The block virtualiser without its shell: one disk, several clients, each of
//! which sees its partition and nothing else.
//!
//! A client's request names a block of its partition and an offset in its data
//! region; both are checked, moved to where they lie on the disk and in the
//! machine, and handed to the driver under an id of the virtualiser's own. It
//! never looks into a data region but its own, which it has for the partition
//! table only.
//!
//! **Turns.** When the driver has no room for everybody, the client goes first
//! that has been given the fewest blocks, counted from when it last had nothing
//! to do. So one that floods costs another at most the requests that the driver
//! has already.
//!
//! **Order.** A barrier waits for what its client requested before, and holds
//! back what it requests after; it never reaches the driver. A flush does, for
//! only the disk can say what is on it.
//!
//! **Partitions** are fixed ranges or those of a GPT (UEFI 2.10, 5.3), found by
//! number, name or GUID. The first header and table are taken if their checksums
//! and bounds are right, else those at the disk's end. A client whose partition
//! is not there, or overlaps one that another client uses unless both only read,
//! gets no disk, with the reason; the others have theirs.
//!
//! A partition must begin at a multiple of 4 KiB, for requests count in such
//! blocks; what it has beyond its last whole one is not used.
#![no_std]
#![forbid(unsafe_code)]

mod client;
mod complaint;
mod gpt;
mod reader;
mod virt;

pub use client::ClientParts;
pub use complaint::{Complaint, Refusal};
pub use gpt::{Entry, GptError, Header};
pub use reader::{BLOCK, Progress, Reader};
pub use virt::{DRIVER_SLOTS, DriverParts, Outcome, SLOTS, Virt, VirtError};
