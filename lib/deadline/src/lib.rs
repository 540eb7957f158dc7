//! How a client that sleeps is woken at a time of its choice: two regions
//! shared with the timer domain and a notification each way, never a call. A
//! timer domain that hangs, lies or restarts blocks nobody.
//!
//! | region   | symbols                                        | timer | client | holds                    |
//! | -------- | ---------------------------------------------- | ----- | ------ | ------------------------ |
//! | deadline | client `deadline`, timer `client{i}_deadline`  | r     | rw     | when to wake this client |
//! | clock    | `clock` in both                                | rw    | r      | what the timer measured  |
//!
//! One deadline region a client, one clock region for all: no client can forge
//! what the timer says to another, nor see another's deadline.
//!
//! Deadline region:
//!
//! | offset | size | contents                                                                     |
//! | ------ | ---- | ---------------------------------------------------------------------------- |
//! | 0      | 8    | absolute time in ticks of the time-stamp counter; 0 (as a new region holds) and 2^64-1: none |
//!
//! Clock region:
//!
//! | offset | size | contents                                                                 |
//! | ------ | ---- | ------------------------------------------------------------------------ |
//! | 0      | 4    | generation: 0 not measured yet, odd while the rest is written, else even; advances by 2 each time the timer starts |
//! | 8      | 8    | frequency of the time-stamp counter in Hz, [`Frequency::MIN`] to [`Frequency::MAX`] |
//!
//! The protocol: a client writes its word, then notifies the timer. The timer
//! notifies the client once when the time has come, and then forgets it until
//! the client notifies again. When its own deadline for a client comes, the
//! timer looks at the word once more: a client that moved its deadline later,
//! or took it back, need not have said so. [`Sleeper`] keeps account of that,
//! and saves the notification where the deadline only moves later. Having
//! started, the timer looks at every word and notifies every client: whoever
//! waits for the frequency then finds it.
//!
//! A notification from the timer is a hint. A client decides by the
//! time-stamp counter whether its deadline has passed.
#![no_std]
#![forbid(unsafe_code)]

mod clock;
mod word;

pub use clock::{Clock, ClockError, ClockReader, ClockWriter, Frequency};
pub use word::{ClientWord, Notify, Sleeper};

/// A point in time: a value of the time-stamp counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tsc(pub u64);
