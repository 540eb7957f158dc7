use proptest::prelude::*;

use super::*;

fn parse(reason: u32, qualification: u64) -> Exit {
    ExitMessage { reason, qualification, ..ExitMessage::default() }.parse()
}

#[test]
fn every_reason_of_the_sdm_has_its_variant() {
    // Intel SDM vol. 3D, appendix C, in order. 35, 38, 42 and 71 are not used.
    let expected = [
        (1, Exit::ExternalInterrupt),
        (0, Exit::ExceptionOrNmi),
        (2, Exit::TripleFault),
        (3, Exit::Init),
        (5, Exit::NotRequested(NotRequested::IoSmi)),
        (6, Exit::NotRequested(NotRequested::SmiOther)),
        (7, Exit::InterruptWindow),
        (8, Exit::NmiWindow),
        (10, Exit::Cpuid),
        (11, Exit::Vmx(VmxInstruction::Getsec)),
        (12, Exit::Hlt),
        (13, Exit::Invd),
        (14, Exit::NotRequested(NotRequested::Invlpg)),
        (15, Exit::Rdpmc),
        (16, Exit::NotRequested(NotRequested::Rdtsc)),
        (17, Exit::Hidden(HiddenInstruction::Rsm)),
        (18, Exit::Vmcall),
        (19, Exit::Vmx(VmxInstruction::Vmclear)),
        (20, Exit::Vmx(VmxInstruction::Vmlaunch)),
        (21, Exit::Vmx(VmxInstruction::Vmptrld)),
        (22, Exit::Vmx(VmxInstruction::Vmptrst)),
        (23, Exit::Vmx(VmxInstruction::Vmread)),
        (24, Exit::Vmx(VmxInstruction::Vmresume)),
        (25, Exit::Vmx(VmxInstruction::Vmwrite)),
        (26, Exit::Vmx(VmxInstruction::Vmxoff)),
        (27, Exit::Vmx(VmxInstruction::Vmxon)),
        (31, Exit::Rdmsr),
        (32, Exit::Wrmsr),
        (33, Exit::EntryFailure(EntryFailure::GuestState { detail: 0 })),
        (34, Exit::EntryFailure(EntryFailure::MsrLoading { entry: 0 })),
        (36, Exit::Hidden(HiddenInstruction::Mwait)),
        (37, Exit::NotRequested(NotRequested::MonitorTrapFlag)),
        (39, Exit::Hidden(HiddenInstruction::Monitor)),
        (40, Exit::Pause),
        (41, Exit::EntryFailure(EntryFailure::MachineCheck)),
        (43, Exit::NotRequested(NotRequested::TprBelowThreshold)),
        (44, Exit::NotRequested(NotRequested::ApicAccess)),
        (45, Exit::NotRequested(NotRequested::VirtualizedEoi)),
        (46, Exit::NotRequested(NotRequested::GdtrOrIdtr)),
        (47, Exit::NotRequested(NotRequested::LdtrOrTr)),
        (49, Exit::EptMisconfiguration(Gpa(0))),
        (50, Exit::Vmx(VmxInstruction::Invept)),
        (51, Exit::NotRequested(NotRequested::Rdtscp)),
        (52, Exit::PreemptionTimer),
        (53, Exit::Vmx(VmxInstruction::Invvpid)),
        (54, Exit::Wbinvd),
        (55, Exit::Xsetbv),
        (56, Exit::NotRequested(NotRequested::ApicWrite)),
        (57, Exit::NotRequested(NotRequested::Rdrand)),
        (58, Exit::NotRequested(NotRequested::Invpcid)),
        (59, Exit::Vmx(VmxInstruction::Vmfunc)),
        (60, Exit::Hidden(HiddenInstruction::Encls)),
        (61, Exit::NotRequested(NotRequested::Rdseed)),
        (62, Exit::NotRequested(NotRequested::PageModificationLogFull)),
        (63, Exit::Hidden(HiddenInstruction::Xsaves)),
        (64, Exit::Hidden(HiddenInstruction::Xrstors)),
        (65, Exit::Hidden(HiddenInstruction::Pconfig)),
        (66, Exit::NotRequested(NotRequested::SubPagePermission)),
        (67, Exit::Hidden(HiddenInstruction::Umwait)),
        (68, Exit::Hidden(HiddenInstruction::Tpause)),
        (69, Exit::Hidden(HiddenInstruction::Loadiwkey)),
        (70, Exit::Hidden(HiddenInstruction::Enclv)),
        (72, Exit::NotRequested(NotRequested::EnqcmdPasid)),
        (73, Exit::NotRequested(NotRequested::EnqcmdsPasid)),
        (74, Exit::NotRequested(NotRequested::BusLock)),
        (75, Exit::NotRequested(NotRequested::InstructionTimeout)),
        (76, Exit::Vmx(VmxInstruction::Seamcall)),
        (77, Exit::Vmx(VmxInstruction::Tdcall)),
        (78, Exit::Hidden(HiddenInstruction::Rdmsrlist)),
        (79, Exit::Hidden(HiddenInstruction::Wrmsrlist)),
    ];
    for (reason, exit) in expected {
        assert_eq!(parse(reason, 0), exit, "{reason}");
    }
    for unused in [35, 38, 42, 71, 80, 0xffff] {
        assert_eq!(parse(unused, 0), Exit::Unknown(unused));
    }
    for reason in 0..80 {
        let named = expected.iter().any(|(r, _)| *r == reason);
        let with_qualification = [4, 9, 28, 29, 30, 48].contains(&reason);
        let unused = [35, 38, 42, 71].contains(&reason);
        assert!(named || with_qualification || unused, "{reason} is untested");
    }
}

#[test]
fn a_refused_first_entry_is_not_a_basic_reason() {
    assert_eq!(parse(u32::MAX, u64::MAX), Exit::EntryFailure(EntryFailure::Controls));
    // Bit 31 marks an entry failure where the kernel leaves it in.
    assert_eq!(parse(0x8000_0021, 2), Exit::EntryFailure(EntryFailure::GuestState { detail: 2 }));
}

#[test]
fn an_io_exit_says_what_the_instruction_did() {
    // out dx, al to 0x3f8.
    let io = IoAccess {
        port: Port(0x3f8),
        width: Width::Byte,
        direction: Direction::Out,
        string: false,
        rep: false,
        immediate: false,
    };
    assert_eq!(parse(30, 0x03f8_0000), Exit::Io(io));
    // in eax, 0x71.
    let io = IoAccess {
        port: Port(0x71),
        width: Width::Dword,
        direction: Direction::In,
        immediate: true,
        ..io
    };
    assert_eq!(parse(30, 0x0071_004b), Exit::Io(io));
    // rep insw from 0x1f0.
    let io = IoAccess {
        port: Port(0x1f0),
        width: Width::Word,
        direction: Direction::In,
        string: true,
        rep: true,
        immediate: false,
    };
    assert_eq!(parse(30, 0x01f0_0039), Exit::Io(io));
    for size in [2, 4, 5, 6, 7] {
        assert_eq!(parse(30, size), Exit::MalformedIo(size));
    }
}

#[test]
fn a_control_register_exit_names_both_registers() {
    use ControlRegister::{Cr0, Cr3, Cr4, Cr8};
    let cr = |q| parse(28, q);
    let write = |register, from| Exit::ControlRegister(CrAccess::Write { register, from });
    let read = |register, to| Exit::ControlRegister(CrAccess::Read { register, to });
    assert_eq!(cr(0x000), write(Cr0, Gpr::Rax));
    assert_eq!(cr(0x404), write(Cr4, Gpr::Rsp));
    assert_eq!(cr(0xf08), write(Cr8, Gpr::R15));
    assert_eq!(cr(0x313), read(Cr3, Gpr::Rbx));
    assert_eq!(cr(0x818), read(Cr8, Gpr::R8));
    assert_eq!(cr(0x20), Exit::ControlRegister(CrAccess::Clts));
    assert_eq!(cr(0x1234_0030), Exit::ControlRegister(CrAccess::Lmsw(0x1234)));
    assert_eq!(cr(0x5), Exit::ControlRegister(CrAccess::NoSuchRegister(5)));
}

#[test]
fn a_debug_register_exit_names_both_registers() {
    let dr = DrAccess { register: 7, direction: Direction::Out, gpr: Gpr::Rdi };
    assert_eq!(parse(29, 0x707), Exit::DebugRegister(dr));
    let dr = DrAccess { register: 6, direction: Direction::In, gpr: Gpr::R9 };
    assert_eq!(parse(29, 0x916), Exit::DebugRegister(dr));
}

#[test]
fn a_task_switch_names_selector_and_source() {
    use TaskSwitchSource::{Call, Iret, Jmp, TaskGate};
    for (bits, source) in [(0, Call), (1, Iret), (2, Jmp), (3, TaskGate)] {
        let task = TaskSwitch { selector: 0x28, source };
        assert_eq!(parse(9, bits << 30 | 0x28), Exit::TaskSwitch(task));
    }
}

#[test]
fn an_ept_violation_says_what_was_tried_where() {
    let message = ExitMessage {
        reason: 48,
        qualification: 0x182,
        guest_physical: 0xfee0_00b0,
        ..ExitMessage::default()
    };
    let violation = EptViolation {
        gpa: Gpa(0xfee0_00b0),
        read: false,
        write: true,
        fetch: false,
        mapped: (false, false, false),
        linear_valid: true,
        translated: true,
        nmi_unblocked: false,
    };
    assert_eq!(message.parse(), Exit::EptViolation(violation));
    // A page-table read while fetching, of a page mapped for reading only.
    let message = ExitMessage { qualification: 0x108d, ..message };
    let violation = EptViolation {
        read: true,
        write: false,
        fetch: true,
        mapped: (true, false, false),
        translated: false,
        nmi_unblocked: true,
        ..violation
    };
    assert_eq!(message.parse(), Exit::EptViolation(violation));
}

#[test]
fn interruption_information_splits_into_its_fields() {
    assert_eq!(InterruptionInfo(0x7fff_ffff).valid(), None);
    let info = InterruptionInfo(0x8000_0b0e).valid().unwrap();
    assert_eq!(info.vector(), Vector(14));
    assert_eq!(info.kind(), EventKind::HardwareException);
    assert!(info.has_error_code());
    assert!(!info.nmi_unblocked_by_iret());
    use EventKind::*;
    for (kind, expected) in (0..8).zip([
        Interrupt,
        Reserved,
        Nmi,
        HardwareException,
        SoftwareInterrupt,
        PrivilegedSoftwareException,
        SoftwareException,
        Reserved,
    ]) {
        assert_eq!(InterruptionInfo(kind << 8).kind(), expected);
    }
}

proptest! {
    #[test]
    fn any_words_parse(reason: u32, low in 0u32..100, qualification: u64, guest_physical: u64) {
        for reason in [reason, low] {
            let message =
                ExitMessage { reason, qualification, guest_physical, ..ExitMessage::default() };
            if let Exit::Io(io) = message.parse() {
                prop_assert_ne!(io.width, Width::Qword);
            }
            if let Exit::Unknown(unknown) = message.parse() {
                prop_assert_eq!(unknown, reason & 0xffff);
            }
        }
    }
}
