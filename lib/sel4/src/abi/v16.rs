//! seL4 16 on x86-64 with MCS, `syscall` entry: the kernel of the Microkit SDK
//! 2.3, board `x86_64_generic_vtx`.
//!
//! What it has besides 5.0.0: reply objects (register r12 names the one that a
//! receive uses), a call that sends and receives (r13 names whom to send to), and
//! scheduling contexts. What it lacks of our 5.0.0: VMEnter takes no registers of
//! the guest, and several registers are not switched between guests ([`vcpu`]).
//!
//! The surprising fact: invocation labels depend on the kernel's configuration,
//! debug or release. So the numbers are those of the SDK at hand, made when
//! protection domains are built for it; those in the tree, of SDK 2.3.0's release
//! configuration, serve only to check types where there is no SDK.

/// Made from the SDK's headers; see `tools/kernel`.
pub mod numbers {
    #![allow(missing_docs, reason = "the names are the kernel's")]
    #[cfg(not(sel4_numbers))]
    include!("../numbers_v16.rs");
    #[cfg(sel4_numbers)]
    include!(env!("SEL4_NUMBERS"));
}

use super::{EntryRegisters, Registers, VmEntry, VmReturn, call::returned};
use crate::{IpcBuffer, Word, cap::Vcpu, message::MessageInfo};
use numbers::{invocation, syscall, vcpu_registers, vmenter};

/// How the Microkit lays out the badges of a protection domain's input
/// (libmicrokit `main.c`): one bit says call, one fault, and neither notification.
pub mod badge {
    use crate::{Badge, Word};

    const CALL: Word = 1 << 63;
    const FAULT: Word = 1 << 62;
    const ID: Word = 0xff;

    /// What a badge says.
    pub const fn parse(word: Word) -> Badge {
        if word & FAULT != 0 {
            Badge::Fault((word & ID) as u16)
        } else if word & CALL != 0 {
            Badge::Call((word & ID) as u16)
        } else {
            Badge::Notification(word)
        }
    }

    /// The badge that says so.
    pub const fn pack(badge: Badge) -> Word {
        match badge {
            Badge::Notification(channels) => channels & (FAULT - 1),
            Badge::Call(id) => CALL | id as Word,
            Badge::Fault(id) => FAULT | id as Word,
        }
    }
}

plain_calls!();

/// The same with a reply object.
#[inline(always)]
fn with_reply(number: isize, mut r: Registers, reply: Word) -> Registers {
    system_call!(number, r, in("r12") reply);
    r
}

/// Waits for a message or notification: `seL4_Recv`. `reply` keeps the caller.
#[inline(always)]
pub fn recv(endpoint: Word, reply: Word) -> Registers {
    with_reply(syscall::RECV, Registers { target: endpoint, ..Registers::default() }, reply)
}

/// Replies to the caller that `reply` keeps, then waits: `seL4_ReplyRecv`.
#[inline(always)]
pub fn reply_recv(r: Registers, reply: Word) -> Registers {
    with_reply(syscall::REPLY_RECV, r, reply)
}

/// Sends without waiting, then waits: `seL4_NBSendRecv`.
#[inline(always)]
pub fn send_recv(target: Word, info: Word, endpoint: Word, reply: Word) -> Registers {
    let mut r = Registers { target: endpoint, info, ..Registers::default() };
    system_call!(syscall::NB_SEND_RECV, r, in("r12") reply, in("r13") target);
    r
}

/// Whom a passive domain tells that it can give its time back: the Microkit's
/// monitor, at the address that libmicrokit calls `MONITOR_EP`. It must hear so in
/// the call in which the domain begins to wait.
pub const PASSIVE_SIGNAL: Option<Word> = Some(5);

/// What this kernel switches between virtual CPUs and can be told to set
/// (`src/arch/x86/object/vcpu.c`, `src/arch/x86/64/c_traps.c`).
pub mod vcpu {
    /// It neither switches nor sets CR2.
    pub const CR2_REGISTER: Option<usize> = None;
    /// DR0 to DR3 and DR6 are the same for every guest.
    pub const DEBUG_REGISTERS: bool = false;
    /// IA32_TSC_AUX is nobody's.
    pub const TSC_AUX: bool = false;
    /// IA32_KERNEL_GS_BASE is switched, and only the guest reads and sets it.
    pub const KERNEL_GS_BASE: bool = false;
    /// WriteVMCS refuses the VM-entry instruction length.
    pub const EVENT_INSTRUCTION_LENGTH: bool = false;

    /// The state components (bits of XCR0) that the kernel's XSAVE switches for
    /// threads and guests alike: those that it has switched on for good.
    pub fn extended_state() -> u64 {
        /// CPUID leaf 1, ECX: the kernel uses XSAVE, so XGETBV works.
        const OSXSAVE: u32 = 1 << 27;
        if core::arch::x86_64::__cpuid(1).ecx & OSXSAVE == 0 {
            return 0;
        }
        let (low, high): (u32, u32);
        // SAFETY: XGETBV reads a register and nothing else; CR4.OSXSAVE, without
        // which it is undefined, is set.
        unsafe {
            core::arch::asm!(
                "xgetbv",
                in("ecx") 0,
                out("eax") low,
                out("edx") high,
                options(nomem, nostack, preserves_flags),
            );
        }
        u64::from(high) << 32 | u64::from(low)
    }
}

/// Runs the guest of the calling thread's VCPU until it exits or a notification
/// arrives. The registers are taken even if it returns at once.
#[inline(always)]
pub fn vm_enter(vcpu: Vcpu, entry: &mut VmEntry, registers: EntryRegisters) -> VmReturn {
    match registers {
        EntryRegisters::Kept => {}
        // There is no CR2 to take: `vcpu::CR2_REGISTER`.
        EntryRegisters::FromMessage | EntryRegisters::FromMessageAndCr2 => write_registers(vcpu),
    }
    let mrs = [entry.rip, entry.primary_controls, entry.interruption, 0];
    let r = full(syscall::VM_ENTER, Registers { target: 0, info: 0, mrs });
    returned(entry, r)
}

/// Sets the guest's registers to what the message of its last exit says of them.
/// Their order is the same there and here; in ascending order no word is
/// overwritten before it is read.
#[inline(always)]
fn write_registers(vcpu: Vcpu) {
    const {
        use vcpu_registers::{COUNT, R15, RAX};
        assert!(RAX == 0 && R15 == 14 && COUNT == 15);
        assert!(vmenter::FAULT_RAX > 0 && vmenter::FAULT_R15 - vmenter::FAULT_RAX == R15);
    }
    let ipc = IpcBuffer::current();
    let word = |n: usize| ipc.mr(vmenter::FAULT_RAX + n);
    let mrs = [word(0), word(1), word(2), word(3)];
    // One by one: of a loop the compiler makes a call that copies any length.
    let two = |n: usize| ipc.copy_two(vmenter::FAULT_RAX + n, n);
    two(4);
    two(6);
    two(8);
    two(10);
    two(12);
    ipc.set_mr(14, word(14));
    let label = invocation::X86_VCPU_WRITE_REGISTERS as Word;
    let info = MessageInfo::new(label, vcpu_registers::COUNT as u8).pack();
    // Sent and not called, which is cheaper, because it cannot fail: the message has
    // its length, and if no VCPU is there VMEnter fails next.
    send(Registers { target: vcpu.address(), info, mrs });
}
