//! The serial queue: a ring of bytes with one producer and one consumer.
//!
//! Two regions make a queue. The *queue region* holds three words, the *data
//! region* the bytes; its size is the capacity.
//!
//! | offset | word                | written by               | meaning                           |
//! | ------ | ------------------- | ------------------------ | --------------------------------- |
//! | 0      | `tail`              | producer                 | bytes ever enqueued, modulo 2^32  |
//! | 4      | `head`              | consumer                 | bytes ever dequeued, modulo 2^32  |
//! | 8      | `producer_signalled`| producer 0; consumer 1   | 0: the producer waits for space   |
//!
//! (sDDF 0.7, `include/sddf/serial/queue.h`, `docs/serial/serial.md`.) An index
//! is used modulo the capacity, which is therefore a power of two. Both ends
//! map the queue region writable, for all three words share it; the consumer
//! maps the data region read-only.
//!
//! Signalling: a producer notifies its consumer after every batch. A consumer
//! notifies its producer only if that asked: [`Producer::wait_for_space`] asks
//! and then looks again, [`Consumer::producer_waits`] is to be called after
//! every batch consumed. A fence on each side makes sure that one of the two
//! sees the other (`tests/loom.rs` tries every interleaving).
//!
//! A new queue is three zero words. An end that is restarted attaches to the
//! indices as they stand, so bytes in flight survive it.

mod consumer;
mod error;
mod lines;
mod memory;
mod producer;

pub use crate::peer::{Culprit, PeerError};
pub use consumer::{Consumer, TransferError};
pub use error::LayoutError;
pub use lines::{ASKED, LINE, LINKS_DOWN, Lines, Said, in_one};
pub use memory::{Header, Shared, Sink, Source, Word};
pub use producer::{Producer, Space};
