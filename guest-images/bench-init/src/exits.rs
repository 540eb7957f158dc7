//! What an exit costs, seen from user space.

use std::{arch::asm, hint::black_box};

use crate::clock;

/// Samples of each operation.
const SAMPLES: usize = 1024;

/// COM1's scratch register: an emulated register whose reads and writes have no
/// effect (`guest-images/bench/exits.S` measures the same).
const SCRATCH: u16 = 0x3f8 + 7;

/// Number of ioperm (Linux, arch/x86/entry/syscalls/syscall_64.tbl).
const SYS_IOPERM: u64 = 173;

/// The name of what was measured, and samples in ticks.
pub type Measured = (&'static str, Vec<u32>);

/// Measures what user space may do.
///
/// # Errors
/// Linux does not grant the port.
pub fn measure() -> Result<[Measured; 3], String> {
    grant(SCRATCH)?;
    Ok([
        (
            "cpuid_exit",
            samples(|| {
                black_box(clock::cpuid(0, 0));
            }),
        ),
        (
            "port_read_exit",
            samples(|| {
                black_box(read(SCRATCH));
            }),
        ),
        ("port_write_exit", samples(|| write(SCRATCH, 0))),
    ])
}

fn samples(operation: impl Fn()) -> Vec<u32> {
    let mut taken = vec![0; SAMPLES];
    for sample in &mut taken {
        let before = clock::now();
        operation();
        *sample = u32::try_from(clock::now() - before).unwrap_or(u32::MAX);
    }
    taken
}

/// Asks for a port.
fn grant(port: u16) -> Result<(), String> {
    let error: i64;
    // SAFETY: ioperm(from, count, on) touches no memory of this process; the
    // system call changes rax, rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") SYS_IOPERM => error,
            in("rdi") u64::from(port),
            in("rsi") 1u64,
            in("rdx") 1u64,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    if error == 0 { Ok(()) } else { Err(format!("ioperm failed with error {}", -error)) }
}

#[inline(always)]
fn read(port: u16) -> u8 {
    let value: u8;
    // SAFETY: the port was granted; the register behind it has no effect on
    // memory.
    unsafe {
        asm!("in al, dx", out("al") value, in("dx") port, options(nomem, nostack, preserves_flags));
    }
    value
}

#[inline(always)]
fn write(port: u16, value: u8) {
    // SAFETY: as for `read`.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags));
    }
}
