//! The processor's own clock, and what else is read by an instruction.

use std::arch::x86_64::{__cpuid_count, _rdtsc, CpuidResult};

/// Bit 31 of ECX of CPUID leaf 1: there is a hypervisor.
const HYPERVISOR: u32 = 1 << 31;

/// The time-stamp counter.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: every x86-64 processor has it, Linux leaves it to user code, and it
    // touches no memory.
    unsafe { _rdtsc() }
}

/// CPUID.
#[inline(always)]
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    __cpuid_count(leaf, subleaf)
}

/// Whether this is a guest.
pub fn is_guest() -> bool {
    cpuid(1, 0).ecx & HYPERVISOR != 0
}
