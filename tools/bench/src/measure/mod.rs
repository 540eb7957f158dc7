//! The measurements, one machine each, and what comes of them.

mod linux;
mod memory;
mod native;
mod results;
mod systems;
mod tiny;

use std::{fs, path::PathBuf};

use bulkhead_build::{Platform, Workspace};
use bulkhead_host::file;
use bulkhead_progress::Progress;
use miette::Result;

pub use self::{
    linux::{Counted, Phase, Split},
    memory::Memory,
};
use self::{results::Results, systems::Systems};
use crate::{BenchError, Board, Figure, Place, Spec, watch::Watch};

/// What is wanted.
pub struct Request<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// What is measured.
    pub platform: &'a Platform,
    /// Only figures with this in their names; `None` is all.
    pub filter: Option<&'a str>,
    /// Hears what is being done.
    pub progress: &'a dyn Progress,
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// Where.
    pub place: Place,
    /// In the catalogue's order.
    pub figures: Vec<Figure>,
    /// The version of the Linux that was measured, if one was.
    pub linux: Option<String>,
    /// What it cost in each phase.
    pub phases: Vec<(Phase, Counted)>,
    /// The least that an exit costs the kernel, and so every exit has cost it.
    pub kernel_exit: Option<u64>,
    /// What the VMM's memory is used for.
    pub memory: Option<Memory>,
    /// What reads cost, by how many are on their way at once.
    pub depths: Vec<Depth>,
}

/// Reads of 4 KiB, so many at once: what each costs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Depth {
    /// How many are on their way.
    pub requests: u32,
    /// Ticks a read.
    pub ticks: f64,
    /// Exits a read.
    pub exits: f64,
    /// Notifications a read.
    pub notifications: f64,
}

/// One boot of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Run {
    /// The least VMM.
    Floor,
    /// A tiny guest that causes exits.
    Exits,
    /// A tiny guest that programs its timer.
    Timer,
    /// A tiny guest that another domain wakes.
    Wake,
    /// Linux as a guest.
    Linux,
    /// The same Linux on the machine itself.
    Native,
    /// Linux as a guest whose disk and network cost nothing.
    Devices,
}

impl Run {
    /// In this order they are made.
    const ALL: [Run; 7] =
        [Run::Floor, Run::Exits, Run::Timer, Run::Wake, Run::Linux, Run::Native, Run::Devices];

    /// Names its logs, and itself in errors.
    const fn name(self) -> &'static str {
        match self {
            Run::Floor => "floor",
            Run::Exits => "exits",
            Run::Timer => "timer",
            Run::Wake => "wake",
            Run::Linux => "linux",
            Run::Native => "native",
            Run::Devices => "devices",
        }
    }

    /// In words, for progress.
    const fn what(self) -> &'static str {
        match self {
            Run::Floor => "a VMM that only enters again",
            Run::Exits => "a guest's exits",
            Run::Timer => "a guest's timer",
            Run::Wake => "a guest being woken",
            Run::Linux => "Linux as a guest",
            Run::Native => "Linux without seL4",
            Run::Devices => "a guest's disk and network",
        }
    }

    /// Figures that cannot be had without it, floors included.
    const fn figures(self) -> &'static [&'static str] {
        match self {
            Run::Floor => &[
                "cpuid_exit",
                "port_read_exit",
                "port_write_exit",
                "x2apic_read_exit",
                "mmio_read_exit",
                "mmio_read_exit_low",
                "cpuid_exit_bare",
                "port_read_exit_bare",
                "port_write_exit_bare",
            ],
            Run::Exits => &[
                "x2apic_read_exit",
                "mmio_read_exit",
                "mmio_read_exit_low",
                "cpuid_exit_bare",
                "port_read_exit_bare",
                "port_write_exit_bare",
            ],
            Run::Timer => &["timer_latency", "timer_latency_halted"],
            Run::Wake => &["wake_latency"],
            Run::Linux => &[
                "cpuid_exit",
                "port_read_exit",
                "port_write_exit",
                "boot_to_init_ticks",
                "boot_to_init_exits",
                "boot_to_init_exits_all",
                "exits_per_timer_tick",
                "exits_per_timer_tick_idle",
                "exits_per_timer_tick_busy",
                "exits_per_sleep",
                "boot_vs_native_ratio",
            ],
            Run::Native => &["boot_vs_native_ratio", "native_boot_ticks"],
            Run::Devices => DEVICES,
        }
    }
}

/// What a guest's devices do.
const DEVICES: &[&str] = &[
    "blk_read_4k",
    "blk_write_4k",
    "blk_read_64k",
    "blk_exits_per_request_qd1",
    "blk_exits_per_request_qd32",
    "blk_ticks_per_request_qd32",
    "blk_notifications_per_request_qd32",
    "blk_copies_per_byte",
    "net_rtt_64",
];

/// Measures.
///
/// # Errors
/// A system cannot be built, or what runs on it does not do what it should.
pub fn run(request: &Request<'_>) -> Result<Report> {
    let place = Place::of(request.platform);
    let wanted = wanted(place.board, request.filter)?;
    let runs: Vec<Run> = Run::ALL
        .into_iter()
        .filter(|run| wanted.iter().any(|spec| run.figures().contains(&spec.name)))
        .collect();
    let systems = Systems::build(request, &runs)?;
    let mut results = Results::default();
    for &run in &runs {
        let folder = logs(request.workspace, &place, run)?;
        let watch = Watch { run: run.name(), log: folder.join("console.log") };
        let machine = systems.machine(run, &folder);
        request.progress.begin(&format!("measuring {}", run.what()), None);
        match run {
            Run::Floor => results.floor = Some(tiny::measure(&watch, machine)?),
            Run::Exits => results.exits = Some(tiny::measure(&watch, machine)?),
            Run::Timer => results.timer = Some(tiny::measure(&watch, machine)?),
            Run::Wake => results.wake = Some(tiny::measure(&watch, machine)?),
            Run::Linux => results.linux = Some(linux::boot(&watch, machine)?),
            Run::Native => results.native = Some(linux::boot(&watch, machine)?),
            Run::Devices => results.devices = Some(linux::boot(&watch, machine)?),
        }
        request.progress.end("done");
    }
    if wanted.iter().any(|spec| spec.name == MEMORY) {
        request.progress.begin("adding up the VMM's memory", None);
        results.memory = Some(memory::measure(request)?);
        request.progress.end("done");
    }
    report(place, results, wanted)
}

/// The figure that needs no run.
const MEMORY: &str = "vmm_memory_bytes";

fn report(place: Place, results: Results, wanted: Vec<Spec>) -> Result<Report> {
    let mut figures = Vec::new();
    for spec in wanted {
        figures.push(results.figure(spec)?);
    }
    let mut phases = Vec::new();
    if let Some(linux) = &results.linux {
        for phase in [Phase::Boot, Phase::Idle, Phase::Sleeps, Phase::Busy] {
            phases.push((phase, linux.phase(phase)?));
        }
    }
    Ok(Report {
        place,
        figures,
        kernel_exit: results.kernel_exit()?,
        depths: results.depths()?,
        linux: results.linux.map(|linux| linux.version),
        phases,
        memory: results.memory,
    })
}

/// The figures that a filter leaves.
fn wanted(board: Board, filter: Option<&str>) -> Result<Vec<Spec>, BenchError> {
    let mut wanted = board.catalogue();
    wanted.retain(|spec| filter.is_none_or(|filter| spec.name.contains(filter)));
    match filter {
        Some(filter) if wanted.is_empty() => Err(BenchError::NoFigure(filter.into())),
        _ => Ok(wanted),
    }
}

/// Where a run's logs go: `target/bulkhead/logs/bench/BOARD/NAME`.
fn logs(workspace: &Workspace, place: &Place, run: Run) -> Result<PathBuf, BenchError> {
    let folder = workspace.out.join("logs/bench").join(place.board.name()).join(run.name());
    fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_comes_from_a_run() {
        for spec in Board::Bochs.catalogue() {
            let run = Run::ALL.iter().any(|run| run.figures().contains(&spec.name));
            assert!(run || spec.name == MEMORY, "{}", spec.name);
        }
    }

    #[test]
    fn a_run_gives_only_figures_that_exist() {
        for name in Run::ALL.iter().flat_map(|run| run.figures()) {
            assert!(Board::Bochs.catalogue().iter().any(|spec| spec.name == *name), "{name}");
        }
    }

    #[test]
    fn a_filter_that_no_figure_matches_is_an_error() {
        assert!(wanted(Board::Sdk, Some("cpuid_exit_bare")).is_ok_and(|w| w.len() == 1));
        assert!(wanted(Board::Bochs, Some("nothing")).is_err());
    }
}
