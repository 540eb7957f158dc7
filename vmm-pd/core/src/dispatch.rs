//! The one match: exit to outcome.
//!
//! `handle(vm: &mut Vm, cpu: &mut impl Cpu, memory: &mut impl GuestMemory,
//! outside: &mut impl Outside, message: &ExitMessage) -> Outcome`.
