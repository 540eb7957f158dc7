//! What the entropy domain does: it keeps each client's queue full of random bytes.
//!
//! The processor's generator ([`hardware`]) is watched by the tests of NIST SP 800-90B
//! ([`health`]) and conditioned by ChaCha20 ([`generator`]); what comes out goes into
//! one queue a client ([`server`]), and no byte into two.
//!
//! Not here: other sources of noise. If the processor's generator is broken in a way
//! that no test of its output shows, so is this.
#![no_std]
#![forbid(unsafe_code)]

pub mod generator;
pub mod hardware;
pub mod health;
pub mod server;
