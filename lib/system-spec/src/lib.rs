//! The compiled system description: what `tools/sdf` writes and the initial
//! task of the `bochs` board realises.
//!
//! It is a stream of small records, decoded one by one, so that the reader
//! needs no heap. Bulk data (program segments, prefilled regions) is not in
//! the records: a [`Payload`] names a page-aligned range of the *payload area*
//! that follows them in the boot image, and on this board those very pages
//! become the protection domain's memory: nothing is copied.
//!
//! Not here: checking a description against the Microkit's rules. `tools/sdf`
//! does that on the host; [`Spec::parse`] only proves that the stream decodes,
//! that every index is in range and every payload is inside the area, so that
//! the iterators cannot fail.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod records;
mod spec;
#[cfg(feature = "std")]
mod writer;

pub use records::*;
pub use spec::{Spec, SpecError};
#[cfg(feature = "std")]
pub use writer::Builder;

/// Size of a page, the unit of payload alignment: 4 KiB.
pub const PAGE_SIZE: u64 = 0x1000;

/// First eight bytes of a compiled description.
pub const MAGIC: [u8; 8] = *b"BHSPEC\x00\x01";
