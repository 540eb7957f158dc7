//! What the tools do to the host: files that are whole or not there, programs
//! that do not outlive the command that started them, the removal of what a
//! killed command left, and the room on the disk for all that.
//!
//! Not here: what is built, and how anything is shown.
//!
//! What surprises: a signal that ends the command does not unwind its main
//! thread. Whoever handles the signal calls [`end_programs`], then
//! [`remove_leftovers`], and exits; no program can be started in between.
#![forbid(unsafe_code)]

mod files;
mod leftovers;
mod programs;
mod space;

pub use files::{FileError, check_replaceable, cure, file, replace};
pub use leftovers::{TEMPORARY, remove_leftovers};
pub use programs::{adopt_orphans, end_programs, output, spawn, to_its_end};
pub use space::{Room, taken, tells_of_no_room};
