//! A sleeping client's deadline in memory shared with the timer domain.
#![no_std]
#![forbid(unsafe_code)]
