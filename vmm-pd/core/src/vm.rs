//! A virtual machine: its buses, devices and pending events.
//!
//! The shell's loop over it:
//!
//! ```text
//! let mut vm = Vm::new(setup, cpu.now());
//! boot::...(&mut cpu, &mut memory);
//! loop {
//!     outcome = match cpu.run(event, vm.next_deadline()) {
//!         exit(message)   => vm.exited(&mut cpu, &mut memory, &mut outside, &message),
//!                            // or `handle`, and `settle` where nothing `passes`
//!         notification    => vm.rung(devices), then
//!                            vm.notified(&mut cpu, &mut memory, &mut outside, arrival),
//!     };
//!     match outcome { Resume | Inject(event) | Halt { until } | Stop(why) | Restart(why) }
//! }
//! ```
//!
//! After each exit: devices whose time has come move on, the exit is handled,
//! and what the next entry delivers is chosen. The surprising fact: nothing here
//! asks devices for their deadlines at an exit; a bus asks the one that it touched.
//! Nor does anybody look for something to deliver where nobody touched what it
//! could come from ([`crate::watched`]).

mod devices;

#[cfg(test)]
pub(crate) use devices::Deadlines;
pub(crate) use devices::Timed;
pub use devices::{Devices, NEVER};

use crate::bus::cpuid::{self, Cpuid};
use crate::bus::msr::MsrState;
use crate::cpu::{Cpu, Event};
use crate::debug_registers::DebugRegisters;
use crate::devices::lapic::Trigger;
use crate::devices::rtc::Rtc;
use crate::devices::virtio::{DeviceSet, Models, Virtio, Work};
use crate::dispatch;
pub use crate::dispatch::Next;
use crate::events::{Boundary, Events, InterruptSource};
use crate::exit::ExitMessage;
use crate::interrupts::Interrupts;
use crate::layout::RamSize;
use crate::memory::GuestMemory;
use crate::outcome::{Outcome, Policy, RestartReason};
use crate::outside::Outside;
use crate::paravirtual_eoi::ParavirtualEoi;
use crate::time::TscFrequency;
use crate::types::{Gsi, Ticks, Vector};
use crate::watched::Watched;
use statistics::{Counter, Recorder};

/// What a machine is made from.
pub struct Setup<'a> {
    /// How fast its time passes.
    pub tsc: TscFrequency,
    /// Its RAM.
    pub ram: RamSize,
    /// What its clock starts from: seconds since 1970, UTC.
    pub epoch_seconds: u64,
    /// What becomes of resets and triple faults.
    pub policy: Policy,
    /// CPUID of the host, of a leaf and subleaf.
    pub host_cpuid: &'a mut dyn FnMut(u32, u32) -> cpuid::Leaf,
    /// What the CPU back end can switch on.
    pub switchable: cpuid::Switchable,
    /// Where what happens is counted.
    pub statistics: Recorder,
    /// Its virtio devices.
    pub virtio: Models,
}

impl InterruptSource for Interrupts {
    fn interrupt_pending(&mut self) -> bool {
        self.next_interrupt().is_some()
    }

    fn acknowledge(&mut self) -> Option<Vector> {
        Interrupts::acknowledge(self)
    }

    fn take_nmi(&mut self) -> bool {
        Interrupts::take_nmi(self)
    }
}

/// When a notification reached the VMM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// While the guest ran, or before an entry that had nothing to deliver; or
    /// while the guest was halted.
    Running,
    /// Before the entry: what that should have delivered is still to be.
    BeforeEntry,
}

impl Arrival {
    /// From the entry interruption information that VMEnter hands back: the
    /// processor clears the valid bit at every exit, so a set one was not used.
    pub const fn of(entry_information: u64) -> Self {
        if entry_information & 1 << 31 != 0 { Arrival::BeforeEntry } else { Arrival::Running }
    }
}

/// A machine.
pub struct Vm {
    /// What a bus can lead to.
    pub devices: Devices,
    /// What CPUID says.
    pub cpuid: Cpuid,
    /// Registers that only remember.
    pub msrs: MsrState,
    /// Ends of interrupts without an exit.
    pub eoi: ParavirtualEoi,
    /// What waits for delivery.
    pub events: Watched<Events>,
    /// What happened so far; a restart does not forget it.
    pub statistics: Recorder,
    /// The debug registers, where they are not the processor's.
    pub(crate) debug: Option<DebugRegisters>,
    tsc: TscFrequency,
    policy: Policy,
    restarts: u32,
    /// Where the guest stands while it is halted.
    halted: Option<Boundary>,
    /// What came of the guest where it does not go on ([`Next::End`]).
    pub(crate) end: Option<Outcome>,
}

impl Vm {
    /// A machine after power-on, as firmware would hand it over.
    pub fn new(setup: Setup<'_>, now: Ticks) -> Self {
        let Setup { tsc, ram, epoch_seconds, policy, host_cpuid, switchable, statistics, virtio } =
            setup;
        let cpuid = Cpuid::new(host_cpuid, switchable, tsc);
        let rtc = Rtc::new(tsc, epoch_seconds, now, ram);
        let devices = Devices::new(tsc, &cpuid, rtc, Virtio::new(virtio), now);
        Vm {
            devices,
            msrs: MsrState::new(cpuid.physical_bits()),
            cpuid,
            eoi: ParavirtualEoi::default(),
            events: Watched::new(Events::default()),
            statistics,
            debug: (!switchable.debug_registers).then(DebugRegisters::default),
            tsc,
            policy,
            restarts: 0,
            halted: None,
            end: None,
        }
    }

    /// Back to power-on, for a guest that starts again. The clock keeps its time,
    /// as on a machine with a battery.
    pub fn restart(&mut self, now: Ticks) {
        self.restarts = self.restarts.saturating_add(1);
        self.devices.rtc.reset(now);
        let rtc = Rtc::restore(self.tsc, self.devices.rtc.state().clone());
        self.devices.virtio.restart();
        let none = Virtio::new(Models::default());
        let mut fresh = Devices::new(self.tsc, &self.cpuid, rtc, none, now);
        // The devices stay where they are: they are large, and the stack is not.
        core::mem::swap(&mut fresh.virtio, &mut self.devices.virtio);
        self.devices.passed.restart();
        core::mem::swap(&mut fresh.passed, &mut self.devices.passed);
        self.devices = fresh;
        self.msrs = MsrState::new(self.cpuid.physical_bits());
        self.eoi = ParavirtualEoi::default();
        self.events = Watched::new(Events::default());
        self.debug = self.debug.as_ref().map(|_| DebugRegisters::default());
        self.halted = None;
    }

    /// How often the guest was started again.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What becomes of resets and triple faults.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// What a reset or triple fault comes to.
    pub fn restart_or_stop(&self, reason: RestartReason) -> Outcome {
        self.policy.decide(reason, self.restarts)
    }

    /// The guest exited.
    pub fn exited(
        &mut self,
        cpu: &mut impl Cpu,
        memory: &mut impl GuestMemory,
        outside: &mut impl Outside,
        message: &ExitMessage,
    ) -> Outcome {
        let next = self.handle(cpu, memory, outside, message);
        if self.passes(next) { Outcome::Resume } else { self.settle(next, cpu, memory) }
    }

    /// The guest exited. What comes of it say [`Vm::passes`] and [`Vm::settle`]: an
    /// outcome in memory and a match on it cost a twentieth of the frequent exits.
    #[inline(always)]
    pub fn handle(
        &mut self,
        cpu: &mut impl Cpu,
        memory: &mut impl GuestMemory,
        outside: &mut impl Outside,
        message: &ExitMessage,
    ) -> Next {
        if self.eoi.is_offered() {
            self.eoi.collect(&mut self.devices.interrupts, memory);
        }
        let next = dispatch::handle(self, cpu, memory, outside, message);
        if self.devices.virtio.wanting() {
            self.serve(memory, outside, cpu.now());
        }
        next
    }

    /// These virtio devices have something from outside: the next thing that happens
    /// lets them take it.
    pub fn rung(&mut self, devices: DeviceSet) {
        self.devices.virtio.rung(devices);
    }

    /// Pulls the cables of the guest's network interfaces, or plugs them in; the guest
    /// hears of it when the next thing happens.
    ///
    /// # Returns
    /// How many interfaces there are.
    pub fn set_links(&mut self, up: bool) -> usize {
        self.devices.virtio.set_links(up)
    }

    /// Lets the virtio devices that want it do what they can. Every exit and
    /// notification does; this is for whoever knows that there is more since.
    pub fn serve(&mut self, memory: &mut impl GuestMemory, outside: &mut impl Outside, now: Ticks) {
        let Devices { virtio, interrupts, .. } = &mut self.devices;
        let work = virtio.serve(memory, interrupts, outside, now);
        if work != Work::default() {
            self.statistics.add(Counter::Copied, work.copied);
            self.statistics.add(Counter::Rings, work.rings.into());
        }
        self.devices.touched(Timed::Virtio);
        self.devices.touched(Timed::Interrupts);
    }

    /// Whether the guest goes on as it is, as after nearly every exit:
    /// [`Outcome::Resume`].
    #[inline(always)]
    pub fn passes(&self, next: Next) -> bool {
        next == Next::GoOn && !self.events.touched() && !self.devices.interrupts.touched()
    }

    /// What an exit comes to whose guest does not go on as it is.
    pub fn settle(
        &mut self,
        next: Next,
        cpu: &mut impl Cpu,
        memory: &mut impl GuestMemory,
    ) -> Outcome {
        match next {
            Next::GoOn => self.go_on(cpu, memory),
            Next::Halt => {
                let outcome = dispatch::halt(self, cpu);
                self.eoi.offer(&self.devices.interrupts, memory);
                outcome
            }
            // Whoever said so left one.
            Next::End => self.end.take().unwrap_or(Outcome::Resume),
        }
    }

    /// Something outside happened: the console has bytes or room, a deadline
    /// passed, or nothing at all. Also to be called after a sleep.
    pub fn notified(
        &mut self,
        cpu: &mut impl Cpu,
        memory: &mut impl GuestMemory,
        outside: &mut impl Outside,
        arrival: Arrival,
    ) -> Outcome {
        self.eoi.collect(&mut self.devices.interrupts, memory);
        let outcome = self.wake(cpu, memory, outside, arrival);
        self.eoi.offer(&self.devices.interrupts, memory);
        outcome
    }

    fn wake(
        &mut self,
        cpu: &mut impl Cpu,
        memory: &mut impl GuestMemory,
        outside: &mut impl Outside,
        arrival: Arrival,
    ) -> Outcome {
        self.statistics.add(Counter::Notifications, 1);
        let now = cpu.now();
        self.devices.uart.readable(now, outside);
        self.devices.uart.writable(outside);
        self.devices.advance(now);
        if self.devices.virtio.wanting() {
            self.serve(memory, outside, now);
        }
        if let Some(mut boundary) = self.halted {
            return self.go_on_from(cpu, &mut boundary);
        }
        self.events.ask_windows(cpu, &mut *self.devices.interrupts);
        match (arrival, self.events.given()) {
            (Arrival::BeforeEntry, Some(event)) => Outcome::Inject(event),
            (Arrival::BeforeEntry, None) | (Arrival::Running, _) => Outcome::Resume,
        }
    }

    /// An interrupt of a real device that the guest drives itself arrived. Then call
    /// [`Vm::notified`], and when the guest has ended it ([`Vm::take_ended`]) let the
    /// machine's line interrupt again.
    pub fn line_arrived(&mut self, gsi: Gsi, trigger: Trigger) {
        self.statistics.add(Counter::PassedInterrupts, 1);
        match trigger {
            Trigger::Edge => self.devices.interrupts.pulse_line(gsi),
            Trigger::Level => self.devices.interrupts.hold_line(gsi),
        }
    }

    /// The lines whose level-triggered interrupts the guest has ended, a bit each. To
    /// be asked after every exit that does not pass, and every notification.
    #[inline(always)]
    pub fn take_ended(&mut self) -> u32 {
        if self.devices.interrupts.has_ended() { self.devices.interrupts.take_ended() } else { 0 }
    }

    /// The next moment at which a device has something to do: when the guest is
    /// to exit at the latest.
    #[inline]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let earliest = self.devices.deadlines.earliest;
        (earliest != NEVER).then_some(earliest)
    }

    /// The same as a moment that never comes where there is none.
    #[inline(always)]
    pub fn run_until(&self) -> Ticks {
        self.devices.deadlines.earliest
    }

    /// Lets time pass if a device waits for it.
    pub(crate) fn advance_if_due(&mut self, now: Ticks) {
        if self.devices.deadlines.earliest <= now {
            self.statistics.add(Counter::Deadlines, 1);
            self.devices.advance(now);
        }
    }

    /// What the devices say themselves, to compare.
    #[cfg(test)]
    pub(crate) fn devices_deadline(&self) -> Option<Ticks> {
        let earliest = Timed::ALL.map(|device| self.devices.deadline_of(device));
        let earliest = earliest.into_iter().fold(NEVER, Ticks::min);
        (earliest != NEVER).then_some(earliest)
    }

    /// The guest stands at `boundary` and executes HLT behind it.
    pub(crate) fn halt(&mut self, cpu: &mut impl Cpu, mut boundary: Boundary) -> Outcome {
        self.halted = Some(boundary);
        self.go_on_from(cpu, &mut boundary)
    }

    /// The guest goes on where it stands, and something may wait for delivery.
    fn go_on(&mut self, cpu: &mut impl Cpu, memory: &mut impl GuestMemory) -> Outcome {
        if self.events.wait() || self.devices.interrupts.has_pending() {
            let mut boundary = Boundary::of(cpu);
            let outcome = self.go_on_from(cpu, &mut boundary);
            self.eoi.offer(&self.devices.interrupts, memory);
            return outcome;
        }
        self.eoi.offer(&self.devices.interrupts, memory);
        cpu.set_interrupt_window(false);
        cpu.set_nmi_window(false);
        // An offer is taken back at the next exit, and then made again.
        if !self.devices.interrupts.end_is_silent() {
            self.events.seen();
            self.devices.interrupts.seen();
        }
        Outcome::Resume
    }

    /// Chooses what the next entry delivers, if there is to be an entry.
    pub(crate) fn go_on_from(&mut self, cpu: &mut impl Cpu, boundary: &mut Boundary) -> Outcome {
        if self.devices.interrupts.init_pending() {
            self.devices.interrupts.take_init();
            // It stopped the local APIC's timer.
            self.devices.touched(Timed::Interrupts);
            return self.restart_or_stop(RestartReason::Init);
        }
        match self.events.choose(cpu, boundary, &mut *self.devices.interrupts) {
            Some(event) => {
                if let Event::Interrupt(_) = event {
                    self.statistics.add(Counter::Interrupts, 1);
                }
                self.halted = None;
                Outcome::Inject(event)
            }
            None if self.halted.is_some() => Outcome::Halt { until: self.next_deadline() },
            None => Outcome::Resume,
        }
    }
}

#[cfg(test)]
mod tests;
