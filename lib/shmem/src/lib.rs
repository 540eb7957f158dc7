//! Memory that somebody else can write while we read it: queues shared with a
//! peer, a guest's RAM, a device's registers.
//!
//! A [`Region`] is a typed handle on such memory. Holding one proves that the
//! range is mapped with at least the rights of its type parameter, for as long
//! as the program runs. It proves nothing about the contents, which may change
//! between two reads: whoever decides on a value must copy it out once and
//! decide on the copy.
//!
//! The surprising fact is that no reference into a region ever exists, and no
//! ordinary load or store touches one. A Rust reference promises the compiler
//! that nobody else writes, and a plain access that races is undefined
//! behaviour. So every access here is one `asm!` statement (see `raw`): to the
//! compiler an opaque effect on memory that it knows nothing about, to the
//! processor an ordinary access, whose races the architecture defines. A copy
//! that races with a writer yields some mixture of old and new bytes, nothing
//! worse.
//!
//! Ordering: x86-64 keeps loads in order, stores in order, and a store behind
//! earlier loads (Intel SDM vol. 3A, 9.2.2), and `asm!` statements stay in
//! program order, so every load here is an acquire and every store a release.
//! Only a store followed by a load of another word may pass each other:
//! [`fence`] forbids that. The stores of one string copy are unordered among
//! themselves, but precede every later store (SDM vol. 3A, 9.2.4): data first,
//! then the index that publishes it, is safe.
//!
//! Not here: what the bytes mean, and who may map what. The first is each
//! protocol's, the second is `system.xml`'s.
#![no_std]

#[cfg(not(all(target_arch = "x86_64", target_endian = "little")))]
compile_error!(
    "shmem states its ordering for x86-64 alone; another architecture needs its own raw.rs"
);

#[cfg(feature = "host")]
extern crate alloc;

mod error;
#[cfg(feature = "host")]
mod host;
mod raw;
mod region;
mod word;
mod words;

pub use error::{Misaligned, OutOfBounds, WordError};
pub use region::{Read, ReadWrite, Region, Rights, Writable};
pub use word::{Word16, Word32, Word64};
pub use words::Words;

/// Orders every earlier access before every later one, a store before a later
/// load of another word included (a sequentially consistent fence).
#[inline]
pub fn fence() {
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}
