//! A test for each row.

mod kernels;
mod memory;
mod survival;
mod waiting;

use super::testing::Bench;
use super::*;
use crate::cpu::Event;
use crate::devices::request::ResetSource;
use crate::types::Vector;

const IF: u64 = 0x202;

fn unhandled(what: Unhandled) -> Outcome {
    Outcome::Stop(StopReason::Unhandled(what))
}

const UD: Outcome = Outcome::Inject(Event::Exception(Exception::InvalidOpcode));
const GP: Outcome = Outcome::Inject(Event::Exception(Exception::GeneralProtection(0)));
#[test]
fn a_guest_reads_its_own_counts_by_cpuid() {
    let mut b = Bench::long_mode();
    let mut ask = |leaf: u64, subleaf: u64| {
        b.cpu.gprs[Gpr::Rax as usize] = leaf;
        b.cpu.gprs[Gpr::Rcx as usize] = subleaf;
        assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
        let [a, bx, d] = [Gpr::Rax, Gpr::Rbx, Gpr::Rdx].map(|r| b.cpu.gprs[r as usize]);
        (bx << 32 | a, d)
    };
    for _ in 0..3 {
        ask(0, 0);
    }
    // The exit that asks is counted.
    assert_eq!(ask(0x4000_0102, 10), (4, 1));
    assert_eq!(ask(0x4000_0102, 30), (0, 1));
    assert_eq!(ask(0x4000_0102, u64::from(u32::MAX)), (0, 1));
    assert_eq!(ask(0x4000_0103, Counter::Recorded as u64), (7, 1));
    assert_eq!(ask(0x4000_0103, 0), (0, 0));
    assert_eq!(ask(0x4000_0103, u64::from(u32::MAX)), (0, 0));
    b.vm.statistics.set(Counter::Asleep, 0x1_2345_6789);
    b.cpu.gprs[Gpr::Rax as usize] = 0x4000_0103;
    b.cpu.gprs[Gpr::Rcx as usize] = Counter::Asleep as u64;
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert_eq!(b.cpu.gprs[Gpr::Rax as usize], 0x2345_6789);
    assert_eq!(b.cpu.gprs[Gpr::Rbx as usize], 1);
}

#[test]
fn cpuid_answers_and_moves_on_without_a_kernel_call() {
    let mut b = Bench::long_mode();
    b.cpu.gprs[0] = 0xdead_beef_4000_0000;
    b.cpu.gprs[1] = u64::MAX;
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert_eq!(b.cpu.rip, 0x1002);
    assert_eq!(b.cpu.gprs[Gpr::Rbx as usize], u64::from(u32::from_le_bytes(*b"KVMK")));
    // RFLAGS and interruptibility came with the exit; nothing else is asked for.
    for field in &b.cpu.reads {
        assert!(matches!(field, StateField::Rflags | StateField::Interruptibility));
    }
    assert!(b.cpu.writes.is_empty());
}

#[test]
fn instructions_that_are_not_offered_are_undefined() {
    let mut b = Bench::long_mode();
    for reason in [
        11, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 36, 39, 50, 53, 55, 59, 60, 63, 64, 65, 67,
        68, 69, 70, 76, 77, 78, 79,
    ] {
        assert_eq!(b.exit(reason, 0, 3), UD, "{reason}");
        assert_eq!(b.cpu.rip, 0x1000, "{reason}");
    }
}

#[test]
fn rdpmc_faults() {
    assert_eq!(Bench::long_mode().exit(15, 0, 2), GP);
}

#[test]
fn cache_instructions_and_pause_do_nothing() {
    for reason in [13, 40, 54] {
        let mut b = Bench::long_mode();
        assert_eq!(b.exit(reason, 0, 2), Outcome::Resume);
        assert_eq!(b.cpu.rip, 0x1002);
    }
}

#[test]
fn exits_that_nobody_asked_for_stop_the_guest() {
    for reason in [
        3, 4, 5, 6, 14, 16, 29, 35, 37, 38, 42, 43, 44, 45, 46, 47, 49, 51, 56, 57, 58, 61, 62, 66,
        71, 72, 73, 74, 75, 80, 0x1234,
    ] {
        let mut b = Bench::long_mode();
        let exit = ExitMessage { reason, ..ExitMessage::default() }.parse();
        let outcome = b.exit(reason, 0, 2);
        assert_eq!(outcome, unhandled(Unhandled::Exit(exit)), "{reason}");
        let Outcome::Stop(why) = outcome else { unreachable!() };
        assert_eq!(why.result(), 103);
    }
}

#[test]
fn entry_failures_stop_the_guest() {
    use crate::exit::EntryFailure::{Controls, GuestState, MachineCheck, MsrLoading};
    for (reason, qualification, failure) in [
        (u32::MAX, u64::MAX, Controls),
        (33, 2, GuestState { detail: 2 }),
        (34, 1, MsrLoading { entry: 1 }),
        (41, 0, MachineCheck),
    ] {
        let outcome = Bench::long_mode().exit(reason, qualification, 0);
        assert_eq!(outcome, unhandled(Unhandled::EntryFailure(failure)));
    }
}

#[test]
fn a_task_switch_stops_the_guest_and_says_so() {
    let outcome = Bench::protected_mode().exit(9, 0xc000_0028, 0);
    let Outcome::Stop(why) = outcome else { panic!("{outcome:?}") };
    let text = std::format!("{why}");
    assert_eq!(text, "hardware task switch by TaskGate to selector 0x28: not supported");
}

#[test]
fn host_events_leave_the_guest_alone() {
    let mut b = Bench::long_mode();
    assert_eq!(b.exit(1, 0, 0), Outcome::Resume);
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0202);
    assert_eq!(b.exit(0, 0, 0), Outcome::Resume);
    assert_eq!(b.vm.statistics.get(Counter::HostNmis), 1);
    assert_eq!(b.cpu.rip, 0x1000);
}

#[test]
fn exceptions_that_were_made_to_exit_are_given_back() {
    for (info, exception) in
        [(0x8000_0301, Exception::Debug), (0x8000_0b11, Exception::AlignmentCheck)]
    {
        let mut b = Bench::long_mode();
        b.cpu.set(StateField::ExitInterruptionInfo, info);
        assert_eq!(b.exit(0, 0, 0), Outcome::Inject(Event::Exception(exception)));
    }
}

#[test]
fn a_debug_exception_ends_what_its_delivery_ends() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0301);
    b.cpu.set(StateField::Dr7, 0x2401);
    b.cpu.set(StateField::DebugControl, 2);
    b.cpu.set(StateField::Interruptibility, 0b1011);
    assert_eq!(b.exit(0, 0, 0), Outcome::Inject(Event::Exception(Exception::Debug)));
    let fields = [StateField::Dr7, StateField::DebugControl, StateField::Interruptibility];
    assert_eq!(fields.map(|field| b.cpu.get(field)), [0x401, 0, 0b1000]);
}

#[test]
fn int1_is_a_debug_exception_behind_itself() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0501);
    assert_eq!(b.exit(0, 0, 1), Outcome::Inject(Event::Exception(Exception::Debug)));
    assert_eq!(b.cpu.rip, 0x1001);
}

#[test]
fn a_fault_of_iret_blocks_nmis_again() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_1b11);
    let _ = b.exit(0, 0, 0);
    assert_eq!(b.cpu.get(StateField::Interruptibility), 8);
}

#[test]
fn alignment_check_during_a_delivery_keeps_the_interrupt() {
    let mut b = Bench::long_mode();
    b.set_rflags(IF);
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0b11);
    b.cpu.set(StateField::IdtVectoringInfo, 0x8000_0031);
    assert_eq!(b.exit(0, 0, 0), Outcome::Inject(Event::Exception(Exception::AlignmentCheck)));
    assert!(b.cpu.interrupt_window);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x31))));
}

#[test]
fn a_machine_check_of_the_host_stops_the_guest() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0312);
    assert_eq!(b.exit(0, 0, 0), unhandled(Unhandled::HostMachineCheck));
}

#[test]
fn other_exceptions_were_not_asked_for() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0b0e);
    assert_eq!(b.exit(0, 0, 0), unhandled(Unhandled::Exception(14)));
}

#[test]
fn a_triple_fault_follows_the_policy() {
    assert_eq!(Bench::long_mode().exit(2, 0, 0), Outcome::Stop(StopReason::TripleFault));
}

#[test]
fn in_and_out_reach_the_devices() {
    let mut b = Bench::long_mode();
    assert_eq!(b.out(0x3f8, 1, 0xff41), Outcome::Resume);
    assert_eq!(b.console.written, b"A");
    assert_eq!(b.cpu.rip, 0x1001);
    assert!(b.cpu.gpr_writes.is_empty(), "OUT changes no register");
    assert_eq!(b.out(0xe9, 1, 0x42), Outcome::Resume);
    assert_eq!(b.console.debug, b"B");
}

#[test]
fn in_changes_only_the_bits_that_it_reads_and_a_dword_clears_the_rest() {
    let mut b = Bench::long_mode();
    // Nothing is at 0x1000: all ones.
    for (width, expected) in
        [(1, 0x1122_3344_5566_77ff), (2, 0x1122_3344_5566_ffff), (4, 0x0000_0000_ffff_ffff)]
    {
        b.cpu.gprs[0] = 0x1122_3344_5566_7788;
        assert_eq!(b.input(0x1000, width), (Outcome::Resume, expected));
    }
    assert_eq!(b.vm.devices.unclaimed_ports, 3);
}

#[test]
fn string_io_goes_through_the_emulator() {
    let mut b = Bench::long_mode();
    // rep outsb from 0x2000, dx = 0xe9.
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0xf3, 0x6e]);
    b.memory.0[0x2000..0x2005].copy_from_slice(b"hello");
    b.cpu.gprs[Gpr::Rcx as usize] = 5;
    b.cpu.gprs[Gpr::Rsi as usize] = 0x2000;
    b.cpu.gprs[Gpr::Rdx as usize] = 0xe9;
    let mut turns = 0;
    while b.cpu.rip == 0x1000 && turns < 5 {
        assert_eq!(b.exit(30, 0xe9 << 16 | 0x30, 2), Outcome::Resume);
        turns += 1;
    }
    assert_eq!(b.console.debug, b"hello");
    assert_eq!(b.cpu.gprs[Gpr::Rcx as usize], 0);
    assert_eq!(b.cpu.rip, 0x1002);
}

#[test]
fn requests_of_devices_end_the_run() {
    let end = |port, width, value| Bench::long_mode().out(port, width, value);
    // ACPI S5: SLP_TYP 5 and SLP_EN in PM1a control.
    assert_eq!(end(0x604, 2, 5 << 10 | 1 << 13), Outcome::Stop(StopReason::PowerOff));
    assert_eq!(end(0xcf9, 1, 6), Outcome::Restart(RestartReason::Reset(ResetSource::ResetControl)));
    assert_eq!(
        end(0x64, 1, 0xfe),
        Outcome::Restart(RestartReason::Reset(ResetSource::KeyboardController))
    );
    assert_eq!(end(0xf4, 1, 3), Outcome::Stop(StopReason::DebugExit(3)));
    assert_eq!(end(0x505, 1, 1), Outcome::Stop(StopReason::GuestPanic));
    assert_eq!(end(0x505, 1, 2), Outcome::Resume);
}

#[test]
fn restarts_are_counted_and_limited() {
    let mut b = Bench::long_mode();
    for n in 1..=2 {
        assert!(matches!(b.out(0xcf9, 1, 6), Outcome::Restart(_)));
        b.vm.restart(Ticks(n));
        assert_eq!(b.vm.restarts(), n as u32);
    }
    let outcome = b.out(0xcf9, 1, 6);
    let last = RestartReason::Reset(ResetSource::ResetControl);
    assert_eq!(outcome, Outcome::Stop(StopReason::RestartLimit { limit: 2, last }));
}

#[test]
fn a_restart_forgets_everything_but_the_clock_and_the_counts() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    let exits = b.vm.statistics.get(Counter::Recorded);
    b.vm.restart(Ticks(5));
    assert_eq!(b.rdmsr(0x1b).1 & 1 << 10, 0, "xAPIC mode again");
    assert_eq!(b.vm.statistics.get(Counter::Recorded), exits + 1);
    assert_eq!(b.vm.next_deadline(), None);
}

#[test]
fn unknown_msrs_fault_and_are_counted() {
    let mut b = Bench::long_mode();
    assert_eq!(b.rdmsr(0x48).0, GP);
    assert_eq!(b.wrmsr(0x49, 1), GP);
    assert_eq!(
        (b.vm.statistics.get(Counter::UnknownMsrs), b.vm.statistics.get(Counter::LastUnknownMsr)),
        (2, 0x49)
    );
    assert_eq!(b.cpu.rip, 0x1000);
}

#[test]
fn rdmsr_splits_its_value() {
    let mut b = Bench::long_mode();
    b.cpu.set(StateField::Pat, 0x0102_0304_0506_0700);
    assert_eq!(b.rdmsr(0x277), (Outcome::Resume, 0x0102_0304_0506_0700));
    assert_eq!(b.cpu.gprs[Gpr::Rdx as usize], 0x0102_0304);
    assert_eq!(b.cpu.rip, 0x1002);
}

#[test]
fn cr8_is_the_task_priority() {
    let mut b = Bench::long_mode();
    b.cpu.gprs[Gpr::Rbx as usize] = 9;
    assert_eq!(b.exit(28, 0x308, 4), Outcome::Resume);
    assert_eq!(b.exit(28, 0x618, 4), Outcome::Resume);
    assert_eq!(b.cpu.gprs[Gpr::Rsi as usize], 9);
    assert_eq!(b.cpu.rip, 0x1008);
    b.cpu.gprs[Gpr::Rbx as usize] = 16;
    assert_eq!(b.exit(28, 0x308, 4), GP);
}

#[test]
fn cr0_runs_again_and_cr4_faults() {
    let mut b = Bench::protected_mode();
    b.cpu.gprs[0] = 0x21;
    assert_eq!(b.exit(28, 0, 3), Outcome::Resume);
    assert_eq!(b.cpu.rip, 0x1000);
    assert_eq!(b.exit(28, 4, 3), GP);
    // Reads, CR3, CLTS, LMSW and what is no control register.
    for q in [0x10, 3, 0x13, 0x14, 0x20, 0x30, 5] {
        let outcome = b.exit(28, q, 3);
        assert!(matches!(outcome, Outcome::Stop(_)), "{q:#x}: {outcome:?}");
    }
}

#[test]
fn eip_wraps_outside_64_bit_mode_only() {
    let mut b = Bench::protected_mode();
    b.cpu.rip = 0xffff_fffe;
    let _ = b.exit(10, 0, 2);
    assert_eq!(b.cpu.rip, 0);
    let mut b = Bench::long_mode();
    b.cpu.rip = 0xffff_fffe;
    let _ = b.exit(10, 0, 2);
    assert_eq!(b.cpu.rip, 0x1_0000_0000);
}

#[test]
fn a_guest_that_sends_itself_init_starts_again() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    // ICR: INIT, assert, to self by its ID.
    let outcome = b.wrmsr(0x830, 5 << 8 | 1 << 14);
    assert_eq!(outcome, Outcome::Restart(RestartReason::Init));
}
