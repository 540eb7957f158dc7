//! The timer domain without its shell: one HPET comparator in one-shot mode
//! serves the earliest deadline of all clients.
//!
//! The surprising fact is that the HPET decides nothing. Whether a deadline
//! has come is decided by the time-stamp counter, which is what clients wrote
//! it in; the comparator's interrupt only says when to look. So no deadline
//! fires early, however far the two clocks drift apart, and a spurious
//! interrupt does nothing.
//!
//! Bounds, beside the time that the domain itself takes:
//! - A client is woken at its deadline or up to [`hpet::MIN_DELAY`] counter
//!   ticks later; where it sleeps for longer than a second, up to 0.1 ms later
//!   (the drift that [`calibrate::TOLERANCE`] allows over the last second).
//! - A client is woken at most once in [`MIN_GAP_NS`], however often it asks;
//!   a deadline that comes earlier than that after the last waits so long.
//!   Nobody else waits for it.
//! - A notification costs one pass over [`CLIENTS_MAX`] clients, and the HPET
//!   is touched only if the earliest deadline changed.
//!
//! - A client that calls (`sddf::timer::Call`) has its call answered in one
//!   such pass. Unlike a notification, which is remembered once however often it
//!   comes, each call is one: who calls without end costs all that rank below the
//!   timer its pass each time. So it is for clients that are trusted so far.
#![no_std]
#![forbid(unsafe_code)]

pub mod calibrate;
pub mod hpet;
mod scale;
mod timer;

pub use bulkhead_config::{CLIENTS_MAX, ClientSet};
pub use scale::Scale;
pub use timer::{MIN_GAP_NS, Timer};
