//! The emulator against a processor made of plain fields, against the host's
//! own processor, and against bytes that mean harm.

#![cfg(target_arch = "x86_64")]
#![deny(unsafe_code)]

mod cases;
mod faults;
mod hostile;
mod machine;
mod native;
mod strings;
