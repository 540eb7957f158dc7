//! Threads of this program: VMMs that run one guest, and others.
//!
//! They share this task's capability and address space, and none of them uses
//! its IPC buffer from here: a VMM's message registers are read by this task,
//! from outside.

use core::{
    arch::global_asm,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use sel4::{
    Word,
    abi::{
        EntryRegisters, Registers, VmEntry, VmReturn,
        current::{
            self as abi,
            numbers::{ipc_buffer, size_bits, user_context, vmenter},
        },
    },
    cap::{Frame, Notification, ObjectType, Tcb, invoke},
};
use sel4_root_task::init_caps;

use crate::{
    verdict::Verdict,
    vm::OWN_VCPU,
    world::{THREADS, World},
};

/// Priority of all threads but this task's own.
pub const PRIORITY: u8 = 100;

/// Pages of a stack.
const STACK: u64 = 2;

// A thread begins with its function and argument on its stack.
global_asm!(
    ".globl kernel_cases_thread",
    "kernel_cases_thread:",
    "pop rax",
    "pop rdi",
    "xor ebp, ebp",
    "call rax",
    "ud2",
);

unsafe extern "C" {
    safe fn kernel_cases_thread();
}

/// A thread.
#[derive(Clone, Copy, Debug)]
pub struct Thread {
    /// Its number in the case.
    pub number: usize,
    /// Its capability.
    pub tcb: Tcb,
    /// Its IPC buffer, as seen here.
    ipc: *const Word,
}

impl Thread {
    /// A thread that will run `function` with `argument`.
    pub fn new(
        world: &mut World,
        function: extern "C" fn(Word) -> !,
        argument: Word,
    ) -> Verdict<Self> {
        let number = world.thread_number();
        let tcb = Tcb::from_address(world.objects.one(ObjectType::Tcb)?);
        world.enlist(tcb)?;
        let frames = world.objects.many(ObjectType::SmallFrame, STACK + 1)?;
        let page = size_bits::PAGE as u8;
        let ipc_frame = Frame::from_address(frames);
        let ipc = world.window(ipc_frame, page)?.cast::<Word>();
        let mut top = core::ptr::null_mut();
        for n in 1..=STACK {
            top = world.window(Frame::from_address(frames + n), page)?;
        }
        // Two words below the end: what the thread begins with.
        let stack = top.wrapping_add((1 << page) - 2 * size_of::<Word>()).cast::<Word>();
        for (word, value) in
            [(stack, function as *const () as Word), (stack.wrapping_add(1), argument)]
        {
            // SAFETY: in the stack's last page, which was mapped above and
            // belongs to a thread that does not run yet.
            unsafe { word.write_volatile(value) };
        }
        tcb.configure(
            world.faults().address(),
            PRIORITY,
            init_caps::CNODE,
            0,
            init_caps::VSPACE,
            ipc as Word,
            ipc_frame,
        )?;
        // SAFETY: it begins with the code above, on a stack of its own.
        unsafe { tcb.write_start(kernel_cases_thread as *const () as Word, stack as Word)? };
        Ok(Thread { number, tcb, ipc })
    }

    /// Sets the base of FS. The thread is stopped.
    pub fn set_fs_base(self, base: Word) -> Verdict {
        let mut words = [0; 2 + user_context::COUNT];
        let registers = self.tcb.read_registers()?;
        words[1] = user_context::COUNT as Word;
        words[2] = registers.rip;
        words[3] = registers.rsp;
        words[4] = registers.rflags;
        words[5..5 + registers.general.len()].copy_from_slice(&registers.general);
        words[1 + user_context::COUNT] = base;
        let label = abi::numbers::invocation::TCB_WRITE_REGISTERS;
        invoke(self.tcb.address(), label, words, [])?;
        Ok(())
    }

    /// Message register `n` of its last message.
    pub fn message(self, n: usize) -> Word {
        let word = self.ipc.wrapping_add(ipc_buffer::MSG / size_of::<Word>() + n);
        // SAFETY: in the frame that was mapped for it; the kernel writes it.
        unsafe { word.read_volatile() }
    }
}

/// What a VMM is told and tells.
struct Mailbox {
    rip: AtomicU64,
    interruption: AtomicU64,
    go: AtomicU64,
    bell: AtomicU64,
    /// The exit's reason, or [`NOTIFIED`] and the badge.
    reason: AtomicU64,
    badge: AtomicU64,
}

/// For a reason: a notification came instead.
const NOTIFIED: u64 = u64::MAX;

static MAILBOXES: [Mailbox; THREADS] = [const {
    Mailbox {
        rip: AtomicU64::new(0),
        interruption: AtomicU64::new(0),
        go: AtomicU64::new(0),
        bell: AtomicU64::new(0),
        reason: AtomicU64::new(0),
        badge: AtomicU64::new(0),
    }
}; THREADS];

/// Runs its guest until that exits or a notification comes, rings, and waits
/// to be told to go on.
extern "C" fn run_guest(number: Word) -> ! {
    let mail = &MAILBOXES[number as usize];
    loop {
        let mut entry = VmEntry {
            rip: mail.rip.load(SeqCst),
            primary_controls: 0,
            interruption: mail.interruption.load(SeqCst),
        };
        let reason = match abi::vm_enter(OWN_VCPU, &mut entry, EntryRegisters::Kept) {
            VmReturn::Exit(reason) => reason,
            VmReturn::Notification(badge) => {
                mail.badge.store(badge, SeqCst);
                NOTIFIED
            }
        };
        mail.reason.store(reason, SeqCst);
        mail.rip.store(entry.rip, SeqCst);
        let bell = mail.bell.load(SeqCst);
        abi::send(Registers { target: bell, ..Registers::default() });
        abi::recv(mail.go.load(SeqCst), 0);
    }
}

/// What a VMM's thread came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The reason; `None` for a notification.
    pub reason: Option<Word>,
    /// The notification's badge.
    pub badge: Word,
    /// The guest's instruction pointer.
    pub rip: Word,
    /// The exit qualification.
    pub qualification: Word,
    /// The exit's guest-physical address.
    pub address: Word,
    /// Guest registers, in the order of messages: rax rbx rcx rdx rsi rdi rbp,
    /// r8 to r15.
    pub registers: [Word; 15],
}

/// A thread that runs a guest.
#[derive(Clone, Copy, Debug)]
pub struct Runner {
    /// The thread.
    pub thread: Thread,
    go: Notification,
    started: bool,
}

impl Runner {
    /// A new one, without a virtual CPU yet.
    pub fn new(world: &mut World) -> Verdict<Self> {
        let number = world.thread_number();
        let thread = Thread::new(world, run_guest, number as Word)?;
        let go = Notification::from_address(world.objects.one(ObjectType::Notification)?);
        let bell = world.bell(number)?;
        let mail = &MAILBOXES[number];
        mail.go.store(go.address(), SeqCst);
        mail.bell.store(bell.address(), SeqCst);
        mail.interruption.store(0, SeqCst);
        Ok(Runner { thread, go, started: false })
    }

    fn mail(self) -> &'static Mailbox {
        &MAILBOXES[self.thread.number]
    }

    /// Enters the guest at `rip`; it runs when this task next waits.
    pub fn enter(&mut self, rip: Word) -> Verdict {
        self.mail().rip.store(rip, SeqCst);
        if self.started {
            self.go.signal();
        } else {
            self.started = true;
            self.thread.tcb.resume()?;
        }
        Ok(())
    }

    /// Sets the event that the next entries inject; 0 for none.
    pub fn set_interruption(self, information: u32) {
        self.mail().interruption.store(information.into(), SeqCst);
    }

    /// The bit that it rings with.
    pub fn bit(self) -> Word {
        1 << self.thread.number
    }

    /// What it came back with last.
    pub fn exit(self) -> Exit {
        let mail = self.mail();
        let reason = mail.reason.load(SeqCst);
        let message = |n| self.thread.message(n);
        Exit {
            reason: (reason != NOTIFIED).then_some(reason),
            badge: mail.badge.load(SeqCst),
            rip: mail.rip.load(SeqCst),
            qualification: message(vmenter::FAULT_QUALIFICATION),
            address: message(vmenter::FAULT_GUEST_PHYSICAL),
            registers: core::array::from_fn(|n| message(vmenter::FAULT_RAX + n)),
        }
    }
}
