//! The seL4 Device Driver Framework's queues, safe against a lying peer.
#![no_std]
