//! The only crate that touches memory which a peer can write.
#![no_std]
