//! The kernel's interface: which calls there are and what number each has.
//!
//! The kernel describes it in four XML files. [`calls`] reads them,
//! [`headers`] writes the C headers that the kernel is compiled with, and
//! [`numbers`] writes the same numbers as Rust for the protection domains, with
//! the constants of the C headers that `tables` lists. A SDK's kernel is read
//! the same way, but for the headers, which come with it.

pub(crate) mod calls;
pub(crate) mod headers;
pub(crate) mod names;
pub(crate) mod numbers;
pub(crate) mod tables;
