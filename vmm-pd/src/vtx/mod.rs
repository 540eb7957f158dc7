//! The VT-x back end: a virtual CPU that seL4 runs.
//!
//! Everything costs a kernel call except what comes with an exit (registers,
//! RFLAGS, interruptibility, CR3) and what goes with an entry (RIP, primary
//! controls, the event to deliver, and registers changed in place in the exit's
//! message). So state is read when first asked for and kept until the guest
//! runs again.
//!
//! The surprising facts: no call reads general-purpose registers, so after a
//! notification they are unknown until the next exit; and a notification that
//! was pending already keeps the guest from being entered, in which case the
//! event is not delivered and must be offered again ([`Arrival::BeforeEntry`]).

mod entry;
mod fields;
mod state;
mod timer;

use sel4::IpcBuffer;
use sel4_microkit::{
    ChannelSet, IoPort,
    vcpu::{self, EntryRegisters, Return, VmEntry},
};
use vmm_core::{
    bus::cpuid::Switchable, exit::ExitMessage, time::LongestRun, types::Ticks, vm::Arrival,
};

use statistics::{Counter, Recorder};

use fields::MessageWord;
use state::Cache;
use timer::PreemptionTimer;

/// What this kernel or processor does not have, and the VMM asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A VMCS field or model-specific register.
    Field {
        /// Encoding or number.
        field: u32,
        /// The kernel's answer.
        error: sel4::Error,
    },
    /// A page fault at this linear address, which the VMM met when it executed an
    /// instruction for the guest.
    PageFault(u64),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Refused::Field { field, error } => {
                write!(f, "the kernel refuses VMCS field or MSR {field:#x}: {error}")
            }
            Refused::PageFault(address) => write!(
                f,
                "an instruction on a device's registers meets a page fault at {address:#x}, \
                 and this kernel lets nobody set the guest's CR2"
            ),
        }
    }
}

/// Why the guest is not running.
#[derive(Clone, Copy, Debug)]
pub enum Stopped {
    /// It exited.
    Exit(ExitMessage),
    /// Notifications arrived, on these channels.
    Notified(Arrival, ChannelSet),
}

/// One virtual CPU.
#[derive(Debug)]
pub struct Vtx {
    cap: sel4::cap::Vcpu,
    /// Where an exit's message is, asked for once.
    ipc: IpcBuffer,
    entry: VmEntry,
    /// Whether registers were changed, in the message, where the exit put them.
    registers_changed: bool,
    /// Whether CR2 lies there too.
    cr2_changed: bool,
    cache: Cache,
    timer: PreemptionTimer,
    calls: u64,
    /// A guest with a blocked NMI waits, and there is no exit for its end.
    nmi_poll: bool,
    virtual_nmis: bool,
    switchable: Switchable,
    /// The first field that the kernel refused, if it did: the guest must not be
    /// entered. Whoever sets it makes the timer due ([`Vtx::refuse`]).
    refused: Option<Refused>,
}

impl Vtx {
    /// Sets the controls of a new virtual CPU.
    ///
    /// # Errors
    /// The kernel or processor lacks a control that this VMM needs.
    pub fn new(id: u64, longest_run: LongestRun) -> Result<Self, Refused> {
        let mut vtx = Vtx {
            cap: vcpu::vcpu(id),
            ipc: IpcBuffer::current(),
            entry: VmEntry::default(),
            registers_changed: false,
            cr2_changed: false,
            cache: Cache::default(),
            timer: PreemptionTimer::new(longest_run),
            calls: 0,
            nmi_poll: false,
            virtual_nmis: false,
            switchable: Switchable {
                rdtscp: false,
                invpcid: false,
                debug_registers: false,
                cr2: false,
                extended_state: 0,
            },
            refused: None,
        };
        vtx.set_controls();
        vtx.refused.map_or(Ok(vtx), Err)
    }

    /// Lets the guest reach a range of ports itself, without exits.
    ///
    /// # Errors
    /// The description does not grant all of it.
    pub fn enable_io_ports(&mut self, ports: IoPort, first: u16, last: u16) -> sel4::Result {
        self.calls += 1;
        vcpu::enable_io_ports(self.cap, ports, first, last)
    }

    /// What can be switched on for the guest.
    pub fn switchable(&self) -> Switchable {
        self.switchable
    }

    /// Makes the virtual CPU ready to run until `deadline` at the latest; counts are
    /// published now and then.
    ///
    /// # Errors
    /// The kernel refused something since: the guest must not be entered.
    #[inline(always)]
    pub fn prepare(&mut self, deadline: Ticks, statistics: &Recorder) -> Result<(), Refused> {
        if self.timer.is_due(deadline) {
            self.set_timer(deadline)?;
            statistics.set(Counter::KernelCalls, self.calls);
        }
        self.cache.forget();
        Ok(())
    }

    /// Remembers what the kernel refused, for the next entry.
    #[cold]
    fn refuse(&mut self, what: Refused) {
        self.refused.get_or_insert(what);
        self.timer.make_due();
    }

    /// Runs the guest, for which the virtual CPU was prepared, until something
    /// happens.
    #[inline(always)]
    pub fn run(&mut self) -> Stopped {
        let registers = if !self.registers_changed {
            EntryRegisters::Kept
        } else if core::mem::take(&mut self.cr2_changed) {
            EntryRegisters::FromMessageAndCr2
        } else {
            EntryRegisters::FromMessage
        };
        self.registers_changed = false;
        match vcpu::enter(self.cap, &mut self.entry, registers) {
            Return::Notified(channels) => {
                let arrival = Arrival::of(core::mem::take(&mut self.entry.interruption));
                Stopped::Notified(arrival, channels)
            }
            Return::Exit(reason) => {
                self.entry.interruption = 0;
                let word = |w: MessageWord| self.ipc.mr(w as usize);
                let message = ExitMessage {
                    reason,
                    qualification: word(MessageWord::Qualification),
                    instruction_length: word(MessageWord::InstructionLength) as u32,
                    guest_physical: word(MessageWord::GuestPhysical),
                    rflags: word(MessageWord::Rflags),
                    interruptibility: word(MessageWord::Interruptibility) as u32,
                    cr3: word(MessageWord::Cr3),
                };
                self.cache.message(&message);
                if reason == PREEMPTION_TIMER_EXPIRED {
                    self.timer.expired();
                }
                Stopped::Exit(message)
            }
        }
    }
}

/// Basic exit reason of an expired preemption timer: 52 (Intel SDM vol. 3D, appendix C).
pub const PREEMPTION_TIMER_EXPIRED: u32 = 52;
