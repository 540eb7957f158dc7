//! Host-testable part of the serial-driver protection domain.
#![no_std]
