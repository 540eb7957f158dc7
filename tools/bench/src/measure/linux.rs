//! Runs of Linux, as a guest and on the machine itself: what its first process
//! says (`guest-images/bench-init`).

use bulkhead_machine::Config;
use miette::Result;

use crate::{
    BenchError, Samples,
    watch::{Seen, Watch},
};

/// The kernel's command line, and what of it the default system does not have.
pub const COMMAND_LINE: &str = "console=ttyS0 quiet";
pub const APPENDED: &str = "quiet";

/// How often the first process sleeps in [`Phase::Sleeps`]
/// (`guest-images/bench-init/src/ticks.rs`).
pub const SLEEPS: u32 = 100;

/// Requests to the disk at each queue depth (`guest-images/bench-init/src/disk.rs`).
pub const REQUESTS: u32 = 512;

/// A part of a run of Linux as a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// From the guest's first instruction to its first process.
    Boot,
    /// It does nothing for a while.
    Idle,
    /// Its first process sleeps again and again.
    Sleeps,
    /// Its first process computes.
    Busy,
}

impl Phase {
    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Boot => "boot",
            Phase::Idle => "idle",
            Phase::Sleeps => "sleeps",
            Phase::Busy => "busy",
        }
    }

    /// Names of its ticks, ticks in the VMM, ticks asleep, kernel calls, and timer
    /// interrupts.
    const fn values(self) -> [&'static str; 5] {
        match self {
            Phase::Boot => {
                ["boot_ticks", "boot_vmm", "boot_asleep", "boot_calls", "boot_interrupts"]
            }
            Phase::Idle => {
                ["idle_ticks", "idle_vmm", "idle_asleep", "idle_calls", "idle_interrupts"]
            }
            Phase::Sleeps => {
                ["sleeps_ticks", "sleeps_vmm", "sleeps_asleep", "sleeps_calls", "sleeps_interrupts"]
            }
            Phase::Busy => {
                ["busy_ticks", "busy_vmm", "busy_asleep", "busy_calls", "busy_interrupts"]
            }
        }
    }
}

/// What a phase cost, as the VMM counted it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// In all.
    pub ticks: u64,
    /// Of them in the VMM, its kernel calls included.
    pub vmm: u64,
    /// Of them asleep.
    pub asleep: u64,
    /// Kernel calls of the VMM, VMEnter left out.
    pub calls: u64,
    /// Timer interrupts that the guest took.
    pub interrupts: u64,
    /// Exits by reason, the most frequent first.
    pub exits: Vec<(u32, u64)>,
}

impl Counted {
    /// Exits in all.
    pub fn all_exits(&self) -> u64 {
        self.exits.iter().map(|(_, count)| count).sum()
    }

    /// Where the ticks went; `kernel_exit` is what an exit costs the kernel at
    /// least. What an exit costs it beyond that, and other domains, count as the
    /// guest's.
    pub fn split(&self, kernel_exit: Option<u64>) -> Split {
        let kernel = kernel_exit.map(|ticks| self.all_exits().saturating_mul(ticks));
        let others = self.vmm.saturating_add(self.asleep).saturating_add(kernel.unwrap_or(0));
        let guest = self.ticks.saturating_sub(others);
        Split { guest, kernel, vmm: self.vmm, asleep: self.asleep }
    }

    /// Exits for each timer interrupt.
    pub fn exits_per_interrupt(&self) -> f64 {
        self.all_exits() as f64 / self.interrupts.max(1) as f64
    }
}

/// Where ticks went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Split {
    /// In the guest; with the kernel's part where that is not known.
    pub guest: u64,
    /// In the kernel, on the way to the VMM and back.
    pub kernel: Option<u64>,
    /// In the VMM, its kernel calls included.
    pub vmm: u64,
    /// While the guest slept.
    pub asleep: u64,
}

/// What a run of Linux printed.
#[derive(Debug)]
pub struct Linux {
    run: &'static str,
    log: std::path::PathBuf,
    console: String,
    /// The kernel's version.
    pub version: String,
    /// Status lines that are none: the native start's mark.
    marks: Vec<String>,
}

/// Boots it, and waits for its first process's results.
///
/// # Errors
/// They do not come.
pub fn boot(watch: &Watch, config: Config) -> Result<Linux> {
    let said = |seen: &Seen, word: &str| seen.has_line(&format!("{word} linux"));
    let refused = |seen: &Seen| seen.marks.iter().any(|mark| mark.contains(' '));
    let seen =
        watch.until(config, |seen| said(seen, "ok") || said(seen, "FAIL") || refused(seen))?;
    let console = seen.console();
    let line = |word: &str| {
        console.lines().find_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()))
    };
    if let Some(mark) = seen.marks.iter().find(|mark| mark.contains(' ')) {
        return Err(watch.failed(mark.clone(), &seen).into());
    }
    if let Some(reason) = line("FAIL linux") {
        return Err(watch.failed(format!("its first process says: {reason}"), &seen).into());
    }
    let Some(version) = line("kernel ") else {
        return Err(watch.failed("it does not say its version".into(), &seen).into());
    };
    let (run, log) = (watch.run, watch.log.clone());
    Ok(Linux { run, log, version, marks: seen.marks, console })
}

impl Linux {
    /// Samples that it printed.
    ///
    /// # Errors
    /// There are none.
    pub fn samples(&self, name: &'static str) -> Result<Samples, BenchError> {
        Samples::find(&self.console, name).ok_or_else(|| self.missing(name))
    }

    /// A number that it printed.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&self, name: &'static str) -> Result<u64, BenchError> {
        let found = self.console.lines().find_map(|line| {
            let (its, value) = line.trim_end().strip_prefix("value ")?.split_once(' ')?;
            (its == name).then(|| value.parse().ok())?
        });
        found.ok_or_else(|| self.missing(name))
    }

    /// What a phase cost.
    ///
    /// # Errors
    /// It did not say, or a VMM did not count.
    pub fn phase(&self, phase: Phase) -> Result<Counted, BenchError> {
        let [ticks, vmm, asleep, calls, interrupts] = phase.values();
        let mut exits: Vec<(u32, u64)> = self
            .console
            .lines()
            .filter_map(|line| {
                let rest = line.trim_end().strip_prefix("exits ")?.strip_prefix(phase.name())?;
                let (reason, count) = rest.strip_prefix(' ')?.split_once(' ')?;
                Some((reason.parse().ok()?, count.parse().ok()?))
            })
            .collect();
        exits.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(Counted {
            ticks: self.value(ticks)?,
            vmm: self.value(vmm)?,
            asleep: self.value(asleep)?,
            calls: self.value(calls)?,
            interrupts: self.value(interrupts)?,
            exits,
        })
    }

    /// Ticks from the native start's mark to the first process.
    ///
    /// # Errors
    /// One of the two is missing.
    pub fn native_boot(&self) -> Result<u64, BenchError> {
        let name = "first_process";
        let started = self.marks.iter().find_map(|mark| u64::from_str_radix(mark, 16).ok());
        let started = started.ok_or_else(|| self.missing("start"))?;
        self.value(name)?.checked_sub(started).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &'static str) -> BenchError {
        BenchError::Samples { run: self.run, name, log: self.log.clone() }
    }
}
