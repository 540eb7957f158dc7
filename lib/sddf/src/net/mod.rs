//! Frames: buffers of [`BUFFER_SIZE`] bytes in a data region, lent through one
//! ring and given back through the other.
//!
//! Each direction has two rings, `free` and `active`, and a data region. The
//! owner of the data region is the [`Lender`], its peer the [`Borrower`]:
//!
//! | direction | owner lends through   | and has back through  |
//! | --------- | --------------------- | --------------------- |
//! | receive   | `free`, empty buffers | `active`, with frames |
//! | transmit  | `active`, with frames | `free`, empty buffers |
//!
//! so one pair of ends serves both. A ring is (sDDF 0.7,
//! `include/sddf/network/queue.h`, as a C compiler for x86-64 lays it out):
//!
//! | offset | field                                                                  |
//! | ------ | ---------------------------------------------------------------------- |
//! | 0      | `tail` (u16), written by the producer                                  |
//! | 2      | `head` (u16), written by the consumer                                  |
//! | 4      | `consumer_signalled` (u32): 0 while the consumer waits for a signal    |
//! | 8      | slots of 16: buffer u64, length u16 @8, owner (six bits) @10           |
//!
//! A client names a buffer by its offset in its data region; between a
//! virtualiser and a driver it is an I/O address. The owner is 0 in everything
//! that we write, and not looked at: each connection has one data region.
//!
//! Signalling: a consumer that found its ring empty sets the flag to 0 and looks
//! again; a producer that published looks at the flag, and if it is 0 sets it to
//! 1 and notifies. A fence on each side makes sure that one of the two sees the
//! other.
//!
//! **Restarts.** A borrower gives back in the order in which it took, and
//! releases a slot only with that. So what is lent is what lies in the two
//! rings, and either end can be started again at any point: a lender knows its
//! buffers, a borrower takes again what it had not given back. A peer of sDDF's
//! own releases slots early; if the rings then account for fewer buffers than
//! are outstanding, a lender that starts again takes all of them for lent until
//! they come back.
//!
//! **What the format cannot carry.** No checksum or segmentation offload: a
//! client finishes checksums itself and sends frames no longer than a buffer. No
//! link state, no address: both come from configuration. A client of sDDF's own
//! puts its transmit buffers into `free` itself, as if it were the producer; a
//! [`Borrower`] takes that for a breach, so such a client needs sDDF's own
//! virtualiser.

mod borrower;
mod error;
mod flag;
mod lender;
mod wire;

pub use borrower::{Borrower, Loan};
pub use error::Breach;
pub use flag::{Flag, Ring, Waiting};
pub use lender::{Buffer, Lender, Lent};
pub use wire::{BUFFER_SIZE, Descriptor, NetLayout, capacity};

/// Why an end of a connection cannot be attached.
pub type AttachError = crate::ring::AttachError<Breach>;
