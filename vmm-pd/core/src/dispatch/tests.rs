//! A bench that drives whole exits, and a test for each row.

use std::collections::VecDeque;
use std::vec::Vec;

use bulkhead_config::Action;
use proptest::prelude::*;

use super::*;
use crate::bus::cpuid::{Leaf, Switchable};
use crate::cpu::testing::FakeCpu;
use crate::cpu::{Event, SegmentRegister};
use crate::devices::request::ResetSource;
use crate::layout::RamSize;
use crate::memory::TestMemory;
use crate::outcome::Policy;
use crate::time::TscFrequency;
use crate::types::Gpa;
use crate::vm::{Arrival, Setup};

/// A console that takes everything.
#[derive(Default)]
pub struct Console {
    pub written: Vec<u8>,
    pub debug: Vec<u8>,
    pub typed: VecDeque<u8>,
}

impl Outside for Console {
    fn console_write(&mut self, byte: u8) -> bool {
        self.written.push(byte);
        true
    }

    fn console_read(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }

    fn debug_write(&mut self, byte: u8) {
        self.debug.push(byte);
    }
}

/// A machine with its CPU, RAM and console.
pub struct Bench {
    pub vm: Vm,
    pub cpu: FakeCpu,
    pub memory: TestMemory,
    pub console: Console,
}

const RAM: usize = 4 << 20;
/// Where page tables are: PML4, PDPT, and one directory that maps the first GiB.
const TABLES: u64 = 0x10_0000;

/// In long mode, where the local APIC's page is mapped.
const APIC_LINEAR: u64 = 0xfee0_0000;

impl Bench {
    fn new(cpu: FakeCpu) -> Self {
        let mut host = |_, _| Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX };
        let setup = Setup {
            tsc: TscFrequency::new(100_000_000).unwrap(),
            ram: RamSize::new(RAM as u64).unwrap(),
            epoch_seconds: 1_700_000_000,
            policy: Policy {
                on_reset: Action::Restart,
                on_triple_fault: Action::Stop,
                restart_limit: 2,
            },
            host_cpuid: &mut host,
            switchable: Switchable { rdtscp: true, invpcid: true },
            statistics: statistics::Recorder::host(),
        };
        let vm = Vm::new(setup, Ticks(0));
        Bench { vm, cpu, memory: TestMemory::new(RAM), console: Console::default() }
    }

    pub fn protected_mode() -> Self {
        Self::new(FakeCpu::protected_mode())
    }

    /// 64-bit code, the first four GiB mapped to themselves.
    pub fn long_mode() -> Self {
        let mut bench = Self::new(FakeCpu::long_mode(TABLES));
        let mut put = |at: u64, value: u64| {
            bench.memory.write(Gpa(at), &value.to_le_bytes()).unwrap();
        };
        put(TABLES, TABLES + 0x1003);
        for gib in 0..4 {
            // A page of 1 GiB, present, writable.
            put(TABLES + 0x1000 + gib * 8, gib << 30 | 0x83);
        }
        bench
    }

    /// An exit with this reason, qualification and instruction length.
    pub fn exit(&mut self, reason: u32, qualification: u64, length: u32) -> Outcome {
        self.exit_at(reason, qualification, length, 0)
    }

    fn exit_at(
        &mut self,
        reason: u32,
        qualification: u64,
        instruction_length: u32,
        guest_physical: u64,
    ) -> Outcome {
        let message = ExitMessage {
            reason,
            qualification,
            instruction_length,
            guest_physical,
            rflags: self.cpu.get(StateField::Rflags),
            interruptibility: low(self.cpu.get(StateField::Interruptibility)),
            cr3: self.cpu.get(StateField::Cr3),
        };
        self.cpu.forget();
        let Bench { vm, cpu, memory, console } = self;
        vm.exited(cpu, memory, console, &message)
    }

    pub fn notified(&mut self, arrival: Arrival) -> Outcome {
        self.cpu.forget();
        self.vm.notified(&mut self.cpu, &mut self.memory, &mut self.console, arrival)
    }

    /// OUT to a port.
    pub fn out(&mut self, port: u16, width: u64, value: u64) -> Outcome {
        self.cpu.gprs[0] = value;
        self.exit(30, u64::from(port) << 16 | (width - 1), 1)
    }

    /// IN from a port.
    pub fn input(&mut self, port: u16, width: u64) -> (Outcome, u64) {
        let outcome = self.exit(30, u64::from(port) << 16 | 8 | (width - 1), 1);
        (outcome, self.cpu.gprs[0])
    }

    pub fn wrmsr(&mut self, msr: u64, value: u64) -> Outcome {
        self.cpu.gprs[Gpr::Rcx as usize] = msr;
        self.cpu.gprs[Gpr::Rax as usize] = value & 0xffff_ffff;
        self.cpu.gprs[Gpr::Rdx as usize] = value >> 32;
        self.exit(32, 0, 2)
    }

    fn rdmsr(&mut self, msr: u64) -> (Outcome, u64) {
        self.cpu.gprs[Gpr::Rcx as usize] = msr;
        let outcome = self.exit(31, 0, 2);
        (outcome, self.cpu.gprs[Gpr::Rdx as usize] << 32 | self.cpu.gprs[Gpr::Rax as usize])
    }

    pub fn set_rflags(&mut self, rflags: u64) {
        self.cpu.set(StateField::Rflags, rflags);
    }

    /// x2APIC mode, software-enabled, timer in TSC-deadline mode at this vector.
    pub fn enable_apic(&mut self, vector: u64) {
        assert_eq!(self.wrmsr(0x1b, 0xfee0_0d00), Outcome::Resume);
        assert_eq!(self.wrmsr(0x80f, 0x1ff), Outcome::Resume);
        assert_eq!(self.wrmsr(0x832, 2 << 17 | vector), Outcome::Resume);
    }
}

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
fn halt_sleeps_until_the_deadline_and_wakes_with_the_interrupt() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(IF);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    // sti; hlt: blocking by STI ends with HLT.
    b.cpu.set(StateField::Interruptibility, 1);
    b.cpu.rip = 0x1000;
    assert_eq!(b.exit(12, 0, 1), Outcome::Halt { until: Some(Ticks(5000)) });
    assert_eq!(b.cpu.rip, 0x1001);
    // A notification for nothing goes back to sleep.
    b.cpu.ticks = Ticks(4999);
    assert_eq!(b.notified(Arrival::Running), Outcome::Halt { until: Some(Ticks(5000)) });
    b.cpu.ticks = Ticks(5001);
    assert_eq!(b.notified(Arrival::Running), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.cpu.get(StateField::Interruptibility), 0);
    // Should that entry be prevented, the interrupt is not lost.
    assert_eq!(b.notified(Arrival::BeforeEntry), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
}

#[test]
fn an_interrupt_that_is_pending_at_halt_is_taken_at_once() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    b.set_rflags(IF);
    assert_eq!(b.exit(12, 0, 1), Outcome::Inject(Event::Interrupt(Vector(0x40))));
}

#[test]
fn halting_with_interrupts_off_is_for_good() {
    let mut b = Bench::long_mode();
    b.set_rflags(2);
    assert_eq!(b.exit(12, 0, 1), Outcome::Stop(StopReason::HaltedForGood));
    let mut b = Bench::long_mode();
    b.set_rflags(2);
    b.vm.devices.interrupts.raise_nmi();
    assert_eq!(b.exit(12, 0, 1), Outcome::Inject(Event::Nmi));
}

#[test]
fn a_single_step_over_halt_does_not_halt() {
    let mut b = Bench::long_mode();
    b.set_rflags(IF | 0x100);
    assert_eq!(b.exit(12, 0, 1), Outcome::Resume);
    assert_eq!(b.cpu.get(StateField::PendingDebug), 1 << 14);
}

#[test]
fn a_deadline_reached_while_the_guest_runs_is_delivered() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    assert_eq!(b.vm.next_deadline(), Some(Ticks(5000)));
    b.set_rflags(IF);
    b.cpu.ticks = Ticks(5000);
    assert_eq!(b.exit(52, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.vm.next_deadline(), None);
}

#[test]
fn a_timer_that_runs_out_early_changes_nothing() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    b.cpu.ticks = Ticks(4990);
    assert_eq!(b.exit(52, 0, 0), Outcome::Resume);
    assert_eq!(b.vm.next_deadline(), Some(Ticks(5000)));
}

#[test]
fn an_interrupt_waits_for_its_window() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    b.set_rflags(2);
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    b.set_rflags(IF);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert!(!b.cpu.interrupt_window);
}

#[test]
fn a_notification_while_the_guest_runs_reads_nothing_of_it() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    assert!(b.cpu.reads.is_empty() && b.cpu.writes.is_empty());
}

#[test]
fn typed_bytes_interrupt_the_guest() {
    let mut b = Bench::long_mode();
    // UART: interrupt on data, OUT2. Master 8259: base 0x20, only line 4 open.
    for (port, value) in
        [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xef), (0x3f9, 1), (0x3fc, 0xb)]
    {
        assert_eq!(b.out(port, 1, value), Outcome::Resume);
    }
    b.console.typed.extend(b"x");
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    b.set_rflags(IF);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x24))));
    assert_eq!(b.input(0x3f8, 1).1 & 0xff, u64::from(b'x'));
}

#[test]
fn an_mmio_read_reaches_the_local_apic() {
    let mut b = Bench::long_mode();
    // mov eax, [rbx]; the APIC version register.
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.gprs[Gpr::Rbx as usize] = APIC_LINEAR + 0x30;
    assert_eq!(b.exit_at(48, 0x181, 2, APIC_LINEAR + 0x30), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0] & 0xff, 0x14);
    assert_eq!(b.cpu.rip, 0x1002);
    assert!(!b.cpu.reads.contains(&StateField::IdtVectoringInfo), "a call saved");
}

/// Above 4 GiB there is 64-bit code only, and each of EFER and CS would be a
/// kernel call.
#[test]
fn code_above_4_gib_tells_its_mode_by_its_address() {
    let mut b = Bench::long_mode();
    // The second 512 GiB are the first again.
    let tables = (TABLES + 0x1003).to_le_bytes();
    b.memory.write(Gpa(TABLES + 8), &tables).unwrap();
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.rip = 0x80_0000_1000;
    // Were it asked for, it would say 32-bit code.
    b.cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xc09b;
    assert_eq!(b.exit_at(48, 0x181, 2, APIC_LINEAR + 0x30), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0] & 0xff, 0x14);
    assert_eq!(b.cpu.rip, 0x80_0000_1002);
    assert!(!b.cpu.reads.contains(&StateField::Efer), "{:?}", b.cpu.reads);
}

#[test]
fn addresses_that_are_nothing_read_all_ones() {
    let mut b = Bench::long_mode();
    b.memory.0[0x1000..0x1002].copy_from_slice(&[0x8b, 0x03]);
    b.cpu.gprs[Gpr::Rbx as usize] = 0xd000_0000;
    assert_eq!(b.exit_at(48, 0x181, 2, 0xd000_0000), Outcome::Resume);
    assert_eq!(b.cpu.gprs[0], 0xffff_ffff);
    assert_eq!(b.vm.devices.unclaimed_addresses, 1);
}

#[test]
fn executing_outside_ram_stops_the_guest() {
    let mut b = Bench::long_mode();
    b.cpu.rip = 0xd000_0000;
    let outcome = b.exit_at(48, 0x184, 0, 0xd000_0000);
    let Outcome::Stop(why) = outcome else { panic!("{outcome:?}") };
    assert_eq!(why.result(), 103);
    assert!(std::format!("{why}").contains("executes at guest-physical 0xd0000000"), "{why}");
}

#[test]
fn a_delivery_into_a_device_stops_the_guest() {
    let mut b = Bench::long_mode();
    // hlt: touches nothing, so the access was the delivery's.
    b.memory.0[0x1000] = 0xf4;
    b.cpu.set(StateField::IdtVectoringInfo, 0x8000_0040);
    let gpa = Gpa(0xd000_0ff8);
    let outcome = b.exit_at(48, 0x182, 0, gpa.0);
    assert_eq!(outcome, unhandled(Unhandled::EventDelivery { info: 0x8000_0040, gpa }));
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

/// A segment that VT-x could hold.
fn segments() -> impl Strategy<Value = [crate::cpu::Segment; 8]> {
    prop::array::uniform8((any::<u16>(), any::<u64>(), any::<u32>(), 0u32..0x2_0000).prop_map(
        |(selector, base, limit, access_rights)| crate::cpu::Segment {
            selector,
            base,
            limit,
            access_rights,
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever a guest does and whatever the processor says of it, the VMM
    /// neither panics nor leaves guest memory.
    #[test]
    fn any_exit_of_any_guest_is_survived(
        reason in prop_oneof![0u32..80, any::<u32>()],
        qualification in prop_oneof![any::<u64>(), 0u64..0x2000, (0u64..0x1_0000).prop_map(|p| p << 16)],
        length: u32,
        guest_physical in prop_oneof![any::<u64>(), 0u64..0x1_0000_0000],
        gprs: [u64; 16],
        rip in prop_oneof![any::<u64>(), 0u64..RAM as u64],
        states in prop::array::uniform32(any::<u64>()),
        mode in 0u8..3,
        segments in segments(),
        code in prop::collection::vec(any::<u8>(), 32),
        ticks: u64,
        notify: bool,
    ) {
        let mut b = match mode {
            0 => Bench::new(FakeCpu::real_mode()),
            1 => Bench::protected_mode(),
            _ => Bench::long_mode(),
        };
        let cs = b.cpu.segments[SegmentRegister::Cs as usize];
        if mode == 0 {
            b.cpu.segments = segments;
            for (n, state) in states.into_iter().enumerate() {
                b.cpu.fields.insert(n as u8, state);
            }
        } else {
            b.cpu.set(StateField::Rflags, states[0]);
            b.cpu.set(StateField::Interruptibility, states[1] & 0xf);
            b.cpu.set(StateField::IdtVectoringInfo, states[2]);
            b.cpu.set(StateField::ExitInterruptionInfo, states[3]);
            b.cpu.segments = segments;
            b.cpu.segments[SegmentRegister::Cs as usize] = cs;
        }
        b.cpu.gprs = gprs;
        b.cpu.rip = rip;
        b.cpu.ticks = Ticks(ticks);
        if let Some(at) = usize::try_from(rip).ok().filter(|r| *r < RAM - 32) {
            b.memory.0[at..at + 32].copy_from_slice(&code);
        }
        let outcome = b.exit_at(reason, qualification, length, guest_physical);
        if let Outcome::Stop(why) = outcome {
            let mut text = std::string::String::new();
            crate::report::write(&mut text, why, &b.vm, &mut b.cpu, &mut b.memory).unwrap();
            prop_assert!(!text.is_empty());
        } else if notify {
            let _ = b.notified(Arrival::Running);
        }
        prop_assert_eq!(b.memory.0.len(), RAM);
    }

    /// A hostile driver of every port and MSR: the machine goes on or ends, and
    /// its deadline is never forgotten.
    #[test]
    fn any_sequence_of_port_and_msr_writes_is_survived(
        steps in prop::collection::vec(
            (any::<bool>(), prop_oneof![0u32..0x1000, any::<u32>()], any::<u64>(), 0u64..3, 0u64..1 << 40),
            1..60,
        ),
    ) {
        let mut b = Bench::long_mode();
        b.set_rflags(IF);
        let mut now = 0u64;
        for (port, number, value, width, pause) in steps {
            now += pause;
            b.cpu.ticks = Ticks(now);
            let outcome = if port {
                b.out((number & 0xffff) as u16, 1 << width, value)
            } else {
                b.wrmsr(u64::from(number), value)
            };
            prop_assert_eq!(b.vm.next_deadline(), b.vm.devices_deadline());
            if let Outcome::Restart(_) = outcome {
                b.vm.restart(Ticks(now));
            }
        }
    }
}
