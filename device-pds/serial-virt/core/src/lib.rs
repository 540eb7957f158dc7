//! Host-testable part of the serial-virt protection domain.
#![no_std]
