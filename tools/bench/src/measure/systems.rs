//! The systems that are measured, built before the first of them runs.

use std::path::{Path, PathBuf};

use bulkhead_build::{Lease, Overrides, build_system};
use bulkhead_guest::LinuxImages;
use bulkhead_machine::{Config, DEFAULT_MEMORY, Mebibytes};
use bulkhead_progress::{Progress, Silent};
use miette::{IntoDiagnostic, Result};

use super::{Request, Run, linux, native};

/// A bootable image.
struct System {
    run: Run,
    image: PathBuf,
    memory: Mebibytes,
    /// Keeps the image; none is needed for one that is no system.
    _lease: Option<Lease>,
}

/// What boots for each run.
pub struct Systems(Vec<System>);

impl Systems {
    /// Builds what the runs need.
    ///
    /// # Errors
    /// Any step's.
    pub fn build(request: &Request<'_>, runs: &[Run]) -> Result<Self> {
        if runs.is_empty() {
            return Ok(Systems(Vec::new()));
        }
        let guests = Guests::build(request, runs)?;
        let mut systems = Vec::new();
        for &run in runs {
            // The first build shows its steps; what is left for the others is short.
            let first = systems.is_empty();
            let progress: &dyn Progress = if first { request.progress } else { &Silent };
            systems.push(build(request, run, &guests, progress)?);
            if first {
                request.progress.begin("systems to measure", Some(runs.len() as u64));
            }
            request.progress.advance(systems.len() as u64);
        }
        request.progress.end(&systems.len().to_string());
        Ok(Systems(systems))
    }

    /// The machine of a run.
    pub fn machine(&self, run: Run, logs: &Path) -> Config {
        let found = self.0.iter().find(|system| system.run == run);
        let image = found.map(|system| system.image.clone()).unwrap_or_default();
        let mut config = Config::new(image, logs);
        config.memory = found.map_or(DEFAULT_MEMORY, |system| system.memory);
        config
    }
}

/// What runs in the systems.
struct Guests {
    tiny: Vec<(String, PathBuf)>,
    linux: Option<LinuxImages>,
}

impl Guests {
    fn build(request: &Request<'_>, runs: &[Run]) -> Result<Self> {
        let _lock = request.workspace.lock(request.progress)?;
        let guests = bulkhead_guest::Request {
            workspace: &request.workspace.root,
            out: &request.workspace.out,
            progress: request.progress,
        };
        let tiny = bulkhead_guest::bench_guests(&guests).into_diagnostic()?;
        let linux = if [Run::Linux, Run::Native, Run::Devices].iter().any(|run| runs.contains(run))
        {
            Some(bulkhead_guest::bench_linux(&guests).into_diagnostic()?)
        } else {
            None
        };
        Ok(Guests { tiny, linux })
    }

    fn tiny(&self, name: &str) -> Option<PathBuf> {
        self.tiny.iter().find(|(its, _)| its == name).map(|(_, path)| path.clone())
    }
}

fn build(
    request: &Request<'_>,
    run: Run,
    guests: &Guests,
    progress: &dyn Progress,
) -> Result<System> {
    let workspace = request.workspace;
    let mut overrides = Overrides::default();
    let description = match run {
        Run::Floor => "tools/bench/systems/floor.system",
        Run::Wake => "tools/bench/systems/wake.system",
        Run::Exits | Run::Timer => {
            overrides.all.kernel = guests.tiny(run.name());
            "systems/unit.system"
        }
        Run::Linux => {
            overrides.all.initrd = guests.linux.as_ref().map(|linux| linux.initramfs.clone());
            // The rest of the line is the default system's.
            overrides.all.append = Some(linux::APPENDED.into());
            "system.xml"
        }
        Run::Devices => {
            overrides.all.initrd = guests.linux.as_ref().map(|linux| linux.initramfs.clone());
            "tools/bench/systems/devices.system"
        }
        Run::Native => {
            let folder = workspace.out.join("guest/native");
            let _lock = workspace.lock(progress)?;
            let Some(images) = &guests.linux else {
                return Err(miette::miette!("there is no Linux to boot"));
            };
            let image = native::image(&workspace.root, &folder, images, linux::COMMAND_LINE)?;
            return Ok(System { run, image, memory: DEFAULT_MEMORY, _lease: None });
        }
    };
    let built = build_system(bulkhead_build::Request {
        workspace,
        description: Some(&workspace.root.join(description)),
        platform: request.platform.clone(),
        overrides,
        bill: false,
        progress,
    })?;
    Ok(System { run, image: built.image, memory: built.memory, _lease: Some(built.lease) })
}
