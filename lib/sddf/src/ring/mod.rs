//! A ring of slots with one producer and one consumer, as sDDF's block and
//! network queues are made of: two indices that count for ever, modulo the
//! width of their word, and a power of two of slots.
//!
//! The surprising fact is in the consuming end: what it takes and what it gives
//! back are two steps. A slot stays the consumer's until it is released, so a
//! consumer that is started again finds what its predecessor took and did not
//! finish.
//!
//! Not here: what a slot means ([`crate::block`], [`crate::net`]), and bytes
//! without slots ([`crate::serial`]).

mod consumer;
mod error;
mod exchange;
mod memory;
mod producer;

pub use crate::peer::{Culprit, PeerError};
pub use consumer::Consumer;
pub use error::{AttachError, LayoutError};
pub use exchange::{Exchange, Lie, Turn};
pub use memory::{Index, IndexWord, Layout, Memory, Shared};
pub use producer::Producer;
