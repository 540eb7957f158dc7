//! The serial virtualiser without its shell: one line, one terminal, several
//! clients.
//!
//! **With one client** it is a wire. Bytes pass both ways unchanged, each
//! copied once from region to region; no byte is special; nothing is lost, for
//! a side that does not take bytes holds the other back.
//!
//! **With several** it keeps their lines apart. Each line begins with
//! `name| ` in the client's colour. A line is kept together: while its owner
//! still has bytes for it, or they are still on the wire, others wait, though
//! not for more than [`LINE_MAX`] bytes of it. If another client then takes
//! over in mid-line, a line break is put in and the rest gets a prefix of its
//! own. A line without an end (a prompt, a typed key's echo) is shown as soon
//! as the wire is idle.
//!
//! Clients take turns, [`QUANTUM`] bytes of output each, and never have more
//! than [`IN_FLIGHT`] bytes waiting in the driver's queue together. So a line
//! that a client completes begins to be sent after at most `IN_FLIGHT +
//! LINE_MAX + (clients - 1) * (QUANTUM + OUT_MAX)` bytes of the others,
//! whatever they do; a client that floods waits on its own full queue. The
//! wire's progress is the only clock here.
//!
//! What a client may send to the terminal is limited ([`Filter`] says to
//! what), so that no client can forge, move or colour another's line.
//!
//! Input goes to the selected client, the first to begin with. Ctrl-\ (0x1c)
//! and a digit select (1 is the first); Ctrl-\ Ctrl-\ sends one; Ctrl-\ and
//! anything else sends neither. A change is announced on the terminal. What
//! the selected client has no room for is dropped: holding it back would hold
//! back the Ctrl-\ that selects another.
#![no_std]
#![forbid(unsafe_code)]

mod client;
mod filter;
mod input;
mod notes;
mod several;
mod single;
mod virt;

pub use bulkhead_config::ClientSet;
pub use filter::Filter;
pub use input::{Input, Typed};
pub use several::{IN_FLIGHT, LINE_MAX, OUT_MAX, QUANTUM};
pub use virt::{ClientQueues, Complaint, Outcome, Virt, VirtError};
