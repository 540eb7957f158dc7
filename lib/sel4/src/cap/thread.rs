//! Threads and the ways they talk.

use super::{caps, invoke};
use crate::{
    IpcBuffer, MessageInfo, Received, Word,
    abi::{
        Registers,
        current::{
            self as abi,
            numbers::{self, invocation},
        },
    },
    error::{Error, Result},
};

caps! {
    /// A thread.
    Tcb,
    /// Where threads rendezvous.
    Endpoint,
    /// Bits that can be signalled.
    Notification,
}

/// A thread's registers, in the order of libsel4's `seL4_UserContext`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserContext {
    /// Instruction pointer.
    pub rip: Word,
    /// Stack pointer.
    pub rsp: Word,
    /// Flags.
    pub rflags: Word,
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15.
    pub general: [Word; 15],
    /// FS base.
    pub tls_base: Word,
}

/// Names of [`UserContext::general`].
pub const GENERAL_NAMES: [&str; 15] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

impl Tcb {
    /// Sets instruction pointer, stack pointer and flags.
    ///
    /// # Safety
    /// If it is a thread of this program, it may run there.
    ///
    /// # Errors
    /// Not a thread.
    pub unsafe fn write_start(self, rip: Word, rsp: Word) -> Result {
        /// Interrupts enabled, bit 1 always set.
        const RFLAGS: Word = 0x202;
        const COUNT: Word = 3;
        invoke(self.0, invocation::TCB_WRITE_REGISTERS, [0, COUNT, rip, rsp, RFLAGS], []).map(drop)
    }

    /// Reads all registers. Does not stop the thread.
    ///
    /// # Errors
    /// Not a thread, or the caller's own.
    pub fn read_registers(self) -> Result<UserContext> {
        const COUNT: usize = numbers::user_context::COUNT;
        let info = MessageInfo::new(invocation::TCB_READ_REGISTERS as Word, 2);
        let reply = abi::call(Registers {
            target: self.0,
            info: info.pack(),
            mrs: [0, COUNT as Word, 0, 0],
        });
        Error::check(MessageInfo::unpack(reply.info).label)?;
        let ipc = IpcBuffer::current();
        let mr = |i| if i < 4 { reply.mrs[i] } else { ipc.mr(i) };
        Ok(UserContext {
            rip: mr(0),
            rsp: mr(1),
            rflags: mr(2),
            general: core::array::from_fn(|i| mr(i + 3)),
            tls_base: mr(COUNT - 1),
        })
    }

    /// Lets the thread run.
    ///
    /// # Errors
    /// Not a thread.
    pub fn resume(self) -> Result {
        invoke(self.0, invocation::TCB_RESUME, [], []).map(drop)
    }

    /// Stops the thread.
    ///
    /// # Errors
    /// Not a thread.
    pub fn suspend(self) -> Result {
        invoke(self.0, invocation::TCB_SUSPEND, [], []).map(drop)
    }
}

impl Notification {
    /// Signals it; never waits.
    #[inline(always)]
    pub fn signal(self) {
        abi::send(Registers { target: self.0, ..Registers::default() });
    }
}

impl Endpoint {
    /// Waits for a message or the bound notification.
    #[inline(always)]
    pub fn recv(self, reply: Word) -> Received {
        received(abi::recv(self.0, reply))
    }

    /// Replies to the last caller with message registers 0 to 3 in `mrs` and
    /// the rest in the IPC buffer, then waits.
    #[inline(always)]
    pub fn reply_recv(self, info: MessageInfo, mrs: [Word; 4], reply: Word) -> Received {
        received(abi::reply_recv(Registers { target: self.0, info: info.pack(), mrs }, reply))
    }

    /// Sends a message without words, waiting for a receiver. What it is sent to may
    /// be any capability whose invocation needs no answer.
    pub fn send(self, info: MessageInfo) {
        abi::send(Registers { target: self.0, info: info.pack(), mrs: [0; 4] });
    }

    /// Sends a message without words to `target`, then waits as
    /// [`recv`](Self::recv): in one kernel call where there is one.
    #[inline(always)]
    pub fn send_recv(self, target: Word, info: MessageInfo, reply: Word) -> Received {
        received(abi::send_recv(target, info.pack(), self.0, reply))
    }

    /// Sends and waits for the reply.
    #[inline(always)]
    pub fn call(self, info: MessageInfo, mrs: [Word; 4]) -> Received {
        received(abi::call(Registers { target: self.0, info: info.pack(), mrs }))
    }
}

fn received(r: Registers) -> Received {
    Received { badge: r.target, info: MessageInfo::unpack(r.info), mrs: r.mrs }
}
