//! The guest's machine and its loop.

use core::fmt;

use bulkhead_config::{ConfigError, Vmm as Config};
use deadline::ClockError;
use sddf::serial::LayoutError;
use sel4_microkit::{ChannelSet, memory_region, memory_region_opt, timestamp_counter};
use shmem::{Read, Region, WordError};
use static_cell::StaticCell;
use statistics::{Counter, Recorder};
use vmm_core::{
    boot::BootError,
    bus::cpuid::Leaf,
    cpu::Cpu,
    layout::{BadRamSize, RamSize},
    outcome::{Outcome, Policy, RestartReason, StopReason, result},
    report,
    time::{LongestRun, TscFrequency},
    vm::{Arrival, Setup, Vm},
};

use crate::{
    CONSOLE, STATUS, TIMER, VCPU,
    guest::Pristine,
    memory::{Image, Ram},
    outside::{ConsoleRegions, Doorbell, rung},
    passed::{self, Lines},
    sleep::{NoTimer, Timer},
    status::Status,
    virtio,
    vtx::{PREEMPTION_TIMER_EXPIRED, Refused, Stopped, Vtx},
};

/// Why there is no machine.
#[derive(Debug)]
pub enum StartError {
    /// The configuration region.
    Config(ConfigError),
    /// The guest's RAM.
    Ram(BadRamSize),
    /// A queue's regions.
    Queue(LayoutError),
    /// The timer.
    Timer(NoTimer),
    /// The page of counters.
    Statistics(WordError),
    /// VT-x.
    Vtx(Refused),
}

macro_rules! from {
    ($($variant:ident($type:ty);)*) => {$(
        impl From<$type> for StartError {
            fn from(e: $type) -> Self {
                StartError::$variant(e)
            }
        }
    )*};
}
from! {
    Config(ConfigError);
    Ram(BadRamSize);
    Queue(LayoutError);
    Timer(NoTimer);
    Vtx(Refused);
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(e) => write!(f, "configuration: {e}"),
            StartError::Ram(e) => write!(f, "{e}"),
            StartError::Queue(e) => write!(f, "queue regions: {e}"),
            StartError::Timer(e) => write!(f, "{e}"),
            StartError::Statistics(e) => write!(f, "statistics region: {e}"),
            StartError::Vtx(e) => write!(f, "{e}"),
        }
    }
}

/// Everything of one guest.
pub struct Machine<'s> {
    cpu: Vtx,
    vm: &'static mut Vm,
    ram: Ram,
    size: RamSize,
    pristine: Pristine,
    doorbell: Doorbell,
    timer: Timer,
    lines: Lines,
    status: &'s mut Status,
    config: Config,
    breach_told: bool,
    /// Whether the network interfaces have a link.
    links: bool,
}

impl<'s> Machine<'s> {
    /// Attaches to everything that the system description grants. To be called once.
    ///
    /// # Errors
    /// Whatever is missing or does not fit.
    pub fn new(status: &'s mut Status) -> Result<Self, StartError> {
        let config: Config =
            bulkhead_config::load(&memory_region!(Read, config_vaddr, config_size))?;
        let console = ConsoleRegions {
            tx_queue: memory_region!(ReadWrite, console_tx_queue_vaddr, console_tx_queue_size),
            tx_data: memory_region!(ReadWrite, console_tx_data_vaddr, console_tx_data_size),
            rx_queue: memory_region!(ReadWrite, console_rx_queue_vaddr, console_rx_queue_size),
            rx_data: memory_region!(Read, console_rx_data_vaddr, console_rx_data_size),
        };
        let doorbell = Doorbell::new(console, CONSOLE)?;
        let timer = Timer::new(
            memory_region_opt!(ReadWrite, deadline_vaddr, deadline_size),
            memory_region_opt!(Read, clock_vaddr, clock_size),
            TIMER,
        )?;
        let ram = Ram::new(memory_region!(ReadWrite, ram_vaddr, ram_size));
        let size = RamSize::new(ram.size())?;
        let kernel: Region<Read> = memory_region!(Read, kernel_vaddr, kernel_size);
        let initrd: Option<Region<Read>> = memory_region_opt!(Read, initrd_vaddr, initrd_size);
        let pristine = Pristine { kernel: Image(kernel), initrd: initrd.map(Image) };
        let page = memory_region!(ReadWrite, statistics_vaddr, statistics_size);
        let statistics =
            Recorder::new(&page, timestamp_counter()).map_err(StartError::Statistics)?;
        let hz = timer.frequency().hz();
        let tsc = TscFrequency::new(hz).ok_or(NoTimer::Clock(ClockError::Implausible { hz }))?;
        let mut cpu = Vtx::new(VCPU, LongestRun::at(tsc))?;
        let setup = Setup {
            tsc,
            ram: size,
            epoch_seconds: config.epoch_seconds,
            policy: Policy::of(&config),
            host_cpuid: &mut host_cpuid,
            switchable: cpu.switchable(),
            statistics,
            virtio: virtio::models(&config, tsc),
        };
        static VM: StaticCell<Vm> = StaticCell::new();
        let vm = VM.init_with(|| Vm::new(setup, cpu.now()));
        cpu.set_cr4_owner(&vm.cpuid);
        Ok(Machine {
            cpu,
            vm,
            ram,
            size,
            pristine,
            doorbell,
            timer,
            lines: Lines::default(),
            status,
            config,
            breach_told: false,
            links: true,
        })
    }

    /// Runs the guest to its end.
    pub fn run(&mut self) {
        self.status.say(format_args!("started"));
        if !self.status.links() {
            self.set_links();
        }
        self.hand_over();
        let mut next = self.start();
        loop {
            next = match next {
                Next::Guest(Outcome::Resume) => self.enter(),
                Next::Guest(Outcome::Inject(event)) => {
                    self.cpu.inject(event);
                    self.enter()
                }
                Next::Guest(Outcome::Halt { until }) => {
                    self.vm.statistics.set(Counter::KernelCalls, self.cpu.calls());
                    self.doorbell.flush();
                    let channels = self.timer.sleep(until, &self.vm.statistics);
                    Next::Guest(self.notified(channels, Arrival::Running))
                }
                Next::Guest(Outcome::Restart(reason)) => self.restart(reason),
                Next::Guest(Outcome::Stop(reason)) => return self.stop(reason),
                Next::BadImage(e) => return self.ended(result::BAD_IMAGE, format_args!("{e}")),
                Next::Refused(e) => return self.ended(result::UNHANDLED, format_args!("{e}")),
            };
        }
    }

    /// Runs the guest until there is something else to do than that.
    fn enter(&mut self) -> Next {
        loop {
            let statistics = &self.vm.statistics;
            if let Err(refused) = self.cpu.prepare(self.vm.run_until(), statistics) {
                return Next::Refused(refused);
            }
            statistics.entering(self.cpu.now().0);
            let outcome = match self.cpu.run() {
                Stopped::Exit(message) => {
                    let Machine { cpu, vm, ram, doorbell, .. } = self;
                    let next = vm.handle(cpu, ram, doorbell, &message);
                    if vm.passes(next) && !doorbell.busy() {
                        continue;
                    }
                    if self.doorbell.busy() {
                        self.attend(message.reason == PREEMPTION_TIMER_EXPIRED);
                    }
                    self.hand_back();
                    if self.vm.passes(next) {
                        Outcome::Resume
                    } else {
                        self.vm.settle(next, &mut self.cpu, &mut self.ram)
                    }
                }
                Stopped::Notified(arrival, channels) => {
                    self.vm.statistics.returned(self.cpu.now().0);
                    let outcome = self.notified(channels, arrival);
                    self.attend(false);
                    outcome
                }
            };
            match outcome {
                Outcome::Resume => {}
                Outcome::Inject(event) => self.cpu.inject(event),
                Outcome::Halt { .. } | Outcome::Restart(_) | Outcome::Stop(_) => {
                    return Next::Guest(outcome);
                }
            }
        }
    }

    /// Gives the guest the real devices that it drives itself. Apart from
    /// [`Machine::new`], whose frame holds all of this several times.
    #[inline(never)]
    fn hand_over(&mut self) {
        let Machine { cpu, vm, status, config, lines, .. } = self;
        passed::hand_over(&config.passthrough, cpu, &mut vm.devices.passed, lines, status);
    }

    /// Notifications arrived, of interrupts perhaps.
    fn notified(&mut self, channels: ChannelSet, arrival: Arrival) -> Outcome {
        self.heed(channels);
        let Machine { cpu, vm, ram, doorbell, lines, .. } = self;
        lines.arrived(channels, vm);
        let outcome = vm.notified(cpu, ram, doorbell, arrival);
        self.hand_back();
        outcome
    }

    /// Lets the machine's lines interrupt again whose interrupts the guest has ended.
    #[inline(always)]
    fn hand_back(&mut self) {
        let ended = self.vm.take_ended();
        if ended != 0 {
            self.lines.ended(ended);
        }
    }

    /// Takes notice of who rang.
    fn heed(&mut self, channels: ChannelSet) {
        self.vm.rung(rung(channels));
        if channels.contains(STATUS) && self.status.links() != self.links {
            self.set_links();
        }
    }

    /// Gives the network interfaces the link that they are to have.
    fn set_links(&mut self) {
        self.links = self.status.links();
        let is = if self.links { "up" } else { "down" };
        match self.vm.set_links(self.links) {
            0 => self.status.say(format_args!("report : there is no network interface to be {is}")),
            _ => self.status.say(format_args!("report : its network is {is}")),
        }
    }

    /// Sees to what the guest's devices left for the outside.
    fn attend(&mut self, everything: bool) {
        let answered = if everything { self.doorbell.flush() } else { self.doorbell.ring() };
        if !answered.is_empty() {
            self.vm.rung(answered);
            // What was answered already reaches the guest with this exit: else it
            // would take an interrupt-window exit of its own.
            self.vm.serve(&mut self.ram, &mut self.doorbell, self.cpu.now());
            self.doorbell.ring();
        }
        if let Some(line) = self.doorbell.take_debug_line() {
            self.status.say(format_args!("debug : {line}"));
        }
        if let Some(complaint) = self.doorbell.take_complaint() {
            self.status.say(format_args!("report : {complaint}"));
        }
        if !self.breach_told
            && let Some(breach) = self.doorbell.breach()
        {
            self.breach_told = true;
            self.status.say(format_args!("report : the console is closed: {breach}"));
        }
        self.doorbell.attended();
    }

    /// Loads the guest and sets its first instruction.
    fn start(&mut self) -> Next {
        let started = self.pristine.start(&self.config, self.size, &mut self.ram, &mut self.cpu);
        match started {
            Ok(start) => {
                self.status.say(format_args!("report : {start}"));
                self.vm.statistics.set(Counter::StartedAt, self.cpu.now().0);
                Next::Guest(Outcome::Resume)
            }
            Err(e) => Next::BadImage(e),
        }
    }

    /// Starts the guest again, from power-on and the pristine images.
    fn restart(&mut self, reason: RestartReason) -> Next {
        self.doorbell.flush();
        self.vm.restart(self.cpu.now());
        self.status.say(format_args!("restarted count={} : {reason}", self.vm.restarts()));
        self.pristine.clear(self.size, &mut self.ram);
        self.lines.listen();
        self.start()
    }

    /// Ends the guest, with a report where that helps.
    fn stop(&mut self, reason: StopReason) {
        let mut lines = self.status.report();
        // Writing status lines cannot fail.
        let _ = if reason.wants_report() {
            report::write(&mut lines, reason, self.vm, &mut self.cpu, &mut self.ram)
        } else {
            report::exits(&mut lines, &self.vm.statistics.snapshot())
        };
        self.ended(reason.result(), format_args!("{reason}"));
    }

    fn ended(&mut self, result: u8, why: fmt::Arguments<'_>) {
        self.vm.statistics.set(Counter::KernelCalls, self.cpu.calls());
        self.vm.statistics.ended(self.cpu.now().0);
        self.doorbell.flush();
        self.status.insist(format_args!("stopped result={result} : {why}"));
    }
}

/// What comes next.
enum Next {
    /// What the core says.
    Guest(Outcome),
    /// The guest cannot be started.
    BadImage(BootError),
    /// The kernel refuses what the VMM asks of the virtual CPU.
    Refused(Refused),
}

/// CPUID of the processor, which a protection domain may execute.
fn host_cpuid(leaf: u32, subleaf: u32) -> Leaf {
    let r = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    Leaf { eax: r.eax, ebx: r.ebx, ecx: r.ecx, edx: r.edx }
}
