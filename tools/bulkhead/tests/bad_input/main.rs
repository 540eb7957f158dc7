//! What the command does with bad input: for each case the whole message that
//! its user gets to read (`snapshots/`), the exit status, that nothing is left
//! half-written, and that a second run works.
//!
//! One module a family of cases. The command under test is the real one; it
//! works in copies of this checkout, so that no case harms the original. What
//! surprises: cargo is replaced by a script there which hands out what was
//! compiled in this checkout, because a copy would compile all of it again.

mod access;
mod call;
mod checkout;
mod descriptions;
mod emulator;
mod files;
mod locks;
mod network;
mod signals;
mod space;
