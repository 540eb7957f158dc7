//! The pure part of the VMM: what a guest's exits mean, the buses and devices
//! it sees, how its first instruction is prepared.
//!
//! It sees the world through three small traits ([`cpu::Cpu`],
//! [`memory::GuestMemory`], [`outside::Outside`]) and returns outcomes; it makes
//! no system call and holds no reference into guest memory. So every exit can
//! be driven on the host. The surprising fact: there is no clock here either,
//! only [`types::Ticks`] read from the CPU, which a test sets.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod boot;
pub mod bus;
pub mod control;
pub mod cpu;
pub mod debug_registers;
pub mod decode;
pub mod devices;
pub mod dispatch;
pub mod emulate;
pub mod events;
pub mod exit;
pub mod interrupts;
pub mod layout;
pub mod memory;
pub mod outcome;
pub mod outside;
pub mod paravirtual_eoi;
pub mod report;
pub mod time;
pub mod types;
pub mod vm;
pub mod walk;
pub mod watched;
