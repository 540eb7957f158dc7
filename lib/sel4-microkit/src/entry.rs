//! From the first instruction to the handler's loop, and what a panic does.

#[cfg(not(test))]
use core::arch::global_asm;
use core::{fmt::Write, panic::PanicInfo};

use crate::{Handler, Word};
use sel4::abi::IPC_BUFFER;

// The initial task sets rsp to the top of the stack that the system
// description sizes; below it lies an unmapped guard page. A return address of
// zero and a frame pointer of zero end a stack trace.
#[cfg(not(test))]
global_asm!(
    ".section .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "push rbp",
    "push rbp",
    "call __microkit_main",
    "ud2",
    ".text",
);

/// Declares the entry point and panic handler of a protection domain; use
/// [`protection_domain`](crate::protection_domain).
#[doc(hidden)]
#[macro_export]
macro_rules! declare_protection_domain {
    ($init:ident) => {
        #[unsafe(no_mangle)]
        extern "C" fn __microkit_main() -> ! {
            $crate::_private::run_main($init)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::_private::panicked(info)
        }

        // The prebuilt `core` refers to it; nothing unwinds.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}
    };
}

/// Runs a protection domain.
#[doc(hidden)]
pub fn run_main<H: Handler>(init: impl FnOnce() -> H) -> ! {
    // SAFETY: the initial task (or the Microkit's initialiser) maps the IPC
    // buffer there and tells the kernel so before this thread first runs; the
    // program has this one thread.
    unsafe { sel4::set_ipc_buffer(IPC_BUFFER as *mut Word) };
    match init().run() {
        Err(error) => panic!("stopped: {error}"),
        Ok(never) => match never {},
    }
}

/// In rdi of the faulting instruction after a panic: "PANICKED" in ASCII, so
/// that a fault handler knows that rsi and rdx hold the address and length of
/// the message.
pub const PANIC_MARK: u64 = u64::from_le_bytes(*b"PANICKED");

/// Longest message that a panic reports, in bytes.
const MESSAGE_MAX: usize = 256;

/// A message cut off at its capacity.
struct Message {
    length: usize,
    bytes: [u8; MESSAGE_MAX],
}

impl Write for Message {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let n = s.len().min(room.len());
        room[..n].copy_from_slice(&s.as_bytes()[..n]);
        self.length += n;
        Ok(())
    }
}

/// Ends the protection domain with a fault that carries the message.
#[doc(hidden)]
#[cold]
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut message = Message { length: 0, bytes: [0; MESSAGE_MAX] };
    // Writing into the buffer cannot fail.
    let _ = write!(message, "{info}");
    // Where no initial task of ours reads the message (the Microkit's monitor
    // shows registers only), a debug kernel's console has it.
    crate::debug_println!("{info}");
    // SAFETY: UD2 always faults; the fault handler does not resume this
    // thread, and if it did, UD2 would fault again after the jump.
    unsafe {
        core::arch::asm!(
            "2: ud2",
            "jmp 2b",
            in("rdi") PANIC_MARK,
            in("rsi") message.bytes.as_ptr(),
            in("rdx") message.length,
            options(noreturn)
        )
    }
}
