//! From the kernel to the initial task's main function.

#[cfg(not(test))]
use core::arch::global_asm;

/// Bytes of the initial task's stack: it decodes records and formats reports,
/// and does not recurse.
#[cfg(not(test))]
const STACK: usize = 256 * 1024;

// The kernel passes the boot information's address in rdi. The stack is part of
// .bss; there is nobody to report an overflow to, so it is generous.
#[cfg(not(test))]
global_asm!(
    ".section .text.start, \"ax\"",
    ".globl _start",
    "_start:",
    "lea rsp, [rip + bulkhead_root_stack + {stack}]",
    "xor ebp, ebp",
    "push rbp",
    "push rbp",
    "call __root_task_main",
    "ud2",
    ".section .bss.stack, \"aw\", @nobits",
    ".balign 16",
    "bulkhead_root_stack: .skip {stack}",
    ".text",
    stack = const STACK,
);

/// Declares the initial task's main function: `fn(&'static BootInfo) -> !`.
#[macro_export]
macro_rules! root_task {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn __root_task_main(boot: &'static $crate::BootInfo) -> ! {
            // SAFETY: the kernel maps this thread's IPC buffer there before it
            // starts it; the initial task has one thread.
            unsafe { sel4::set_ipc_buffer(boot.ipc_buffer()) };
            let main: fn(&'static $crate::BootInfo) -> ! = $main;
            main(boot)
        }

        // The prebuilt `core` refers to it; nothing unwinds.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}
    };
}
