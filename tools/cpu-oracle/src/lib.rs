//! Runs one instruction on the host's own processor, for tests that compare an
//! emulator's result with silicon's.
//!
//! Not a sandbox: the caller chooses instructions and operands that do not fault
//! and touch nothing but [`Oracle::data`]. The surprising fact: while the
//! instruction runs, all sixteen registers are the caller's, the stack pointer
//! too, so the way back is found through a static and only one thread at a time
//! can be inside. [`Oracle`] holds the lock that sees to it.
//!
//! Only on x86-64 hosts, where every guest of this project runs too.
#![cfg(target_arch = "x86_64")]

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use std::io;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Bytes of memory for the instruction's operands.
pub const DATA_SIZE: usize = 2 * PAGE;
const PAGE: usize = 4096;

/// Registers before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// In encoding order: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub gprs: [u64; 16],
    /// RFLAGS; only the status flags and DF are taken from here.
    pub rflags: u64,
}

/// Flags that the instruction starts with, beside those which the host needs.
const SETTABLE: u64 = 0xcd5;
/// Reserved bit 1, and IF.
const ALWAYS: u64 = 0x202;

/// What the assembly below uses; the order of the fields is written there too.
#[repr(C)]
struct Exchange {
    gprs: [u64; 16],
    rflags: u64,
    code: u64,
    host_rsp: u64,
}

struct Shared(UnsafeCell<Exchange>);

// SAFETY: only `Oracle::run` and the assembly that it calls touch the content,
// and an `Oracle` exists only while its creator holds `LOCK`.
unsafe impl Sync for Shared {}

static SHARED: Shared =
    Shared(UnsafeCell::new(Exchange { gprs: [0; 16], rflags: 0, code: 0, host_rsp: 0 }));
static LOCK: Mutex<()> = Mutex::new(());

global_asm!(
    ".pushsection .text",
    ".globl cpu_oracle_enter",
    "cpu_oracle_enter:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + {shared} + 144], rsp",
    "push qword ptr [rip + {shared} + 128]",
    "popfq",
    "mov rax, [rip + {shared} + 0]",
    "mov rcx, [rip + {shared} + 8]",
    "mov rdx, [rip + {shared} + 16]",
    "mov rbx, [rip + {shared} + 24]",
    "mov rsp, [rip + {shared} + 32]",
    "mov rbp, [rip + {shared} + 40]",
    "mov rsi, [rip + {shared} + 48]",
    "mov rdi, [rip + {shared} + 56]",
    "mov r8, [rip + {shared} + 64]",
    "mov r9, [rip + {shared} + 72]",
    "mov r10, [rip + {shared} + 80]",
    "mov r11, [rip + {shared} + 88]",
    "mov r12, [rip + {shared} + 96]",
    "mov r13, [rip + {shared} + 104]",
    "mov r14, [rip + {shared} + 112]",
    "mov r15, [rip + {shared} + 120]",
    "jmp qword ptr [rip + {shared} + 136]",
    ".globl cpu_oracle_back",
    "cpu_oracle_back:",
    "mov [rip + {shared} + 0], rax",
    "mov [rip + {shared} + 8], rcx",
    "mov [rip + {shared} + 16], rdx",
    "mov [rip + {shared} + 24], rbx",
    "mov [rip + {shared} + 32], rsp",
    "mov [rip + {shared} + 40], rbp",
    "mov [rip + {shared} + 48], rsi",
    "mov [rip + {shared} + 56], rdi",
    "mov [rip + {shared} + 64], r8",
    "mov [rip + {shared} + 72], r9",
    "mov [rip + {shared} + 80], r10",
    "mov [rip + {shared} + 88], r11",
    "mov [rip + {shared} + 96], r12",
    "mov [rip + {shared} + 104], r13",
    "mov [rip + {shared} + 112], r14",
    "mov [rip + {shared} + 120], r15",
    "mov rsp, [rip + {shared} + 144]",
    "pushfq",
    "pop qword ptr [rip + {shared} + 128]",
    "cld",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".popsection",
    shared = sym SHARED,
);

unsafe extern "C" {
    fn cpu_oracle_enter();
    fn cpu_oracle_back();
}

/// The right to run instructions, and memory for them.
pub struct Oracle {
    code: *mut u8,
    data: *mut u8,
    _alone: MutexGuard<'static, ()>,
}

impl Oracle {
    /// Waits for its turn.
    ///
    /// # Errors
    /// The host gives no memory, or none that may be executed.
    pub fn new() -> io::Result<Oracle> {
        let alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let map = |length| {
            // SAFETY: a fresh anonymous mapping at an address of the kernel's
            // choice replaces nothing.
            unsafe {
                mmap_anonymous(
                    ptr::null_mut(),
                    length,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE,
                )
            }
        };
        let code = map(PAGE)?.cast();
        let data = map(DATA_SIZE)?.cast();
        Ok(Oracle { code, data, _alone: alone })
    }

    /// Where the memory for operands begins, for the caller's registers.
    pub fn data_address(&self) -> u64 {
        self.data as u64
    }

    /// Copies the memory for operands out.
    pub fn data(&self) -> [u8; DATA_SIZE] {
        // SAFETY: `data` is a live mapping of DATA_SIZE readable bytes, of any
        // alignment for bytes, and nobody writes it now: `run` needs `&mut`.
        unsafe { self.data.cast::<[u8; DATA_SIZE]>().read() }
    }

    /// Sets the memory for operands.
    pub fn set_data(&mut self, bytes: &[u8; DATA_SIZE]) {
        // SAFETY: as in `data`, writable, and `&mut` makes us alone.
        unsafe { self.data.cast::<[u8; DATA_SIZE]>().write(*bytes) }
    }

    /// Runs `instruction` once.
    ///
    /// # Safety
    /// With the registers in `state`, the instruction must not fault, must not
    /// jump, and must access no memory but the data area. RSP must point into
    /// that, with 512 bytes below it that a signal handler may take.
    ///
    /// # Errors
    /// The host does not let the code be executed.
    pub unsafe fn run(&mut self, instruction: &[u8], state: &State) -> io::Result<State> {
        let back = cpu_oracle_back as *const () as u64;
        // The instruction, and `jmp [rip + 0]` with the address behind it.
        let mut code = [0xcc_u8; 64];
        let jump = [0xff, 0x25, 0, 0, 0, 0];
        let parts = instruction.iter().chain(&jump).copied().chain(back.to_le_bytes());
        for (to, byte) in code.iter_mut().zip(parts) {
            *to = byte;
        }
        self.protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
        // SAFETY: the code page is a live mapping of more than 64 bytes, now
        // writable, and nobody executes it: `&mut`.
        unsafe { self.code.cast::<[u8; 64]>().write(code) };
        self.protect(MprotectFlags::READ | MprotectFlags::EXEC)?;
        let shared = SHARED.0.get();
        // SAFETY: the lock in `self` makes us the only user of SHARED.
        unsafe {
            shared.write(Exchange {
                gprs: state.gprs,
                rflags: (state.rflags & SETTABLE) | ALWAYS,
                code: self.code as u64,
                host_rsp: 0,
            });
        }
        // SAFETY: the assembly keeps what the C convention wants kept (it saves
        // RBX, RBP, R12 to R15 and RSP, and clears DF); the instruction keeps to
        // its memory, by our own precondition, and ends at `cpu_oracle_back`.
        unsafe { cpu_oracle_enter() };
        // SAFETY: as above, and the assembly has ended.
        let after = unsafe { shared.read() };
        Ok(State { gprs: after.gprs, rflags: after.rflags })
    }

    fn protect(&mut self, flags: MprotectFlags) -> io::Result<()> {
        // SAFETY: the page is ours alone and holds no Rust object.
        unsafe { mprotect(self.code.cast::<c_void>(), PAGE, flags) }.map_err(Into::into)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        for (start, length) in [(self.code, PAGE), (self.data, DATA_SIZE)] {
            // SAFETY: both mappings are ours, and `self` was the last to know
            // where they are. That unmapping fails leaves them, which is harmless.
            let _ = unsafe { munmap(start.cast::<c_void>(), length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(oracle: &Oracle) -> State {
        let mut gprs = [0; 16];
        gprs[4] = oracle.data_address() + 4096;
        State { gprs, rflags: 0 }
    }

    #[test]
    fn an_addition_sets_result_and_carry() {
        let mut oracle = Oracle::new().unwrap();
        let mut before = state(&oracle);
        before.gprs[0] = u64::MAX;
        before.gprs[1] = 2;
        // SAFETY: add rax, rcx touches no memory.
        let after = unsafe { oracle.run(&[0x48, 0x01, 0xc8], &before) }.unwrap();
        assert_eq!(after.gprs[0], 1);
        assert_eq!(after.rflags & 0x8d5, 0x11);
    }

    #[test]
    fn memory_operands_are_the_data_area() {
        let mut oracle = Oracle::new().unwrap();
        let mut before = state(&oracle);
        before.gprs[7] = oracle.data_address();
        before.gprs[0] = 0x1122_3344;
        // SAFETY: mov [rdi + 8], eax writes four bytes of the data area.
        unsafe { oracle.run(&[0x89, 0x47, 0x08], &before) }.unwrap();
        assert_eq!(oracle.data()[8..12], [0x44, 0x33, 0x22, 0x11]);
    }
}
