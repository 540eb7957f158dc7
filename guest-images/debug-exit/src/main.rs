//! Ends a guest with a result: writes its argument to the debug-exit port.
//!
//! Debian's kernel has no `/dev/port`, so this asks for the port by ioperm and
//! writes it itself; it needs to be root. Where no such device is, nothing
//! happens, and it says so.

use std::{arch::asm, process::ExitCode};

/// The port (`vmm-pd/core/src/layout/numbers.rs`, DEBUG_EXIT_PORT; the place
/// where QEMU's isa-debug-exit device is put by custom).
const PORT: u16 = 0xf4;

/// Number of ioperm (Linux, arch/x86/entry/syscalls/syscall_64.tbl).
const SYS_IOPERM: u64 = 173;

fn main() -> ExitCode {
    let Some(result) = std::env::args().nth(1).and_then(|a| a.parse::<u8>().ok()) else {
        eprintln!("debug-exit: one argument is wanted, the result, 0 to 255");
        return ExitCode::FAILURE;
    };
    let error: i64;
    // SAFETY: ioperm(from, count, on) touches no memory; the system call
    // changes rax, rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") SYS_IOPERM => error,
            in("rdi") u64::from(PORT),
            in("rsi") 1u64,
            in("rdx") 1u64,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    if error != 0 {
        eprintln!("debug-exit: ioperm failed with error {}", -error);
        return ExitCode::FAILURE;
    }
    // SAFETY: the port was just granted to this process; the device behind it
    // has no effect on memory.
    unsafe {
        asm!("out dx, al", in("dx") PORT, in("al") result, options(nomem, nostack, preserves_flags));
    }
    eprintln!("debug-exit: this machine has no debug-exit device");
    ExitCode::FAILURE
}
