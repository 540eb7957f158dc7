//! The smaller commands, and what `run` and `build` have in common.

use std::{collections::BTreeMap, fs, path::Path};

use anstyle::Style;
use bulkhead_build::{
    Built, GuestOverrides, Overrides, Platform, Request, Workspace, build_system, read_description,
};
use bulkhead_host::file;
use bulkhead_machine::{DeviceKind, MEMORY_MAX, Network, Runner};
use bulkhead_progress::Progress;
use bulkhead_sdf::{NotBuilt, Problem, Problems, System, configuration, parse};
use miette::{Result, miette};

use crate::{
    cli::{BoardArgs, ConsoleArgs, ProfileArgs, RunArgs, SystemArgs},
    devices, platform,
    run::{Named, Session, Transcript},
    setup, space,
    steps::Steps,
    ui::{self, BAD, CAUTION, GOOD, NAME, cell},
};

/// Builds a system as the options say, for a machine.
fn built(args: SystemArgs, runner: Runner, workspace: &Workspace, steps: &Steps) -> Result<Built> {
    // Before anything is installed for it.
    let platform = platform::chosen(&args.board, &args.profile)?;
    setup::system(workspace, &[runner], steps, args.no_install)?;
    space::check(space::BUILD, workspace, steps)?;
    let all = GuestOverrides {
        kernel: args.kernel,
        initrd: args.initrd,
        append: args.append,
        memory: args.memory.map(|memory| memory.0),
    };
    build_system(Request {
        workspace,
        description: args.system.as_deref(),
        platform,
        overrides: Overrides { all, ..Overrides::default() },
        bill: true,
        progress: steps,
    })
}

/// `run`: builds and boots.
pub fn run(args: RunArgs, steps: &Steps) -> Result<u8> {
    let RunArgs { system, console, statistics, disk, tftp } = args;
    let workspace = Workspace::find()?;
    let default = workspace.root.join("system.xml");
    let inputs = [
        (Some(system.system.as_deref().unwrap_or(&default)), "the system description"),
        (system.kernel.as_deref(), "the guest's kernel"),
        (system.initrd.as_deref(), "the guest's initial RAM disk"),
        (disk.as_deref(), "the machine's disk"),
    ];
    let transcript = transcript(&console, &inputs)?;
    let runner = console.machine.runner();
    runner.check_host()?;
    let built = built(system, runner, &workspace, steps)?;
    if built.memory > MEMORY_MAX {
        let boot = built.boot.as_deref().map(|folder| format!(", from {}", folder.display()));
        return Err(miette!(
            help = format!(
                "give the guests less memory (--memory), or boot it on a PC that has it{}",
                boot.unwrap_or_default()
            ),
            "the system takes {} of memory, and the machine here can have {MEMORY_MAX}",
            built.memory
        ));
    }
    let disk = devices::disk(disk.as_deref(), &built, &workspace, steps)?;
    let network = devices::network(tftp, &built)?;
    // To the end of the run.
    let _lease = built.lease;
    let logs = workspace.run_folder("run")?;
    let mut machine = bulkhead_machine::Config::new(built.image, &logs.path);
    machine.memory = built.memory;
    machine.processors = built.processors;
    machine.runner = runner;
    machine.monitor = built.monitor;
    machine.network = network;
    machine.disk_kind = built.hardware.disk.map_or_else(DeviceKind::default, |disk| disk.kind);
    machine.ne2000 = built.hardware.ne2000.then(Network::second);
    machine.fourth_serial = built.hardware.fourth_serial;
    let named = |guest: bulkhead_build::Guest| Named {
        guest: guest.name,
        pd: guest.pd,
        status: guest.status,
    };
    crate::run::run(Session {
        machine,
        disk,
        guests: built.guests.into_iter().map(named).collect(),
        wait_for_ready: true,
        timeout: console.timeout,
        transcript,
        statistics,
        programs: built.programs,
    })
}

/// The transcript, if one is wanted; before anything long begins.
fn transcript(
    console: &ConsoleArgs,
    inputs: &[(Option<&Path>, &'static str)],
) -> Result<Option<Transcript>> {
    console.log.as_deref().map(|log| Transcript::open(log, inputs)).transpose()
}

/// `boot`: any image, on the same machine.
pub fn boot(
    image: &Path,
    memory: bulkhead_machine::Mebibytes,
    console: ConsoleArgs,
    no_install: bool,
    steps: &Steps,
) -> Result<u8> {
    let workspace = Workspace::find()?;
    let transcript = transcript(&console, &[(Some(image), "the image")])?;
    let runner = console.machine.runner();
    runner.check_host()?;
    setup::machine(runner, steps, no_install)?;
    let logs = workspace.run_folder("boot")?;
    let mut machine = bulkhead_machine::Config::new(image, &logs.path);
    machine.memory = memory;
    machine.runner = runner;
    crate::run::run(Session {
        machine,
        disk: None,
        guests: Vec::new(),
        wait_for_ready: false,
        statistics: false,
        programs: BTreeMap::new(),
        timeout: console.timeout,
        transcript,
    })
}

/// `build`: builds, and says where things are.
pub fn build(args: SystemArgs, steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    let built = built(args, Runner::default(), &workspace, steps)?;
    for warning in &built.warnings {
        show(warning);
    }
    let bill =
        built.bill.map(|bill| [("bill of materials", bill.spdx), ("licences", bill.notices)]);
    let boot = built.boot.map(|folder| ("for your own PC", folder));
    let parts = [
        ("boot image", built.image),
        ("kernel", built.kernel),
        ("protection domains", built.domains),
    ];
    let rows: Vec<_> = parts
        .into_iter()
        .chain(boot)
        .chain(bill.into_iter().flatten())
        .map(|(what, path)| {
            vec![cell(what, ui::HEADING), cell(path.display().to_string(), Style::new())]
        })
        .collect();
    for line in ui::table(&rows) {
        ui::say(&line);
    }
    Ok(0)
}

/// `check`: explains what is wrong in a description and the configuration
/// beside it.
pub fn check(file: &Path, board: &BoardArgs, profile: &ProfileArgs) -> Result<u8> {
    let platform = platform::chosen(board, profile)?;
    let source = read_description(file)?;
    let parsed = match parse(&source, &platform.board(), &NotBuilt) {
        Ok(parsed) => parsed,
        Err(problems) => return Ok(refuse(&problems)),
    };
    for problem in parsed.warnings.iter().chain(&parsed.notes) {
        show(problem);
    }
    if let Err(problems) = configuration::beside(file, &parsed.system) {
        return Ok(refuse(&problems));
    }
    if let Platform::Sdk(selection) = &platform {
        let machines = parsed.system.domains.iter().filter(|domain| domain.machine.is_some());
        selection.admit(machines.count())?;
    }
    summarise(&parsed.system, parsed.warnings.len());
    Ok(0)
}

fn show(problem: &Problem) {
    // A report owns what it shows; problems are few.
    ui::tell(&format!("{:?}", miette::Report::new(problem.clone())));
}

/// Shows what is wrong; returns the exit status.
fn refuse(problems: &Problems) -> u8 {
    for problem in problems.iter() {
        show(problem);
    }
    ui::tell(&format!("{BAD}error{BAD:#}: {problems}"));
    1
}

fn summarise(system: &System, warnings: usize) {
    let verdict = match warnings {
        0 => format!("{GOOD}holds to every rule{GOOD:#}"),
        1 => format!("{GOOD}can be built{GOOD:#}, with {CAUTION}1 warning{CAUTION:#}"),
        n => format!("{GOOD}can be built{GOOD:#}, with {CAUTION}{n} warnings{CAUTION:#}"),
    };
    ui::say(&format!("{} {verdict} of the board `{}`", system.source.name(), system.board.name));
    let mut rows = vec![
        ["Domain", "Priority", "Program", "Guest", "Guest memory"]
            .map(|text| cell(text, ui::HEADING))
            .into(),
    ];
    for domain in &system.domains {
        let (guest, memory) = match &domain.machine {
            Some(machine) => {
                let bytes: u64 =
                    machine.maps.iter().map(|map| system.region(map.region).least_bytes()).sum();
                (machine.name.value.clone(), ui::size(bytes))
            }
            None => ("-".into(), "-".into()),
        };
        rows.push(vec![
            cell(&domain.name.value, NAME),
            cell(format!("{:>8}", domain.priority.value), Style::new()),
            cell(&domain.program.path.value, Style::new()),
            cell(guest, Style::new()),
            cell(memory, Style::new()),
        ]);
    }
    for line in ui::table(&rows) {
        ui::say(&line);
    }
    let own = system.regions.iter().filter(|region| region.phys_addr.is_none());
    let known: u64 = own.clone().filter_map(|region| region.bytes()).sum();
    let open = own.filter(|region| region.bytes().is_none()).count();
    let more = match open {
        0 => String::new(),
        1 => ", and 1 as large as its file".into(),
        n => format!(", and {n} as large as their files"),
    };
    ui::say(&format!("Regions: {}{more}", ui::size(known)));
}

/// `clean`: removes what was built for running.
pub fn clean(steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    let domains = workspace.root.join("target/pd");
    if !workspace.out.exists() && !domains.exists() {
        steps.note("nothing to remove");
        return Ok(0);
    }
    let _lock = workspace.lock(steps)?;
    let users = workspace.users();
    if !users.is_empty() {
        return Err(miette!(
            help = "end it, or wait for its end; nothing was removed",
            "a system of this checkout is running (process {})",
            users.join(", ")
        ));
    }
    steps.begin("removing", None);
    for folder in [&domains, &workspace.out] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(file("remove", folder))?;
        }
    }
    steps.end("done");
    Ok(0)
}
