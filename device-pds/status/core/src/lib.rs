//! The status domain without its shell: lines of text from VMMs, and from domains
//! that report for themselves, framed and written to the port that the host's
//! tool reads.
//!
//! A frame is STX, `guest NAME LINE` or `pd NAME report : LINE`, ETX, LF, in
//! printable ASCII; a client can put nothing else on the wire, least of all
//! another client's name. The port is the domain's alone, but the initial task may
//! write its own frame in the middle of one when it reports a fault: frames nest,
//! and the reader unpacks them.
//!
//! Output is polled, for the port's interrupt would serve nobody else: while a
//! frame of 80 bytes is on the wire, 7 ms, the domain spins. So it must not
//! rank above those it serves: **give it the priority of a VMM**, and a guest
//! that floods costs the others one more time slice in the round, no more.
//! A byte [`REQUEST`] on the port's receiver asks for every client's counters:
//! they are read from the page that its VMM writes (`lib/statistics`), so a VMM
//! that is stuck or gone is shown too. The answer, some twenty frames a client,
//! is in [`answer`]'s form. A byte from [`LINKS`] on takes the links of a guest's
//! network interfaces down, or up: its VMM is notified and reads it from a word beside
//! its queue.
//!
//! Clients take turns by the line, and one that floods waits on its own full
//! queue.
#![no_std]
#![forbid(unsafe_code)]

mod answer;
mod frame;
mod line;
mod status;

pub use frame::{FRAME_MAX, Frame};
pub use line::{CUT, LINE_MAX, Line};
pub use status::{LINKS, REQUEST, Status, StatusError, Subject};
