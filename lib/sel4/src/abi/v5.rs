//! seL4 5.0.0 on x86-64, `syscall` entry, no MCS.
//!
//! Registers (kernel: `src/arch/x86/64/traps.S`, libsel4
//! `sel4_arch_include/x86_64/.../syscalls_syscall.h`): rdx number, rdi
//! capability or badge, rsi message info, r10 r8 r9 r15 the first four message
//! registers. rcx and r11 are taken by the instruction; **rsp comes back with
//! another value** and is restored from a preserved register.

use core::arch::asm;

#[path = "../numbers_v5.rs"]
pub mod numbers;

use crate::{Word, message::MessageInfo};
use numbers::syscall;

/// Where a protection domain's IPC buffer is mapped: the last page but one of
/// user space. The very last stays empty, because a `syscall` instruction at
/// its end would return to a non-canonical address, which faults in the kernel.
pub const IPC_BUFFER: Word = 0x0000_7fff_ffff_e000;

/// The first address above a protection domain's stack. The page between it
/// and the IPC buffer is never mapped.
pub const STACK_TOP: Word = IPC_BUFFER - 0x1000;

/// How the badges of a protection domain's input are laid out. Endpoint badges
/// have 28 bits on this kernel, notification badges 64; so bit 63 marks a
/// notification.
pub mod badge {
    use crate::Word;

    /// Set in every notification badge.
    pub const NOTIFICATION: Word = 1 << 63;
    /// Set in the endpoint badge of a protected procedure call.
    pub const CALL: Word = 1 << 27;
    /// Set in the endpoint badge of a child's fault.
    pub const FAULT: Word = 1 << 26;
    /// The channel or child number of an endpoint badge.
    pub const ID: Word = 0xffff;
    /// The channels of a notification badge, one bit each.
    pub const CHANNELS: Word = (1 << 62) - 1;
}

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

/// Makes a system call that passes and returns everything.
#[inline(always)]
fn full(number: isize, mut r: Registers) -> Registers {
    let [mr0, mr1, mr2, mr3] = &mut r.mrs;
    // SAFETY: the registers that the kernel changes are all declared; rsp,
    // which cannot be declared, is saved in r12 and restored, and the kernel
    // preserves r12. The kernel does not touch the user stack or red zone. It
    // can write this thread's IPC buffer, which `asm!` without `nomem` allows.
    unsafe {
        asm!(
            "mov r12, rsp",
            "syscall",
            "mov rsp, r12",
            in("rdx") number,
            inlateout("rdi") r.target,
            inlateout("rsi") r.info,
            inlateout("r10") *mr0,
            inlateout("r8") *mr1,
            inlateout("r9") *mr2,
            inlateout("r15") *mr3,
            lateout("rcx") _,
            lateout("r11") _,
            lateout("r12") _,
        );
    }
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

/// Waits for a message or notification: `seL4_Recv`. `reply` is unused: this
/// kernel keeps the caller in the receiving thread.
#[inline(always)]
pub fn recv(endpoint: Word, _reply: Word) -> Registers {
    full(syscall::RECV, Registers { target: endpoint, ..Registers::default() })
}

/// Replies to the last caller, then waits: `seL4_ReplyRecv`.
#[inline(always)]
pub fn reply_recv(r: Registers, _reply: Word) -> Registers {
    full(syscall::REPLY_RECV, r)
}

/// Gives up the rest of the time slice: `seL4_Yield`.
#[inline(always)]
pub fn yield_now() {
    full(syscall::YIELD, Registers::default());
}

/// Gives the scheduling context back, to run on callers' time from now on.
/// This kernel has none: a passive domain keeps its own priority and time.
pub fn become_passive() {}

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
    /// The same, and CR2 from the message register behind them.
    FromMessageAndCr2,
}

/// Message register from which [`EntryRegisters::FromMessageAndCr2`] takes CR2.
pub const CR2_REGISTER: usize = numbers::vmenter::CALL_CR2;

impl EntryRegisters {
    /// The length of VMEnter's message that says so.
    const fn length(self) -> Word {
        match self {
            EntryRegisters::Kept => 0,
            EntryRegisters::FromMessage => numbers::vmenter::CALL_REGISTERS_LENGTH as Word,
            EntryRegisters::FromMessageAndCr2 => CR2_REGISTER as Word + 1,
        }
    }
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

/// Runs the guest of the calling thread's VCPU until it exits or a notification
/// arrives. The registers are taken even if it returns at once.
#[inline(always)]
pub fn vm_enter(entry: &mut VmEntry, registers: EntryRegisters) -> VmReturn {
    let r = full(
        syscall::VM_ENTER,
        Registers {
            target: 0,
            info: registers.length(),
            mrs: [entry.rip, entry.primary_controls, entry.interruption, 0],
        },
    );
    entry.rip = r.mrs[0];
    entry.primary_controls = r.mrs[1];
    entry.interruption = r.mrs[2];
    if r.info == 0 { VmReturn::Notification(r.target) } else { VmReturn::Exit(r.mrs[3]) }
}

/// Writes a character to the debug kernel's console. A release kernel takes
/// the call for an unknown one, which faults: see [`crate::debug`].
pub fn debug_put_char(c: u8) {
    full(syscall::DEBUG_PUT_CHAR, Registers { target: c.into(), ..Registers::default() });
}

/// Packs a message info word.
pub(crate) const fn pack(info: MessageInfo) -> Word {
    (info.label << 12) | ((info.extra_caps as Word) << 7) | info.length as Word
}

/// Unpacks a message info word.
pub(crate) const fn unpack(word: Word) -> MessageInfo {
    MessageInfo {
        label: (word >> 12) & 0xf_ffff,
        extra_caps: ((word >> 7) & 3) as u8,
        length: (word & 0x7f) as u8,
    }
}
