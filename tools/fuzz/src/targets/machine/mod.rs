//! A whole machine: any sequence of exits, notifications, console input and
//! time, against what must hold after each.
//!
//! The guest's processor is modelled as far as events go ([`world`]): what an
//! outcome asks for is delivered, or interrupted by the next exit, or not begun
//! because a notification came first. The rules themselves are in [`rules`].

mod memory;
mod message;
mod places;
mod rules;
mod world;

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::vm::Arrival;

use super::input::{Pause, steps};
use crate::Target;
use world::World;

pub(super) const TARGET: Target = Target {
    runs: 12_000,
    longest: 1500,
    ..Target::new("machine", "no exit loses, doubles or forces an interrupt, or panics", check)
};

/// What happens next.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// OUT and IN at a port that somebody claims, or at any.
    Out(Port, u32),
    In(Port),
    /// INS and OUTS.
    StringIo(Port, bool),
    Rdmsr(Msr),
    Wrmsr(Msr, u64),
    /// The local APIC's registers, in whichever way reaches them.
    Apic(u8, u32),
    Cpuid(u32, u32),
    Hlt,
    /// The preemption timer expires: at the deadline, or early.
    Expire(bool),
    InterruptWindow,
    NmiWindow,
    Cr(u8, u8),
    /// An access to device memory by this instruction.
    Mmio(Place, Instruction),
    /// An exception that we intercept, maybe during a delivery.
    Exception(u8, Interrupted),
    /// Any words at all.
    Any(u8, u64, u8),
    /// The guest changes itself without an exit.
    Flags(u8),
    Register(u8, u64),
    Paging(u8),
    /// From outside.
    Notify(bool),
    Type(u8),
    Room(u8),
    Pass(Pause),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Port {
    known: u8,
    any: u16,
    width: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Msr {
    known: u8,
    any: u32,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Place {
    page: u8,
    offset: u16,
    write: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Instruction {
    known: u8,
    any: [u8; 15],
}

/// What the exit interrupted.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Interrupted {
    Nothing,
    Given,
    Software(u8),
    Exception(u8),
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut world = World::new(&mut bytes);
    for step in steps(bytes) {
        if !world.take(step) {
            return;
        }
    }
}

/// When a notification reaches the VMM.
fn arrival(before: bool) -> Arrival {
    if before { Arrival::BeforeEntry } else { Arrival::Running }
}
