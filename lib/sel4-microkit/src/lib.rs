//! The Microkit's programming model: protection domain runtime.
#![no_std]
