//! Waits for faults of protection domains without a parent and reports them.
//! A domain that faulted stays stopped; everything else goes on.
//!
//! The surprising fact: a domain holds its own fault endpoint (this kernel
//! looks it up in the domain's capability space), so it can send messages that
//! look like faults. They carry its own badge, and it is stopped at the first:
//! it can lie about how it ended, once.

use core::fmt;

use sel4::{
    Badge, IpcBuffer, Word,
    abi::current::numbers::{cap_fault, fault, unknown_syscall, user_exception, vm_fault},
    cap::{GENERAL_NAMES, UserContext},
};
use sel4_root_task::{Objects, Status};
use system_spec::{PAGE_SIZE, PageSize};

use crate::{
    construct::{Domain, System},
    window,
};

/// Frames of a stack trace, at most.
const TRACE_MAX: usize = 16;
/// Longest panic message, in bytes; the runtime cuts it there.
const MESSAGE_MAX: usize = 256;
/// In rdi after a panic of `lib/sel4-microkit`; rsi and rdx then hold the
/// message's address and length.
const PANIC_MARK: Word = Word::from_le_bytes(*b"PANICKED");
// Exceptions (Intel SDM vol. 3A, table 6-1).
const DIVIDE_ERROR: Word = 0;
const INVALID_OPCODE: Word = 6;
const GENERAL_PROTECTION: Word = 13;
// Bits of a page fault's error code (Intel SDM vol. 3A, 4.7).
const PRESENT: Word = 1 << 0;
const WRITE: Word = 1 << 1;
/// Result of a guest whose VMM faulted.
const RESULT_VMM_FAULT: u32 = 107;

// Positions in `UserContext::general`.
const RDX: usize = 3;
const RSI: usize = 4;
const RDI: usize = 5;
const RBP: usize = 6;

/// Runs for ever.
pub fn run(system: System, objects: &mut Objects, status: &mut Status) -> ! {
    loop {
        let received = system.fault_endpoint.recv(0);
        let Badge::Fault(index) = Badge::parse(received.badge) else { continue };
        let Some(domain) = system.domains.get(usize::from(index)) else { continue };
        // The first four message registers arrive in processor registers.
        let mr = |n: usize| match received.mrs.get(n) {
            Some(&word) => word,
            None => IpcBuffer::current().mr(n),
        };
        let fault = Fault::parse(received.info.label, mr);
        // The kernel refuses this only for what is not a thread.
        let _ = domain.tcb.suspend();
        report(domain, fault, objects, status);
        // Not answered: the thread stays where it is.
    }
}

/// What the kernel says of a fault.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// An address that is not mapped so.
    Memory { ip: Word, address: Word, fetch: bool, code: Word },
    /// A processor exception.
    Exception { ip: Word, number: Word, code: Word },
    /// A system call that the kernel does not have.
    SystemCall { ip: Word, number: Word },
    /// A capability that is not there.
    Capability { ip: Word, address: Word },
    /// Another kind.
    Other { label: Word },
}

impl Fault {
    fn parse(label: Word, mr: impl Fn(usize) -> Word) -> Self {
        match usize::try_from(label) {
            Ok(fault::VM) => Fault::Memory {
                ip: mr(vm_fault::IP),
                address: mr(vm_fault::ADDRESS),
                fetch: mr(vm_fault::PREFETCH_FAULT) != 0,
                code: mr(vm_fault::FSR),
            },
            Ok(fault::USER_EXCEPTION) => Fault::Exception {
                ip: mr(user_exception::IP),
                number: mr(user_exception::NUMBER),
                code: mr(user_exception::CODE),
            },
            Ok(fault::UNKNOWN_SYSCALL) => Fault::SystemCall {
                ip: mr(unknown_syscall::IP),
                number: mr(unknown_syscall::SYSCALL),
            },
            Ok(fault::CAP) => {
                Fault::Capability { ip: mr(cap_fault::IP), address: mr(cap_fault::ADDRESS) }
            }
            _ => Fault::Other { label },
        }
    }

    fn is_panic(self, registers: &UserContext) -> bool {
        matches!(self, Fault::Exception { number: INVALID_OPCODE, .. })
            && registers.general[RDI] == PANIC_MARK
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Memory { ip, address, fetch, code } => {
                // Without no-execute pages the processor does not tell a fetch
                // from a read; but only a fetch misses its own instruction.
                let access = match (fetch || address == ip, code & WRITE != 0) {
                    (_, true) => "write",
                    (true, false) => "fetch",
                    (false, false) => "read",
                };
                write!(f, "kind=memory access={access} address={address:#x} ip={ip:#x}")
            }
            Fault::Exception { ip, number, code } => {
                write!(f, "kind=exception number={number} code={code:#x} ip={ip:#x}")
            }
            Fault::SystemCall { ip, number } => {
                write!(f, "kind=system-call number={} ip={ip:#x}", number.cast_signed())
            }
            Fault::Capability { ip, address } => {
                write!(f, "kind=capability address={address:#x} ip={ip:#x}")
            }
            Fault::Other { label } => write!(f, "kind=unknown label={label}"),
        }
    }
}

fn report(domain: &Domain, fault: Fault, objects: &mut Objects, status: &mut Status) {
    let name = domain.name;
    let registers = domain.tcb.read_registers().unwrap_or_default();
    let guard = domain.stack_bottom - PAGE_SIZE..domain.stack_bottom;
    let detail = match fault {
        Fault::Memory { address, .. } if guard.contains(&address) => "stack overflow",
        Fault::Memory { code, .. } if code & PRESENT != 0 => "mapped without this right",
        Fault::Memory { .. } => "nothing is mapped there",
        Fault::Exception { .. } if fault.is_panic(&registers) => "panic",
        Fault::Exception { number: DIVIDE_ERROR, .. } => "division by zero or overflow",
        Fault::Exception { number: INVALID_OPCODE, .. } => "invalid opcode",
        Fault::Exception { number: GENERAL_PROTECTION, .. } => "general protection",
        Fault::Exception { .. } => "processor exception",
        Fault::SystemCall { .. } => "no such system call",
        Fault::Capability { .. } => "no such capability",
        Fault::Other { .. } => "fault of a kind this monitor does not know",
    };
    status.line(format_args!("pd {name} fault {fault} : {detail}"));
    if fault.is_panic(&registers) {
        let mut text = [0; MESSAGE_MAX];
        let length = (registers.general[RDX] as usize).min(MESSAGE_MAX);
        for (n, byte) in text[..length].iter_mut().enumerate() {
            let at = registers.general[RSI].wrapping_add(n as Word);
            *byte = read_stack(domain, objects, at & !7)
                .map_or(b'?', |word| word.to_le_bytes()[(at & 7) as usize]);
        }
        for line in text[..length].split(|&b| b == b'\n') {
            let line = core::str::from_utf8(line).unwrap_or("message is not text");
            status.line(format_args!("pd {name} report : {line}"));
        }
    }
    status.line(format_args!(
        "pd {name} report : rip={:#x} rsp={:#x} rflags={:#x}",
        registers.rip, registers.rsp, registers.rflags
    ));
    for (names, values) in GENERAL_NAMES.chunks(5).zip(registers.general.chunks(5)) {
        status.line(format_args!("pd {name} report : {}", Row(names, values)));
    }
    trace(domain, &registers, objects, status);
    if let Some(guest) = domain.guest {
        status.line(format_args!(
            "guest {guest} stopped result={RESULT_VMM_FAULT} : its VMM {name} faulted"
        ));
    }
}

/// Registers side by side.
struct Row<'a>(&'a [&'a str], &'a [Word]);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().zip(self.1).try_for_each(|(name, value)| write!(f, "{name}={value:#x} "))
    }
}

/// Follows frame pointers up the domain's stack. The stack is the domain's and
/// may hold anything: addresses must rise, and stay inside it.
fn trace(domain: &Domain, registers: &UserContext, objects: &mut Objects, status: &mut Status) {
    let mut frame = registers.general[RBP];
    for depth in 0..TRACE_MAX {
        let Some(caller) = read_stack(domain, objects, frame) else { break };
        let Some(ip) = frame.checked_add(8).and_then(|at| read_stack(domain, objects, at)) else {
            break;
        };
        if !(domain.program.0..domain.program.1).contains(&ip) {
            break;
        }
        status.line(format_args!("pd {} report : called from {depth}: {ip:#x}", domain.name));
        if caller <= frame {
            break;
        }
        frame = caller;
    }
}

/// Reads an aligned word of a domain's stack.
fn read_stack(domain: &Domain, objects: &mut Objects, address: Word) -> Option<Word> {
    let offset = address.checked_sub(domain.stack_bottom)?;
    if !address.is_multiple_of(8) {
        return None;
    }
    let frame = domain.stack.get_own(offset / PAGE_SIZE)?;
    let within = (offset % PAGE_SIZE) as usize;
    window::with(objects, frame, PageSize::Small, |page| {
        // SAFETY: the window maps one page, `within` is an aligned offset into
        // it; the domain's thread is stopped, and any bit pattern is a word.
        unsafe { page.wrapping_add(within).cast::<Word>().read_volatile() }
    })
    .ok()
}
