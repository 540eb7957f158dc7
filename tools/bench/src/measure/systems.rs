//! The systems that are measured, built before the first of them runs.

use std::path::{Path, PathBuf};

use bulkhead_build::{Built, Overrides, Profile, build_system};
use bulkhead_machine::Config;
use bulkhead_progress::{Progress, Silent};
use miette::{IntoDiagnostic, Result};

use super::{Request, Run};

/// What boots for each run.
pub struct Systems(Vec<(Run, Built)>);

impl Systems {
    /// Builds what the runs need.
    ///
    /// # Errors
    /// Any step's.
    pub fn build(request: &Request<'_>, runs: &[Run]) -> Result<Self> {
        let guests = {
            let _lock = request.workspace.lock(request.progress)?;
            bulkhead_guest::bench_guests(&bulkhead_guest::Request {
                workspace: &request.workspace.root,
                out: &request.workspace.out,
                progress: request.progress,
            })
            .into_diagnostic()?
        };
        let mut built: Vec<(Run, Built)> = Vec::new();
        for &run in runs {
            let (description, guest) = system(run);
            let mut overrides = Overrides::default();
            if let Some(guest) = guest {
                overrides.all.kernel =
                    guests.iter().find(|(n, _)| n == guest).map(|(_, p)| p.clone());
            }
            // The first build shows its steps; what is left for the others is short.
            let progress: &dyn Progress = if built.is_empty() { request.progress } else { &Silent };
            let system = build_system(bulkhead_build::Request {
                workspace: request.workspace,
                description: Some(&request.workspace.root.join(description)),
                profile: Profile::Release,
                overrides,
                progress,
            })?;
            if built.is_empty() {
                request.progress.begin("systems to measure", Some(runs.len() as u64));
            }
            built.push((run, system));
            request.progress.advance(built.len() as u64);
        }
        request.progress.end(&format!("{} systems", built.len()));
        Ok(Systems(built))
    }

    /// The machine of a run.
    pub fn machine(&self, run: Run, logs: &Path) -> Config {
        let found = self.0.iter().find(|(its, _)| *its == run);
        let image = found.map(|(_, built)| built.image.clone());
        let mut config = Config::new(image.unwrap_or_else(PathBuf::new), logs);
        if let Some((_, built)) = found {
            config.memory = built.memory;
        }
        config
    }
}

/// Description and guest of a run; `None` where the description names the guest.
const fn system(run: Run) -> (&'static str, Option<&'static str>) {
    match run {
        Run::Floor => ("tools/bench/systems/floor.system", None),
        Run::Exits => ("systems/unit.system", Some("exits")),
        Run::Timer => ("systems/unit.system", Some("timer")),
        Run::Wake => ("tools/bench/systems/wake.system", None),
    }
}
