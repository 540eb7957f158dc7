//! seL4 system calls and objects; the only crate that makes system calls.
#![no_std]
