//! Events to deliver: what an exit interrupted, exceptions, NMI, interrupts,
//! and the windows that are asked for when one must wait.
//!
//! Not here: where interrupts come from ([`crate::interrupts`]). The surprising
//! fact: reading whether an exit interrupted a delivery costs a kernel call, and
//! most exits cannot have done so. An instruction that exits (CPUID, IN, RDMSR,
//! HLT) began after every earlier delivery was complete; interrupts and windows
//! are taken between instructions. Only an exception, a task switch and an EPT
//! fault can lie inside a delivery (Intel SDM vol. 3C, 28.2.4), so only their
//! handlers read the IDT-vectoring field.

use crate::cpu::{Cpu, Event, Exception, StateField};
use crate::exit::{EventKind, InterruptionInfo};
use crate::types::Vector;

/// RFLAGS.IF.
pub const RFLAGS_IF: u64 = 1 << 9;
/// RFLAGS.TF.
pub const RFLAGS_TF: u64 = 1 << 8;

/// RFLAGS.RF.
pub const RFLAGS_RF: u64 = 1 << 16;

/// Blocking by STI (Intel SDM vol. 3C, table 25-3).
pub const BLOCKING_STI: u32 = 1 << 0;
/// Blocking by MOV SS.
pub const BLOCKING_MOV_SS: u32 = 1 << 1;
/// Blocking by SMI.
pub const BLOCKING_SMI: u32 = 1 << 2;
/// Blocking by NMI.
pub const BLOCKING_NMI: u32 = 1 << 3;

/// BS of the pending debug exceptions (Intel SDM vol. 3C, table 25-4).
pub const PENDING_DEBUG_BS: u64 = 1 << 14;

/// Where the guest stands between two instructions: what it can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Boundary {
    /// RFLAGS.IF.
    interrupts_enabled: bool,
    /// Interruptibility.
    blocking: u32,
    /// A single-step trap is pending, which comes before any interrupt.
    trap_pending: bool,
}

impl Boundary {
    /// As the CPU stands now. After an exit that costs nothing, because RFLAGS
    /// and interruptibility came along, unless the guest single-steps.
    pub fn of(cpu: &mut impl Cpu) -> Self {
        let rflags = cpu.state(StateField::Rflags);
        Boundary {
            interrupts_enabled: rflags & RFLAGS_IF != 0,
            blocking: low(cpu.state(StateField::Interruptibility)),
            trap_pending: rflags & RFLAGS_TF != 0
                && cpu.state(StateField::PendingDebug) & PENDING_DEBUG_BS != 0,
        }
    }

    /// RFLAGS.IF.
    pub const fn interrupts_enabled(&self) -> bool {
        self.interrupts_enabled
    }

    /// A single-step trap is pending.
    pub const fn trap_pending(&self) -> bool {
        self.trap_pending
    }

    /// NMIs are blocked until the guest's IRET.
    pub const fn nmi_blocked(&self) -> bool {
        self.blocking & BLOCKING_NMI != 0
    }

    /// Blocks NMIs, or lets them through, from now on.
    pub fn set_nmi_blocked(&mut self, cpu: &mut impl Cpu, blocked: bool) {
        let others = self.blocking & !BLOCKING_NMI;
        let wanted = if blocked { others | BLOCKING_NMI } else { others };
        if wanted != self.blocking {
            self.blocking = wanted;
            cpu.set_state(StateField::Interruptibility, u64::from(wanted));
        }
    }

    /// Whether an interrupt can be injected now.
    const fn takes_interrupt(&self) -> bool {
        self.interrupts_enabled
            && !self.trap_pending
            && self.blocking & (BLOCKING_STI | BLOCKING_MOV_SS) == 0
    }

    /// Whether an NMI can be injected now. STI blocks NMIs on some processors,
    /// and VM entry then refuses them (Intel SDM vol. 3C, 27.3.1.5).
    const fn takes_nmi(&self) -> bool {
        !self.trap_pending
            && self.blocking & (BLOCKING_STI | BLOCKING_MOV_SS | BLOCKING_SMI | BLOCKING_NMI) == 0
    }
}

/// Where external interrupts and NMIs come from: the interrupt fabric.
pub trait InterruptSource {
    /// Whether the processor would be interrupted if it let itself be.
    fn interrupt_pending(&mut self) -> bool;

    /// The processor takes the interrupt: acknowledges it and learns its vector.
    fn acknowledge(&mut self) -> Option<Vector>;

    /// Takes the pending NMI, if there is one.
    fn take_nmi(&mut self) -> bool;
}

/// Classes of exception (Intel SDM vol. 3A, table 6-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

const fn class(vector: Vector) -> Class {
    match vector.0 {
        // #DE, #TS, #NP, #SS, #GP, #CP.
        0 | 10..=13 | 21 => Class::Contributory,
        // #PF, #VE.
        14 | 20 => Class::PageFault,
        8 => Class::DoubleFault,
        _ => Class::Benign,
    }
}

/// What comes of an exception while an event is being delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combined {
    /// Deliver the exception, and the event later.
    Both,
    /// Deliver the exception; the instruction brings the event back.
    ExceptionOnly,
    /// Deliver a double fault instead of both.
    DoubleFault,
    /// The processor shuts down.
    TripleFault,
}

/// What comes of `exception` during the delivery of `first` (Intel SDM vol. 3A,
/// table 6-5).
pub fn combine(first: InterruptionInfo, exception: Vector) -> Combined {
    let first_class = match first.kind() {
        EventKind::HardwareException => class(first.vector()),
        // Interrupts and NMIs are benign, and nothing brings them back.
        EventKind::Interrupt | EventKind::Nmi => return Combined::Both,
        // INT n, INT3, INTO, INT1 run again when the handler returns to them.
        EventKind::SoftwareInterrupt
        | EventKind::PrivilegedSoftwareException
        | EventKind::SoftwareException
        | EventKind::Reserved => return Combined::ExceptionOnly,
    };
    match (first_class, class(exception)) {
        (Class::DoubleFault, Class::Contributory | Class::PageFault | Class::DoubleFault) => {
            Combined::TripleFault
        }
        (Class::Contributory, Class::Contributory)
        | (Class::PageFault, Class::Contributory | Class::PageFault) => Combined::DoubleFault,
        (
            Class::Benign | Class::Contributory | Class::PageFault | Class::DoubleFault,
            Class::Benign | Class::Contributory | Class::PageFault | Class::DoubleFault,
        ) => Combined::ExceptionOnly,
    }
}

/// The guest must shut down: an exception while it delivered a double fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TripleFault;

/// Events that wait for delivery, besides those that wait in the fabric.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Events {
    /// What this exit interrupted. Gone before the next entry.
    interrupted: Option<Event>,
    /// What the handler of this exit raised. Gone before the next entry.
    exception: Option<Exception>,
    /// An NMI that the fabric gave up and the guest could not take yet. One is
    /// latched, as in a processor.
    nmi: bool,
    /// An interrupt that the fabric gave up, whose delivery an exception
    /// prevented. It comes before those that the fabric still holds.
    interrupt: Option<Vector>,
    /// What the last entry was asked to deliver; needed if that entry never
    /// happened.
    given: Option<Event>,
}

impl Events {
    /// What the last entry that was to deliver anything was given: what it should have
    /// delivered, if it did not happen.
    pub const fn given(&self) -> Option<Event> {
        self.given
    }

    /// Reads whether this exit interrupted a delivery, and keeps that event for
    /// the next entry.
    ///
    /// # Returns
    /// The event, if there is one.
    pub fn take_interrupted(
        &mut self,
        cpu: &mut impl Cpu,
        instruction_length: u32,
    ) -> Option<InterruptionInfo> {
        let info = InterruptionInfo(low(cpu.state(StateField::IdtVectoringInfo))).valid()?;
        let error_code = if info.has_error_code() {
            low(cpu.state(StateField::IdtVectoringErrorCode))
        } else {
            0
        };
        self.interrupted = Some(Event::Redeliver {
            info: info.0 & REDELIVERED_BITS,
            error_code,
            instruction_length,
        });
        Some(info)
    }

    /// Raises an exception.
    ///
    /// # Errors
    /// It came while a double fault was being delivered.
    pub fn raise(&mut self, exception: Exception) -> Result<(), TripleFault> {
        let Some(Event::Redeliver { info, .. }) = self.interrupted.take() else {
            self.exception = Some(exception);
            return Ok(());
        };
        let info = InterruptionInfo(info);
        match combine(info, exception.vector()) {
            Combined::Both => {
                if info.kind() == EventKind::Nmi {
                    self.nmi = true;
                } else {
                    self.interrupt = Some(info.vector());
                }
                self.exception = Some(exception);
            }
            Combined::ExceptionOnly => self.exception = Some(exception),
            Combined::DoubleFault => self.exception = Some(Exception::DoubleFault),
            Combined::TripleFault => return Err(TripleFault),
        }
        Ok(())
    }

    /// Whether anything waits here for delivery.
    pub const fn wait(&self) -> bool {
        self.nmi
            || self.interrupt.is_some()
            || self.exception.is_some()
            || self.interrupted.is_some()
    }

    /// Whether an NMI waits here.
    pub const fn nmi_waits(&self) -> bool {
        self.nmi
    }

    /// The guest was entered without a look at its state, after a notification:
    /// asks for windows for whatever is pending. The exit that a window causes
    /// brings RFLAGS and interruptibility along, which would otherwise be two
    /// kernel calls.
    pub fn ask_windows(&mut self, cpu: &mut impl Cpu, source: &mut impl InterruptSource) {
        self.nmi |= source.take_nmi();
        cpu.set_interrupt_window(self.interrupt.is_some() || source.interrupt_pending());
        cpu.set_nmi_window(self.nmi);
    }

    /// Chooses what the next entry delivers (Intel SDM vol. 3A, table 6-2), and
    /// asks for the windows that what remains needs.
    pub fn choose(
        &mut self,
        cpu: &mut impl Cpu,
        boundary: &mut Boundary,
        source: &mut impl InterruptSource,
    ) -> Option<Event> {
        self.nmi |= source.take_nmi();
        self.given = self.first(cpu, boundary, source);
        // Something may still be pending: of higher priority than what was just
        // taken, or of a kind that the guest does not take now.
        cpu.set_interrupt_window(self.interrupt.is_some() || source.interrupt_pending());
        cpu.set_nmi_window(self.nmi);
        self.given
    }

    fn first(
        &mut self,
        cpu: &mut impl Cpu,
        boundary: &mut Boundary,
        source: &mut impl InterruptSource,
    ) -> Option<Event> {
        if let Some(exception) = self.exception.take() {
            set_resume_flag(cpu, exception);
            return Some(Event::Exception(exception));
        }
        if let Some(event) = self.interrupted.take() {
            if let Event::Redeliver { info, .. } = event
                && InterruptionInfo(info).kind() == EventKind::Nmi
            {
                // The processor blocked NMIs when it began to deliver this one,
                // and refuses to inject it while they are blocked.
                boundary.set_nmi_blocked(cpu, false);
            }
            return Some(event);
        }
        if self.nmi && boundary.takes_nmi() {
            self.nmi = false;
            return Some(Event::Nmi);
        }
        if !boundary.takes_interrupt() {
            return None;
        }
        let vector = match self.interrupt.take() {
            Some(vector) => vector,
            None if source.interrupt_pending() => source.acknowledge()?,
            None => return None,
        };
        Some(Event::Interrupt(vector))
    }
}

/// A fault pushes RFLAGS with RF set, so that a breakpoint on the instruction
/// does not strike again when the handler returns to it (Intel SDM vol. 3B,
/// 18.3.1.1). An injected one pushes what the guest's RFLAGS holds.
fn set_resume_flag(cpu: &mut impl Cpu, exception: Exception) {
    let fault = match exception {
        Exception::InvalidOpcode
        | Exception::StackFault(_)
        | Exception::GeneralProtection(_)
        | Exception::PageFault { .. }
        | Exception::AlignmentCheck => true,
        // #DB may be a trap, and of the two others nobody returns.
        Exception::Debug | Exception::DoubleFault | Exception::MachineCheck => false,
    };
    let rflags = cpu.state(StateField::Rflags);
    if fault && rflags & RFLAGS_RF == 0 {
        cpu.set_state(StateField::Rflags, rflags | RFLAGS_RF);
    }
}

/// Bits of an IDT-vectoring field that an entry field has too: valid, error
/// code, type, vector. Bit 12 is undefined in the one and reserved in the other.
const REDELIVERED_BITS: u32 = 1 << 31 | 0xfff;

const fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

/// The words that deliver an event at VM entry (Intel SDM vol. 3C, table
/// 25-17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryWords {
    /// Interruption information.
    pub info: u32,
    /// Error code; to be written only if there is one.
    pub error_code: Option<u32>,
    /// Instruction length; to be written only for software events.
    pub instruction_length: Option<u32>,
    /// CR2; to be written only for page faults that the VMM raised.
    pub cr2: Option<u64>,
}

impl EntryWords {
    /// Encodes `event`. `protected` says whether CR0.PE is set: in real mode no
    /// exception has an error code, and VM entry checks that (vol. 3C, 27.2.1.3).
    pub fn of(event: Event, protected: bool) -> Self {
        const VALID: u32 = 1 << 31;
        const ERROR_CODE: u32 = 1 << 11;
        const NMI: u32 = 2 << 8;
        const HARDWARE_EXCEPTION: u32 = 3 << 8;
        let plain = |info| EntryWords {
            info: VALID | info,
            error_code: None,
            instruction_length: None,
            cr2: None,
        };
        match event {
            Event::Interrupt(vector) => plain(u32::from(vector.0)),
            Event::Nmi => plain(NMI | 2),
            Event::Exception(exception) => {
                let error_code = exception.error_code().filter(|_| protected);
                let flag = if error_code.is_some() { ERROR_CODE } else { 0 };
                let cr2 = match exception {
                    Exception::PageFault { address, .. } => Some(address),
                    _ => None,
                };
                EntryWords {
                    error_code,
                    cr2,
                    ..plain(HARDWARE_EXCEPTION | flag | u32::from(exception.vector().0))
                }
            }
            Event::Redeliver { info, error_code, instruction_length } => {
                let software = match InterruptionInfo(info).kind() {
                    EventKind::SoftwareInterrupt
                    | EventKind::PrivilegedSoftwareException
                    | EventKind::SoftwareException => true,
                    EventKind::Interrupt
                    | EventKind::Nmi
                    | EventKind::HardwareException
                    | EventKind::Reserved => false,
                };
                EntryWords {
                    error_code: (info & ERROR_CODE != 0).then_some(error_code),
                    instruction_length: software.then_some(instruction_length),
                    ..plain(info & REDELIVERED_BITS)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
