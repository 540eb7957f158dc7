//! Host-testable part of the timer protection domain.
#![no_std]
