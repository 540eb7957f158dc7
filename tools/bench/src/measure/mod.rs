//! The measurements, one machine each, and what comes of them.

mod systems;
mod tiny;

use std::{fs, path::PathBuf};

use bulkhead_build::Workspace;
use bulkhead_progress::Progress;
use miette::Result;

use self::systems::Systems;
use crate::{BenchError, CATALOGUE, Figure, Samples, Spec, watch::Watch};

/// What is wanted.
pub struct Request<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// Only figures with this in their names; `None` is all.
    pub filter: Option<&'a str>,
    /// Hears what is being done.
    pub progress: &'a dyn Progress,
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// In the catalogue's order.
    pub figures: Vec<Figure>,
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
}

impl Run {
    /// In this order they are made.
    const ALL: [Run; 4] = [Run::Floor, Run::Exits, Run::Timer, Run::Wake];

    /// Names its logs, and itself in errors.
    const fn name(self) -> &'static str {
        match self {
            Run::Floor => "floor",
            Run::Exits => "exits",
            Run::Timer => "timer",
            Run::Wake => "wake",
        }
    }

    /// In words, for progress.
    const fn what(self) -> &'static str {
        match self {
            Run::Floor => "floors: a VMM that only enters again",
            Run::Exits => "exits of a guest",
            Run::Timer => "timer interrupts of a guest",
            Run::Wake => "waking a guest",
        }
    }

    /// Figures that it gives or gives the floor of.
    const fn figures(self) -> &'static [&'static str] {
        match self {
            Run::Floor => EXITS,
            Run::Exits => EXITS,
            Run::Timer => &["timer_latency", "timer_latency_halted"],
            Run::Wake => &["wake_latency"],
        }
    }
}

const EXITS: &[&str] =
    &["cpuid_exit", "port_read_exit", "port_write_exit", "x2apic_read_exit", "mmio_read_exit"];

/// Samples by run and name.
#[derive(Default)]
struct Results {
    floors: Vec<(&'static str, Samples)>,
    samples: Vec<(&'static str, Samples)>,
}

/// Measures.
///
/// # Errors
/// A system cannot be built, or what runs on it does not do what it should.
pub fn run(request: &Request<'_>) -> Result<Report> {
    let wanted = wanted(request.filter)?;
    let runs: Vec<Run> = Run::ALL
        .into_iter()
        .filter(|run| wanted.iter().any(|spec| run.figures().contains(&spec.name)))
        .collect();
    let systems = Systems::build(request, &runs)?;
    let mut results = Results::default();
    for run in runs {
        let folder = logs(request.workspace, run)?;
        let watch = Watch { run: run.name(), log: folder.join("console.log") };
        request.progress.begin(&format!("measuring {}", run.what()), None);
        let into = match run {
            Run::Floor => &mut results.floors,
            Run::Exits | Run::Timer | Run::Wake => &mut results.samples,
        };
        tiny::measure(run, &watch, systems.machine(run, &folder), into)?;
        request.progress.end("done");
    }
    Ok(Report { figures: wanted.into_iter().filter_map(|spec| results.figure(spec)).collect() })
}

/// The figures that a filter leaves.
fn wanted(filter: Option<&str>) -> Result<Vec<Spec>, BenchError> {
    let wanted: Vec<Spec> = CATALOGUE
        .iter()
        .filter(|spec| filter.is_none_or(|filter| spec.name.contains(filter)))
        .copied()
        .collect();
    match filter {
        Some(filter) if wanted.is_empty() => Err(BenchError::NoFigure(filter.into())),
        _ => Ok(wanted),
    }
}

/// Where a run's logs go: `target/bulkhead/logs/bench/NAME`.
fn logs(workspace: &Workspace, run: Run) -> Result<PathBuf, BenchError> {
    let folder = workspace.out.join("logs/bench").join(run.name());
    fs::create_dir_all(&folder).map_err(|source| BenchError::File {
        what: "create",
        path: folder.clone(),
        source,
    })?;
    Ok(folder)
}

impl Results {
    fn figure(&self, spec: Spec) -> Option<Figure> {
        let of = |list: &[(&str, Samples)]| {
            list.iter().find(|(name, _)| *name == spec.name).map(|(_, samples)| samples.clone())
        };
        let samples = of(&self.samples)?;
        let floor = of(&self.floors).map(|samples| f64::from(samples.median()));
        Some(Figure { spec, value: f64::from(samples.median()), floor, samples: Some(samples) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_comes_from_a_run() {
        for spec in CATALOGUE {
            assert!(Run::ALL.iter().any(|run| run.figures().contains(&spec.name)), "{}", spec.name);
        }
    }

    #[test]
    fn a_filter_that_no_figure_matches_is_an_error() {
        assert!(wanted(Some("cpuid")).is_ok_and(|w| w.len() == 1));
        assert!(wanted(Some("nothing")).is_err());
    }
}
