//! What a guest did and what it cost: a page of counters that its VMM writes
//! at every exit and whoever the system description lets may read.
//!
//! The page is the only copy. The VMM counts in it rather than for it, so what
//! a reader finds is exact up to the exit that is being handled, also when the
//! VMM is stuck, faulted or gone. Counting an exit is about thirty
//! instructions, two reads of the clock included.
//!
//! Every word is eight bytes, aligned, little-endian; [`layout`] has their
//! places. A reader copies the page out and decides on the copy
//! ([`Snapshot`]). The surprising fact is that there is nothing to check but
//! the version: every value of every word has a meaning, so a hostile writer
//! can lie about its own guest and do nothing else.
//!
//! Consistency: an exit is recorded between two stores of its number, `begun`
//! before and `recorded` after. A reader that finds them different, or that
//! they moved while it read, looks again, and after some attempts says that
//! what it has may be torn.
#![no_std]
#![forbid(unsafe_code)]

pub mod layout;
mod names;
mod page;
mod snapshot;

pub use layout::{Counter, REASONS, REMEMBERED};
pub use names::reason_name;
pub use page::{Reader, Recorder};
pub use snapshot::{Activity, Exit, NotStatistics, Snapshot, Ticks};
