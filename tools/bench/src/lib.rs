//! What a guest's exits, interrupts and boot cost, measured on the emulated
//! machine: `cargo bulkhead bench`.
//!
//! Guests of our own measure themselves by the time-stamp counter and print every
//! sample; this crate builds the systems that they run in, boots them one after
//! the other, works out medians, and holds them against budgets and against
//! floors that the same run measured. How figures are shown on a terminal is the
//! command's matter.
//!
//! The surprising fact: on this machine a tick is an emulated instruction, and
//! nothing of the host's clock reaches it. So two runs of the same image give the
//! same ticks, and a figure that changed is a program that changed. What the host
//! does reach is RDRAND: Linux, which uses it, boots a little differently each time.
#![forbid(unsafe_code)]

mod compare;
mod error;
mod figure;
mod json;
mod measure;
mod place;
mod plot;
mod samples;
mod watch;

pub use compare::{Change, Comparison, Verdict, compare};
pub use error::BenchError;
pub use figure::{Figure, Spec, Unit};
pub use json::{Record, read, write};
pub use measure::{Counted, Depth, Memory, Phase, Report, Request, Split, run};
pub use place::{Board, Place};
pub use plot::svg;
pub use samples::Samples;

/// By how much a figure may exceed its budget before a test fails.
pub const SLACK: f64 = 0.05;

/// An exit reason in words.
pub fn reason(number: u32) -> String {
    statistics::reason_name(number).map_or_else(|| format!("reason {number}"), str::to_owned)
}
