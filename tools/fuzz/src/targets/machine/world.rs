//! The guest, its processor and its surroundings.

use arbitrary::Unstructured;
use bulkhead_config::Action;
use statistics::Recorder;
use vmm_core::{
    bus::cpuid::{Leaf, Switchable},
    cpu::{Event, Gpr, SegmentRegister, StateField, testing::FakeCpu},
    devices::virtio::Models,
    events::EntryWords,
    exit::{EventKind, ExitMessage, InterruptionInfo},
    layout::{RamSize, numbers as n},
    memory::GuestMemory,
    outcome::{Outcome, Policy},
    outside::testing::FakeOutside,
    types::{Gpa, Ticks},
    vm::{Arrival, Setup, Vm},
};

use super::{Interrupted, Step, arrival, memory::Counted, rules};
use crate::targets::input::{frequency, take};

/// RAM: the least that a guest can have.
pub(super) const RAM: u64 = n::RAM_MIN;
/// Page tables: one PML4, one PDPT of 1 GiB pages.
const TABLES: u64 = 0x10_0000;
/// Where the guest executes.
const CODE: u64 = 0x1000;

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

/// What the kernel below switches: the embedded one, or that of a Microkit SDK
/// which was built for AVX.
fn switchable(sdk: bool) -> Switchable {
    Switchable {
        rdtscp: !sdk,
        invpcid: true,
        debug_registers: !sdk,
        cr2: !sdk,
        extended_state: if sdk { 7 } else { 0 },
    }
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
            switchable: switchable(mode & 4 != 0),
            statistics: Recorder::host(),
            virtio: Models::default(),
        };
        let mut world = World {
            vm: Vm::new(setup, now),
            cpu: FakeCpu::real_mode(),
            memory: Counted::new(RAM as usize),
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
        self.memory.forget();
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
        let outcome = self.vm.notified(&mut self.cpu, &mut self.memory, &mut self.outside, arrival);
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
}
