//! The message registers of a VM exit.

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::{
    exit::{
        ControlRegister, CrAccess, Direction, DrAccess, EntryFailure, EptViolation, Exit,
        ExitMessage, IoAccess, REASON_ENTRY_REFUSED, TaskSwitch, TaskSwitchSource,
    },
    types::Width,
};

use crate::Target;

pub(super) const TARGET: Target = Target {
    runs: 200_000,
    longest: 40,
    ..Target::new("exit", "message registers parse to what they say", check)
};

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Words {
    reason: u32,
    qualification: u64,
    instruction_length: u32,
    guest_physical: u64,
}

fn check(bytes: &[u8]) {
    let Ok(words) = Words::arbitrary(&mut Unstructured::new(bytes)) else { return };
    // Most reasons are small; let a byte reach each.
    let reason = if words.reason < 0x8000_0000 { words.reason & 0x7f } else { words.reason };
    let message = ExitMessage {
        reason,
        qualification: words.qualification,
        instruction_length: words.instruction_length,
        guest_physical: words.guest_physical,
        ..ExitMessage::default()
    };
    let exit = message.parse();
    let again = message_of(exit, &message);
    assert_eq!(again.parse(), exit, "{message:x?} {again:x?}");
    let meaningful = meaningful(exit);
    assert_eq!(
        again.qualification & meaningful,
        message.qualification & meaningful,
        "{exit:?} lost a part of the qualification {:#x}",
        message.qualification
    );
    if let Exit::Io(IoAccess { width, .. }) = exit {
        assert_ne!(width, Width::Qword);
    }
}

fn direction_bit(direction: Direction) -> u64 {
    match direction {
        Direction::Out => 0,
        Direction::In => 1,
    }
}

/// The words that say what `exit` says: Intel SDM vol. 3C, 28.2.1, read
/// backwards. What has no parameters keeps its words.
fn message_of(exit: Exit, was: &ExitMessage) -> ExitMessage {
    let with = |reason: u32, qualification: u64| ExitMessage { reason, qualification, ..*was };
    match exit {
        Exit::Sipi(vector) => with(4, vector.0.into()),
        Exit::TaskSwitch(TaskSwitch { selector, source }) => {
            let source = match source {
                TaskSwitchSource::Call => 0,
                TaskSwitchSource::Iret => 1,
                TaskSwitchSource::Jmp => 2,
                TaskSwitchSource::TaskGate => 3,
            };
            with(9, u64::from(selector) | source << 30)
        }
        Exit::ControlRegister(access) => with(28, control_register(access, was.qualification)),
        Exit::DebugRegister(DrAccess { register, direction, gpr }) => {
            with(29, u64::from(register) | direction_bit(direction) << 4 | (gpr as u64) << 8)
        }
        Exit::Io(IoAccess { port, width, direction, string, rep, immediate }) => with(
            30,
            (width.bytes() as u64 - 1)
                | direction_bit(direction) << 3
                | u64::from(string) << 4
                | u64::from(rep) << 5
                | u64::from(immediate) << 6
                | u64::from(port.0) << 16,
        ),
        Exit::MalformedIo(qualification) => with(30, qualification),
        Exit::EntryFailure(EntryFailure::Controls) => with(REASON_ENTRY_REFUSED, 0),
        Exit::EntryFailure(EntryFailure::GuestState { detail }) => with(33, detail),
        Exit::EntryFailure(EntryFailure::MsrLoading { entry }) => with(34, entry),
        Exit::EptViolation(v) => {
            ExitMessage { guest_physical: v.gpa.0, ..with(48, ept_violation(v)) }
        }
        Exit::EptMisconfiguration(gpa) => ExitMessage { guest_physical: gpa.0, ..*was },
        Exit::Unknown(reason) => with(reason, was.qualification),
        Exit::ExceptionOrNmi
        | Exit::ExternalInterrupt
        | Exit::TripleFault
        | Exit::Init
        | Exit::InterruptWindow
        | Exit::NmiWindow
        | Exit::Cpuid
        | Exit::Hlt
        | Exit::Invd
        | Exit::Rdpmc
        | Exit::Vmcall
        | Exit::Rdmsr
        | Exit::Wrmsr
        | Exit::EntryFailure(EntryFailure::MachineCheck)
        | Exit::Pause
        | Exit::PreemptionTimer
        | Exit::Wbinvd
        | Exit::Xsetbv
        | Exit::Vmx(_)
        | Exit::Hidden(_)
        | Exit::NotRequested(_) => *was,
    }
}

fn control_register(access: CrAccess, was: u64) -> u64 {
    let number = |register| match register {
        ControlRegister::Cr0 => 0,
        ControlRegister::Cr3 => 3,
        ControlRegister::Cr4 => 4,
        ControlRegister::Cr8 => 8,
    };
    // CLTS and LMSW are CR0's, but any number is read past.
    let kept = was & 15;
    match access {
        CrAccess::Write { register, from } => number(register) | (from as u64) << 8,
        CrAccess::Read { register, to } => number(register) | 1 << 4 | (to as u64) << 8,
        CrAccess::Clts => kept | 2 << 4,
        CrAccess::Lmsw(operand) => kept | 3 << 4 | u64::from(operand) << 16,
        CrAccess::NoSuchRegister(number) => number.into(),
    }
}

fn ept_violation(v: EptViolation) -> u64 {
    let EptViolation {
        gpa: _,
        read,
        write,
        fetch,
        mapped: (readable, writable, executable),
        linear_valid,
        translated,
        nmi_unblocked,
    } = v;
    [
        (read, 0),
        (write, 1),
        (fetch, 2),
        (readable, 3),
        (writable, 4),
        (executable, 5),
        (linear_valid, 7),
        (translated, 8),
        (nmi_unblocked, 12),
    ]
    .into_iter()
    .fold(0, |word, (flag, bit)| word | u64::from(flag) << bit)
}

/// Bits of the qualification that the exit must not lose.
fn meaningful(exit: Exit) -> u64 {
    match exit {
        Exit::Sipi(_) => 0xff,
        Exit::TaskSwitch(_) => 0xc000_ffff,
        Exit::ControlRegister(CrAccess::Write { .. } | CrAccess::Read { .. }) => 0xf3f,
        Exit::ControlRegister(CrAccess::Clts) => 0x30,
        Exit::ControlRegister(CrAccess::Lmsw(_)) => 0xffff_0030,
        Exit::ControlRegister(CrAccess::NoSuchRegister(_)) => 0xf,
        Exit::DebugRegister(_) => 0xf17,
        Exit::Io(_) => 0xffff_007f,
        Exit::MalformedIo(_) => u64::MAX,
        Exit::EntryFailure(
            EntryFailure::GuestState { detail: _ } | EntryFailure::MsrLoading { entry: _ },
        ) => u64::MAX,
        Exit::EptViolation(_) => 0x11bf,
        _ => 0,
    }
}
