//! seL4 5.0.0 on x86-64, `syscall` entry, no MCS.
//!
//! What it has besides other kernels: VMEnter takes the guest's registers and CR2
//! along, and it switches more of a guest's state (patches 0005, 0009, 0025,
//! 0027).

#[path = "../numbers_v5.rs"]
pub mod numbers;

use super::{EntryRegisters, Registers, VmEntry, VmReturn, call::returned};
use crate::{Word, cap::Vcpu};
use numbers::syscall;

/// How the badges of a protection domain's input are laid out. Endpoint badges
/// have 28 bits on this kernel, notification badges 64; so bit 63 marks a
/// notification.
pub mod badge {
    use crate::{Badge, Word};

    const NOTIFICATION: Word = 1 << 63;
    const CALL: Word = 1 << 27;
    const FAULT: Word = 1 << 26;
    const ID: Word = 0xffff;
    const CHANNELS: Word = (1 << 62) - 1;

    /// What a badge says.
    pub const fn parse(word: Word) -> Badge {
        if word & NOTIFICATION != 0 {
            Badge::Notification(word & CHANNELS)
        } else if word & FAULT != 0 {
            Badge::Fault((word & ID) as u16)
        } else {
            Badge::Call((word & ID) as u16)
        }
    }

    /// The badge that says so.
    pub const fn pack(badge: Badge) -> Word {
        match badge {
            Badge::Notification(channels) => NOTIFICATION | channels & CHANNELS,
            Badge::Call(id) => CALL | id as Word,
            Badge::Fault(id) => FAULT | id as Word,
        }
    }
}

plain_calls!();

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

/// Sends without waiting, then waits: here two calls, since this kernel has none
/// for both.
#[inline(always)]
pub fn send_recv(target: Word, info: Word, endpoint: Word, reply: Word) -> Registers {
    send(Registers { target, info, ..Registers::default() });
    recv(endpoint, reply)
}

/// Whom a passive domain tells that it can give its time back. Nobody: this
/// kernel has no scheduling contexts, and the domain keeps its own priority and
/// time.
pub const PASSIVE_SIGNAL: Option<Word> = None;

/// What this kernel switches between virtual CPUs and can be told to set.
pub mod vcpu {
    use super::numbers;

    /// Message register from which
    /// [`EntryRegisters::FromMessageAndCr2`](crate::abi::EntryRegisters) takes CR2.
    pub const CR2_REGISTER: Option<usize> = Some(numbers::vmenter::CALL_CR2);
    /// The debug registers DR0 to DR3 and DR6.
    pub const DEBUG_REGISTERS: bool = true;
    /// IA32_TSC_AUX.
    pub const TSC_AUX: bool = true;
    /// IA32_KERNEL_GS_BASE can be read and set.
    pub const KERNEL_GS_BASE: bool = true;
    /// The instruction length of a software event can be set.
    pub const EVENT_INSTRUCTION_LENGTH: bool = true;

    /// The state components (bits of XCR0) that XSAVE switches: none, it is built
    /// with FXSAVE.
    pub fn extended_state() -> u64 {
        0
    }
}

/// The length of VMEnter's message that says which registers it sets.
const fn length(registers: EntryRegisters) -> Word {
    match registers {
        EntryRegisters::Kept => 0,
        EntryRegisters::FromMessage => numbers::vmenter::CALL_REGISTERS_LENGTH as Word,
        EntryRegisters::FromMessageAndCr2 => numbers::vmenter::CALL_CR2 as Word + 1,
    }
}

/// Runs the guest of the calling thread's VCPU until it exits or a notification
/// arrives. The registers are taken even if it returns at once.
#[inline(always)]
pub fn vm_enter(_vcpu: Vcpu, entry: &mut VmEntry, registers: EntryRegisters) -> VmReturn {
    let mrs = [entry.rip, entry.primary_controls, entry.interruption, 0];
    let r = full(syscall::VM_ENTER, Registers { target: 0, info: length(registers), mrs });
    returned(entry, r)
}
