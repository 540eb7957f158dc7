//! The guest, its processor and its surroundings.

use arbitrary::Unstructured;
use bulkhead_config::Action;
use statistics::Recorder;
use vmm_core::{
    bus::cpuid::{Leaf, Switchable},
    cpu::{Event, Gpr, SegmentRegister, StateField, testing::FakeCpu},
    events::EntryWords,
    exit::{EventKind, ExitMessage, InterruptionInfo},
    layout::{RamSize, numbers as n},
    memory::{GuestMemory, NotRam, TestMemory},
    outcome::{Outcome, Policy},
    outside::testing::FakeOutside,
    types::{Gpa, Ticks},
    vm::{Arrival, Setup, Vm},
};

use super::{Instruction, Interrupted, Msr, Place, Port, Step, arrival, rules};
use crate::targets::input::{frequency, take};

/// RAM: the least that a guest can have.
pub(super) const RAM: u64 = n::RAM_MIN;
/// Page tables: one PML4, one PDPT of 1 GiB pages.
const TABLES: u64 = 0x10_0000;
/// Where the guest executes.
const CODE: u64 = 0x1000;
/// Accesses to guest memory that one exit may need: 512 elements of a repeated
/// instruction, each with two operands in two pages, and their walks.
const ACCESSES: u32 = 512 * 40;

/// Guest RAM that counts how often it is asked.
pub(super) struct Counted {
    memory: TestMemory,
    accesses: std::cell::Cell<u32>,
}

impl Counted {
    fn count(&self) {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ACCESSES, "one exit needs {ACCESSES} accesses to memory");
    }
}

impl GuestMemory for Counted {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        self.count();
        self.memory.read(gpa, into)
    }
    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        self.count();
        self.memory.write(gpa, from)
    }
    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        self.count();
        self.memory.zero(gpa, length)
    }
    fn is_ram(&self, gpa: Gpa) -> bool {
        self.memory.is_ram(gpa)
    }
}

/// Where the guest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stand {
    /// About to be entered, with this to deliver.
    Entry(Option<Event>),
    /// Asleep.
    Halted { until: Option<Ticks> },
}

pub(super) struct World {
    pub(super) vm: Vm,
    pub(super) cpu: FakeCpu,
    pub(super) memory: Counted,
    pub(super) outside: FakeOutside,
    pub(super) stand: Stand,
    /// An interrupt whose delivery an exception prevented.
    pub(super) owed: Option<u8>,
    mode: u8,
}

impl World {
    pub(super) fn new(bytes: &mut Unstructured<'_>) -> Self {
        let tsc = frequency(bytes);
        let (mode, policy): (u8, u8) = take(bytes);
        let now = match take::<u8>(bytes) {
            0xff => Ticks(u64::MAX - 1_000_000),
            n => Ticks(u64::from(n)),
        };
        let action = |bit: u8| if policy & bit == 0 { Action::Restart } else { Action::Stop };
        let mut host = |_, _| Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX };
        let setup = Setup {
            tsc,
            ram: RamSize::new(RAM).expect("whole pages"),
            epoch_seconds: 1_700_000_000,
            policy: Policy {
                on_reset: action(1),
                on_triple_fault: action(2),
                restart_limit: u32::from(policy >> 4),
            },
            host_cpuid: &mut host,
            switchable: Switchable { rdtscp: true, invpcid: true },
            statistics: Recorder::host(),
        };
        let mut world = World {
            vm: Vm::new(setup, now),
            cpu: FakeCpu::real_mode(),
            memory: Counted {
                memory: TestMemory::new(RAM as usize),
                accesses: std::cell::Cell::new(0),
            },
            outside: FakeOutside { room: 100, ..FakeOutside::new() },
            stand: Stand::Entry(None),
            owed: None,
            mode,
        };
        world.start(now);
        world
    }

    /// The processor and RAM at the guest's first instruction.
    fn start(&mut self, now: Ticks) {
        self.cpu = match self.mode & 3 {
            0 => FakeCpu::real_mode(),
            1 => FakeCpu::protected_mode(),
            _ => FakeCpu::long_mode(TABLES),
        };
        self.cpu.ticks = now;
        self.cpu.rip = CODE;
        self.cpu.gprs[Gpr::Rsp as usize] = 0x8000;
        let mut put = |at: u64, value: u64| {
            let _in_ram = self.memory.memory.write(Gpa(at), &value.to_le_bytes());
        };
        put(TABLES, TABLES + 0x1007);
        for gib in 0..4 {
            put(TABLES + 0x1000 + gib * 8, gib << 30 | 0x87);
        }
        self.stand = Stand::Entry(None);
        self.owed = None;
    }

    /// Does a step.
    ///
    /// # Returns
    /// Whether the guest is still there.
    pub(super) fn take(&mut self, step: Step) -> bool {
        self.memory.accesses.set(0);
        match step {
            Step::Type(byte) => self.outside.type_in(&[byte]),
            Step::Room(bytes) => self.outside.room += usize::from(bytes),
            Step::Pass(pause) => {
                self.cpu.ticks = self.cpu.ticks.saturating_add(pause.ticks());
            }
            Step::Notify(before) => return self.notify(arrival(before)),
            _ if let Stand::Halted { until } = self.stand => {
                // Nothing executes; time passes until somebody wakes the VMM.
                if let Some(until) = until {
                    self.cpu.ticks = self.cpu.ticks.max(until);
                }
                return self.notify(Arrival::Running);
            }
            Step::Exception(vector, Interrupted::Given) => return self.interrupted(vector),
            Step::Flags(bits) => {
                self.enter();
                self.flags(bits);
            }
            Step::Register(gpr, value) => {
                self.enter();
                self.cpu.gprs[usize::from(gpr & 15)] = value;
            }
            Step::Paging(bits) => {
                self.enter();
                self.paging(bits);
            }
            _ => {
                self.enter();
                let message = self.message(step);
                return self.exit(&message);
            }
        }
        true
    }

    /// IF, TF with its pending trap, and what blocks events.
    fn flags(&mut self, bits: u8) {
        let rflags = self.cpu.get(StateField::Rflags) & !0x300;
        let trap = u64::from(bits >> 1 & 1);
        self.cpu.set(StateField::Rflags, rflags | u64::from(bits & 1) << 9 | trap << 8);
        self.cpu.set(StateField::PendingDebug, (trap & u64::from(bits >> 2)) << 14);
        // STI and MOV SS do not block at once.
        let shadow = [0, 1, 2, 0][usize::from(bits >> 3 & 3)];
        // Blocking by NMI ends with IRET only; here, too, by the guest.
        let nmi = self.cpu.get(StateField::Interruptibility) & 8 & !u64::from(bits >> 2 & 8);
        self.cpu.set(StateField::Interruptibility, shadow | nmi);
    }

    /// The guest's own changes to how it translates, and who executes.
    fn paging(&mut self, bits: u8) {
        let cr0 = self.cpu.get(StateField::Cr0);
        self.cpu.set(StateField::Cr0, cr0 & !0x1_0000 | u64::from(bits & 1) << 16);
        let rights = self.cpu.segments[SegmentRegister::Ss as usize].access_rights & !0x60;
        self.cpu.segments[SegmentRegister::Ss as usize].access_rights =
            rights | if bits & 2 != 0 { 0x60 } else { 0 };
        if bits & 0xf0 == 0xf0 {
            self.cpu.set(StateField::Cr3, u64::from(bits) << 20);
        }
    }

    /// The processor delivers what the entry was given.
    fn enter(&mut self) {
        let Stand::Entry(Some(event)) = self.stand else { return };
        self.stand = Stand::Entry(None);
        let rflags = self.cpu.get(StateField::Rflags);
        let blocking = self.cpu.get(StateField::Interruptibility) & 8;
        let nmi = match event {
            Event::Nmi => true,
            Event::Redeliver { info, .. } => InterruptionInfo(info).kind() == EventKind::Nmi,
            Event::Interrupt(_) | Event::Exception(_) => false,
        };
        // Through an interrupt gate: IF, TF and RF are clear in the handler.
        self.cpu.set(StateField::Rflags, rflags & !0x1_0300);
        self.cpu.set(StateField::PendingDebug, 0);
        self.cpu.set(StateField::Interruptibility, blocking | u64::from(nmi) << 3);
        self.cpu.rip = CODE;
    }

    /// The processor begins to deliver what the entry was given, and takes an
    /// exception that we intercept.
    fn interrupted(&mut self, vector: u8) -> bool {
        let Stand::Entry(Some(event)) = self.stand else { return true };
        self.stand = Stand::Entry(None);
        let words = EntryWords::of(event, self.cpu.get(StateField::Cr0) & 1 != 0);
        let info = InterruptionInfo(words.info);
        match info.kind() {
            EventKind::Interrupt => self.owed = Some(info.vector().0),
            EventKind::Nmi => {
                // Blocked as soon as the delivery began; and this one is owed.
                let blocking = self.cpu.get(StateField::Interruptibility);
                self.cpu.set(StateField::Interruptibility, blocking | 8);
                self.cpu.nmi_window = true;
            }
            _ => {}
        }
        let code = words.error_code.unwrap_or(0);
        self.cpu.set(StateField::IdtVectoringInfo, words.info.into());
        self.cpu.set(StateField::IdtVectoringErrorCode, code.into());
        let vector: u8 = if vector & 1 == 0 { 1 } else { 17 };
        self.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0300 | u64::from(vector));
        let message = self.words(0, 0, 0, 0);
        self.exit(&message)
    }

    fn notify(&mut self, arrival: Arrival) -> bool {
        let (arrival, waiting) = match self.stand {
            Stand::Halted { .. } => (Arrival::Running, None),
            // A notification that comes before an entry with nothing to deliver looks
            // like one that came while the guest ran.
            Stand::Entry(Some(event)) if arrival == Arrival::BeforeEntry => (arrival, Some(event)),
            Stand::Entry(_) => {
                self.enter();
                (Arrival::Running, None)
            }
        };
        let before = rules::Before::of(self);
        self.cpu.forget();
        let outcome = self.vm.notified(&mut self.cpu, &mut self.outside, arrival);
        rules::after_notification(self, &before, waiting, &outcome);
        self.follow(outcome)
    }

    fn exit(&mut self, message: &ExitMessage) -> bool {
        let before = rules::Before::of(self);
        self.cpu.forget();
        let outcome = self.vm.exited(&mut self.cpu, &mut self.memory, &mut self.outside, message);
        rules::after_exit(self, &before, message, &outcome);
        // What was interrupted is the last exit's.
        self.cpu.set(StateField::IdtVectoringInfo, 0);
        self.cpu.set(StateField::ExitInterruptionInfo, 0);
        self.follow(outcome)
    }

    /// Does what the shell would.
    fn follow(&mut self, outcome: Outcome) -> bool {
        self.stand = match outcome {
            Outcome::Resume => Stand::Entry(None),
            Outcome::Inject(event) => Stand::Entry(Some(event)),
            Outcome::Halt { until } => Stand::Halted { until },
            Outcome::Stop(reason) => {
                rules::stopped(self, reason);
                return false;
            }
            Outcome::Restart(_) => {
                self.vm.restart(self.cpu.ticks);
                self.start(self.cpu.ticks);
                rules::restarted(self);
                Stand::Entry(None)
            }
        };
        true
    }

    /// The message of an exit that `step` describes; sets registers for it.
    fn message(&mut self, step: Step) -> ExitMessage {
        let mut at = 0;
        let (reason, qualification, length) = match step {
            Step::Out(port, value) => {
                self.cpu.gprs[0] = value.into();
                (30, port.qualification(false), 1)
            }
            Step::In(port) => (30, port.qualification(true), 1),
            Step::StringIo(port, input) => {
                // INSB and OUTSB with REP, between the buffer at RDI or RSI and DX.
                let code = if input { [0xf3, 0x6c] } else { [0xf3, 0x6e] };
                self.put_code(&code);
                self.cpu.gprs[Gpr::Rdx as usize] = port.number().into();
                (30, port.qualification(input) | 0x30, 2)
            }
            Step::Rdmsr(msr) => {
                self.cpu.gprs[Gpr::Rcx as usize] = msr.number().into();
                (31, 0, 2)
            }
            Step::Wrmsr(msr, value) => self.wrmsr(msr.number(), value),
            Step::Apic(register, value) => {
                let write = self.vm.devices.interrupts.lapic_base().is_some();
                if write {
                    at = n::LAPIC + (u64::from(register) << 4);
                    // mov [rdi], eax
                    self.put_code(&[0x89, 0x07]);
                    self.cpu.gprs[0] = value.into();
                    self.cpu.gprs[Gpr::Rdi as usize] = at;
                    (48, 0x182, 2)
                } else {
                    self.wrmsr(0x800 + u32::from(register), value.into())
                }
            }
            Step::Cpuid(leaf, subleaf) => {
                self.cpu.gprs[0] = leaf.into();
                self.cpu.gprs[1] = subleaf.into();
                (10, 0, 2)
            }
            Step::Hlt => (12, 0, 1),
            Step::Expire(at_deadline) => {
                if let Some(deadline) = self.vm.next_deadline().filter(|_| at_deadline) {
                    self.cpu.ticks = self.cpu.ticks.max(deadline);
                }
                (52, 0, 0)
            }
            Step::InterruptWindow => (7, 0, 0),
            Step::NmiWindow => (8, 0, 0),
            Step::Cr(low, high) => (28, u64::from(low) | u64::from(high & 15) << 8, 3),
            Step::Mmio(place, instruction) => {
                at = place.gpa();
                let code = instruction.bytes();
                self.put_code(&code);
                self.cpu.gprs[Gpr::Rdi as usize] = at;
                self.cpu.gprs[Gpr::Rsi as usize] = at;
                (48, if place.write { 0x182 } else { 0x181 }, 0)
            }
            Step::Exception(vector, interrupted) => {
                let vector = [1, 17, 18, vector][usize::from(vector & 3)];
                self.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0300 | u64::from(vector));
                self.cpu.set(StateField::IdtVectoringInfo, self.vectoring(interrupted));
                (0, 0, 1)
            }
            Step::Any(reason, qualification, length) => {
                at = qualification >> 12;
                (u32::from(reason & 0x7f), qualification, u32::from(length & 15))
            }
            Step::Flags(_)
            | Step::Register(..)
            | Step::Paging(_)
            | Step::Notify(_)
            | Step::Type(_)
            | Step::Room(_)
            | Step::Pass(_) => unreachable!("these are no exits"),
        };
        self.words(reason, qualification, length, at)
    }

    fn words(
        &self,
        reason: u32,
        qualification: u64,
        instruction_length: u32,
        guest_physical: u64,
    ) -> ExitMessage {
        ExitMessage {
            reason,
            qualification,
            instruction_length,
            guest_physical,
            rflags: self.cpu.get(StateField::Rflags),
            interruptibility: self.cpu.get(StateField::Interruptibility) as u32,
            cr3: self.cpu.get(StateField::Cr3),
        }
    }

    fn wrmsr(&mut self, msr: u32, value: u64) -> (u32, u64, u32) {
        self.cpu.gprs[Gpr::Rcx as usize] = msr.into();
        self.cpu.gprs[Gpr::Rax as usize] = value & 0xffff_ffff;
        self.cpu.gprs[Gpr::Rdx as usize] = value >> 32;
        (32, 0, 2)
    }

    fn put_code(&mut self, code: &[u8]) {
        // RIP may be anywhere; what is not RAM holds no code.
        let _in_ram = self.memory.memory.write(Gpa(self.cpu.rip), code);
    }

    /// IDT-vectoring information (Intel SDM vol. 3C, table 25-19).
    fn vectoring(&self, interrupted: Interrupted) -> u64 {
        const VALID: u64 = 1 << 31;
        match interrupted {
            Interrupted::Nothing | Interrupted::Given => 0,
            Interrupted::Software(vector) => VALID | 4 << 8 | u64::from(vector),
            Interrupted::Exception(vector) => {
                let vector = vector & 31;
                let pushes = matches!(vector, 8 | 10..=14 | 17 | 21);
                let protected = self.cpu.get(StateField::Cr0) & 1 != 0;
                VALID | 3 << 8 | u64::from(pushes && protected) << 11 | u64::from(vector)
            }
        }
    }
}

/// Ports with something behind them.
const PORTS: [u16; 40] = [
    n::COM1_PORT,
    n::COM1_PORT + 1,
    n::COM1_PORT + 2,
    n::COM1_PORT + 3,
    n::COM1_PORT + 4,
    n::COM1_PORT + 5,
    n::COM1_PORT + 6,
    n::COM1_PORT + 7,
    n::PIC_MASTER_PORT,
    n::PIC_MASTER_PORT,
    n::PIC_MASTER_PORT + 1,
    n::PIC_MASTER_PORT + 1,
    n::PIC_SLAVE_PORT,
    n::PIC_SLAVE_PORT + 1,
    n::ELCR_PORT,
    n::ELCR_PORT + 1,
    n::PIT_PORT,
    n::PIT_PORT,
    n::PIT_PORT + 1,
    n::PIT_PORT + 2,
    n::PIT_PORT + 3,
    n::PIT_PORT + 3,
    n::SYSTEM_CONTROL_B_PORT,
    n::RTC_PORT,
    n::RTC_PORT,
    n::RTC_PORT + 1,
    n::RTC_PORT + 1,
    n::KEYBOARD_DATA_PORT,
    n::KEYBOARD_COMMAND_PORT,
    n::PM1A_EVENT_PORT,
    n::PM1A_EVENT_PORT + 2,
    n::PM1A_CONTROL_PORT,
    n::PM_TIMER_PORT,
    n::GPE0_PORT,
    n::SYSTEM_CONTROL_A_PORT,
    n::DEBUG_CONSOLE_PORT,
    n::PCI_ADDRESS_PORT,
    n::PCI_DATA_PORT,
    n::POST_PORT,
    n::PVPANIC_PORT,
];

impl Port {
    fn number(self) -> u16 {
        match PORTS.get(usize::from(self.known & 63)) {
            Some(port) => *port,
            None => self.any,
        }
    }

    fn qualification(self, input: bool) -> u64 {
        let size = [0, 0, 1, 3][usize::from(self.width & 3)];
        size | u64::from(input) << 3 | u64::from(self.number()) << 16
    }
}

/// MSRs with something behind them: APIC base, TSC deadline, the local APIC's
/// ICR, EOI, timer, TPR and SVR; TSC, MISC_ENABLE, PAT, MTRRs, EFER.
const MSRS: [u32; 24] = [
    0x1b,
    0x6e0,
    0x6e0,
    0x830,
    0x83f,
    0x80b,
    0x80b,
    0x832,
    0x835,
    0x836,
    0x838,
    0x83e,
    0x808,
    0x80f,
    0x10,
    0x3b,
    0x1a0,
    0x277,
    0x2ff,
    0x200,
    0xfe,
    0xc000_0080,
    0x8b,
    0x17,
];

impl Msr {
    fn number(self) -> u32 {
        match MSRS.get(usize::from(self.known & 31)) {
            Some(msr) => *msr,
            None => self.any,
        }
    }
}

impl Place {
    fn gpa(self) -> u64 {
        let page = match self.page & 7 {
            0..4 => n::LAPIC,
            4..6 => n::IOAPIC,
            6 => 0xd000_0000,
            _ => RAM,
        };
        page + u64::from(self.offset & 0xfff)
    }
}

impl Instruction {
    /// A move, a string, an operation on memory at \[RDI], or anything.
    fn bytes(self) -> [u8; 15] {
        const KNOWN: [&[u8]; 15] = [
            &[0x89, 0x07],
            &[0x8b, 0x07],
            &[0xc7, 0x07, 0x40, 0, 0, 0],
            &[0x88, 0x07],
            &[0x8a, 0x07],
            &[0x48, 0x89, 0x07],
            &[0x48, 0x8b, 0x07],
            &[0xf3, 0xab],
            &[0xf3, 0xa5],
            &[0x01, 0x07],
            &[0x87, 0x07],
            &[0xff, 0x37],
            &[0x8f, 0x07],
            &[0x0f, 0xb1, 0x0f],
            &[0xf3, 0xa6],
        ];
        let mut bytes = self.any;
        if let Some(code) = KNOWN.get(usize::from(self.known & 15)) {
            for (byte, known) in bytes.iter_mut().zip(*code) {
                *byte = *known;
            }
        }
        bytes
    }
}
