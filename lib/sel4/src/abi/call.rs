//! What the kernels have in common: the registers of a system call.
//!
//! rdx number, rdi capability or badge, rsi message info, r10 r8 r9 r15 the first
//! four message registers (kernel: `src/arch/x86/64/traps.S`). rcx and r11 are
//! taken by the instruction; **rsp comes back with another value** and is
//! restored from a preserved register.

use crate::Word;

/// The registers of a system call: message info and the first four message
/// registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Capability on the way in, badge on the way out.
    pub target: Word,
    /// Message info.
    pub info: Word,
    /// Message registers 0 to 3.
    pub mrs: [Word; 4],
}

/// Makes the system call `$number` with the registers `$r`, which it changes, and
/// whatever operands a kernel wants besides.
macro_rules! system_call {
    ($number:expr, $r:ident $(, $extra:ident($register:tt) $value:expr)* $(,)?) => {{
        let [mr0, mr1, mr2, mr3] = &mut $r.mrs;
        // SAFETY: the registers that the kernel changes are all declared; rsp,
        // which cannot be declared, is saved in r14 and restored, and the kernel
        // preserves r14. The kernel does not touch the user stack or red zone. It
        // can write this thread's IPC buffer, which `asm!` without `nomem` allows.
        unsafe {
            core::arch::asm!(
                "mov r14, rsp",
                "syscall",
                "mov rsp, r14",
                $($extra($register) $value,)*
                in("rdx") $number,
                inlateout("rdi") $r.target,
                inlateout("rsi") $r.info,
                inlateout("r10") *mr0,
                inlateout("r8") *mr1,
                inlateout("r9") *mr2,
                inlateout("r15") *mr3,
                lateout("rcx") _,
                lateout("r11") _,
                lateout("r14") _,
            );
        }
    }};
}

/// The calls that differ in nothing but their numbers, which the module that this is
/// used in has as `syscall`.
macro_rules! plain_calls {
    () => {
        /// Makes a system call that passes and returns everything.
        #[inline(always)]
        fn full(number: isize, mut r: Registers) -> Registers {
            system_call!(number, r);
            r
        }

        /// Sends and waits for the reply: `seL4_Call`.
        #[inline(always)]
        pub fn call(r: Registers) -> Registers {
            full(syscall::CALL, r)
        }

        /// Sends, waiting for a receiver: `seL4_Send`. Of a notification: signals it.
        #[inline(always)]
        pub fn send(r: Registers) {
            full(syscall::SEND, r);
        }

        /// Sends if a receiver is waiting: `seL4_NBSend`.
        #[inline(always)]
        pub fn nb_send(r: Registers) {
            full(syscall::NB_SEND, r);
        }

        /// Gives up the rest of the time slice: `seL4_Yield`.
        #[inline(always)]
        pub fn yield_now() {
            full(syscall::YIELD, Registers::default());
        }

        /// Writes a character to the debug kernel's console. A release kernel takes
        /// the call for an unknown one, which faults: see [`crate::debug`].
        pub fn debug_put_char(c: u8) {
            full(syscall::DEBUG_PUT_CHAR, Registers { target: c.into(), ..Registers::default() });
        }
    };
}

/// What `seL4_VMEnter` takes and, changed, gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmEntry {
    /// Guest RIP.
    pub rip: Word,
    /// Primary processor-based execution controls.
    pub primary_controls: Word,
    /// VM-entry interruption information.
    pub interruption: Word,
}

/// Whether an entry also sets the guest's general-purpose registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryRegisters {
    /// They stay as they are.
    #[default]
    Kept,
    /// From the message registers in which the last exit reported them, where
    /// the VMM may have changed them. Never after a notification: the guest
    /// has then gone on, and what the message registers hold is old.
    FromMessage,
    /// The same, and CR2 from the message register `vcpu::CR2_REGISTER`. Only
    /// where the kernel has one.
    FromMessageAndCr2,
}

/// Why `seL4_VMEnter` returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmReturn {
    /// The guest exited, for this reason. Message registers 4 and up, in the
    /// IPC buffer, say more.
    Exit(Word),
    /// A notification with this badge arrived.
    Notification(Word),
}

/// The three words of a VM entry and what comes back in their registers.
pub(super) fn returned(entry: &mut VmEntry, r: Registers) -> VmReturn {
    entry.rip = r.mrs[0];
    entry.primary_controls = r.mrs[1];
    entry.interruption = r.mrs[2];
    if r.info == 0 { VmReturn::Notification(r.target) } else { VmReturn::Exit(r.mrs[3]) }
}
