//! Host-testable part of the status protection domain.
#![no_std]
