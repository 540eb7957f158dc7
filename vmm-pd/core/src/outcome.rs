//! What a handled exit comes to, and why a guest ends.

use core::fmt;

use bulkhead_config::Action;

use crate::cpu::Event;
use crate::devices::request::{Request, ResetSource};
use crate::emulate::Refusal;
use crate::exit::{EntryFailure, Exit};
use crate::types::{Gpa, Ticks};

/// What the shell does next. Whatever the exit asked for is done by then: the
/// CPU's registers are set, devices have changed, windows are requested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Outcome {
    /// Enter the guest.
    Resume,
    /// Enter the guest and deliver this event at once.
    Inject(Event),
    /// Do not enter: the guest waits for an interrupt. Sleep until a
    /// notification comes, or until this moment, and then call
    /// [`crate::vm::Vm::notified`].
    Halt {
        /// The next moment at which a device has something to do, if any has.
        until: Option<Ticks>,
    },
    /// Never enter this guest again.
    Stop(StopReason),
    /// Start the guest again from its pristine images: call
    /// [`crate::vm::Vm::restart`], load the images, enter.
    Restart(RestartReason),
}

/// Why a guest starts again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartReason {
    /// It asked.
    Reset(ResetSource),
    /// Its processor sent itself an INIT.
    Init,
    /// It triple-faulted.
    TripleFault,
}

/// Why a guest ends for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// It powered itself off.
    PowerOff,
    /// It wrote its result to the debug-exit port.
    DebugExit(u32),
    /// HLT with interrupts off and no source of NMIs.
    HaltedForGood,
    /// Its kernel panicked and said so.
    GuestPanic,
    /// It triple-faulted and the policy is to stop.
    TripleFault,
    /// It did what this VMM does not do.
    Unhandled(Unhandled),
    /// It was reset or triple-faulted once too often.
    RestartLimit {
        /// The limit.
        limit: u32,
        /// What would have restarted it.
        last: RestartReason,
    },
    /// It asked for a reset and the policy is to stop.
    ResetRefused(RestartReason),
}

/// What this VMM does not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unhandled {
    /// The processor refused to enter the guest.
    EntryFailure(EntryFailure),
    /// An exit that no control of ours asks for, or that does not exist.
    Exit(Exit),
    /// A hardware task switch.
    TaskSwitch(crate::exit::TaskSwitch),
    /// A machine check of the host arrived while the guest ran.
    HostMachineCheck,
    /// An exception exited that our exception bitmap does not name.
    Exception(u8),
    /// Delivery of an event touched an address that is not RAM: the guest's
    /// IDT, GDT, TSS or stack lies there.
    EventDelivery {
        /// The event, as recorded.
        info: u32,
        /// The address.
        gpa: Gpa,
    },
    /// An instruction that touches a device, which the emulator refuses.
    Instruction {
        /// What it touched.
        gpa: Gpa,
        /// Why.
        refusal: Refusal,
    },
    /// A string port instruction that the emulator refuses.
    PortInstruction(Refusal),
}

/// Results that `bulkhead run` hands on as its exit status.
pub mod result {
    /// Power-off.
    pub const POWER_OFF: u8 = 0;
    /// Largest result of the debug-exit port; larger values become this.
    pub const DEBUG_EXIT_MAX: u8 = 99;
    /// Halted for good.
    pub const HALTED: u8 = 100;
    /// The guest panicked.
    pub const GUEST_PANIC: u8 = 101;
    /// Triple fault.
    pub const TRIPLE_FAULT: u8 = 102;
    /// An exit that the VMM does not handle, or an entry failure.
    pub const UNHANDLED: u8 = 103;
    /// Restart limit.
    pub const RESTART_LIMIT: u8 = 104;
    /// Bad image or configuration: the shell's, before there is a guest.
    pub const BAD_IMAGE: u8 = 105;
    /// Reset where the policy says stop.
    pub const RESET_REFUSED: u8 = 106;
}

impl StopReason {
    /// The result that stands for it.
    pub fn result(self) -> u8 {
        match self {
            StopReason::PowerOff => result::POWER_OFF,
            StopReason::DebugExit(v) => {
                u8::try_from(v).unwrap_or(u8::MAX).min(result::DEBUG_EXIT_MAX)
            }
            StopReason::HaltedForGood => result::HALTED,
            StopReason::GuestPanic => result::GUEST_PANIC,
            StopReason::TripleFault => result::TRIPLE_FAULT,
            StopReason::Unhandled(_) => result::UNHANDLED,
            StopReason::RestartLimit { .. } => result::RESTART_LIMIT,
            StopReason::ResetRefused(_) => result::RESET_REFUSED,
        }
    }

    /// Whether the registers and the last exits help whoever reads of it. They
    /// do not where the guest ended as it meant to.
    pub fn wants_report(self) -> bool {
        match self {
            StopReason::PowerOff | StopReason::DebugExit(_) | StopReason::ResetRefused(_) => false,
            StopReason::HaltedForGood
            | StopReason::GuestPanic
            | StopReason::TripleFault
            | StopReason::Unhandled(_)
            | StopReason::RestartLimit { .. } => true,
        }
    }
}

impl fmt::Display for RestartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartReason::Reset(source) => write!(f, "reset by {source}"),
            RestartReason::Init => f.write_str("INIT by the processor to itself"),
            RestartReason::TripleFault => f.write_str("triple fault"),
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::PowerOff => f.write_str("the guest powered itself off"),
            StopReason::DebugExit(v) => write!(f, "the guest ended with result {v}"),
            StopReason::HaltedForGood => f.write_str(
                "the guest halted for good: HLT with interrupts off and no source of NMIs",
            ),
            StopReason::GuestPanic => f.write_str("the guest's kernel panicked"),
            StopReason::TripleFault => f.write_str("the guest triple-faulted"),
            StopReason::Unhandled(what) => write!(f, "{what}"),
            StopReason::RestartLimit { limit, last } => {
                write!(f, "restarted {limit} times, which is the limit; then again: {last}")
            }
            StopReason::ResetRefused(reason) => write!(f, "{reason}; the policy is to stop"),
        }
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Unhandled::EntryFailure(EntryFailure::Controls) => f.write_str(
                "the processor refused the first entry: a VM control is wrong (fault of the VMM)",
            ),
            Unhandled::EntryFailure(EntryFailure::GuestState { detail }) => write!(
                f,
                "the processor refused to enter: guest state is inconsistent (qualification {detail})"
            ),
            Unhandled::EntryFailure(EntryFailure::MsrLoading { entry }) => {
                write!(f, "the processor refused to enter: MSR {entry} of the kernel's load list")
            }
            Unhandled::EntryFailure(EntryFailure::MachineCheck) => {
                f.write_str("machine check during VM entry (fault of the host's hardware)")
            }
            Unhandled::Exit(exit) => write!(f, "an exit that was never asked for: {exit:?}"),
            Unhandled::TaskSwitch(task) => write!(
                f,
                "hardware task switch by {:?} to selector {:#x}: not supported",
                task.source, task.selector
            ),
            Unhandled::HostMachineCheck => {
                f.write_str("machine check while the guest ran (fault of the host's hardware)")
            }
            Unhandled::Exception(vector) => {
                write!(f, "exception {vector} exited, which was never asked for")
            }
            Unhandled::EventDelivery { info, gpa } => write!(
                f,
                "event {info:#x} could not be delivered: its tables or stack lie at {:#x}, which is not RAM",
                gpa.0
            ),
            Unhandled::Instruction { gpa, refusal } => {
                write!(f, "access to {:#x}, which is not RAM: {refusal}", gpa.0)
            }
            Unhandled::PortInstruction(refusal) => write!(f, "port access: {refusal}"),
        }
    }
}

/// What the policy makes of a reset or triple fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// On a reset.
    pub on_reset: Action,
    /// On a triple fault.
    pub on_triple_fault: Action,
    /// Restarts after which the guest is stopped all the same; 0: no limit.
    pub restart_limit: u32,
}

impl Policy {
    /// The policy that a guest's configuration states.
    pub fn of(config: &bulkhead_config::Vmm) -> Self {
        Policy {
            on_reset: config.on_reset,
            on_triple_fault: config.on_triple_fault,
            restart_limit: config.restart_limit,
        }
    }

    /// What to do on `reason`, after so many restarts.
    pub fn decide(self, reason: RestartReason, restarts: u32) -> Outcome {
        let (action, stop) = match reason {
            RestartReason::Reset(_) | RestartReason::Init => {
                (self.on_reset, StopReason::ResetRefused(reason))
            }
            RestartReason::TripleFault => (self.on_triple_fault, StopReason::TripleFault),
        };
        match action {
            Action::Stop => Outcome::Stop(stop),
            Action::Restart if self.restart_limit != 0 && restarts >= self.restart_limit => {
                Outcome::Stop(StopReason::RestartLimit { limit: self.restart_limit, last: reason })
            }
            Action::Restart => Outcome::Restart(reason),
        }
    }

    /// What to do on a device's request.
    ///
    /// # Returns
    /// Nothing where the guest goes on.
    pub fn answer(self, request: Request, restarts: u32) -> Option<Outcome> {
        match request {
            Request::PowerOff => Some(Outcome::Stop(StopReason::PowerOff)),
            Request::Reset(source) => Some(self.decide(RestartReason::Reset(source), restarts)),
            Request::Exit(v) => Some(Outcome::Stop(StopReason::DebugExit(v))),
            Request::Panicked => Some(Outcome::Stop(StopReason::GuestPanic)),
            // The crash kernel may still power off or reset, and says more then.
            Request::CrashLoaded => None,
        }
    }
}
