//! The debug kernel's console.
//!
//! A release kernel has none: there the call would fault the caller. So output
//! exists only in programs built with debug assertions (profile `pd-debug`),
//! which run on the debug kernel.

use core::fmt;

use crate::abi::current as abi;

/// The console, for `core::fmt`; swallows everything in a release build.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if cfg!(debug_assertions) {
            s.bytes().for_each(abi::debug_put_char);
        }
        Ok(())
    }
}
