//! `bulkhead test`: everything that must hold, in the order of its cost.

mod report;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anstyle::Style;
use bulkhead_build::{MCS, Workspace};
use bulkhead_machine::{Accelerator, Runner};
use bulkhead_progress::Progress;
use bulkhead_sdk::VARIABLE;
use miette::{IntoDiagnostic, Result, WrapErr};

use self::report::{Counts, News, Reader};
use crate::{
    cli::{BoardArgs, TestArgs},
    docs, fuzz,
    platform::{self, KERNEL_VARIABLE},
    setup, space,
    steps::Steps,
    ui::{self, BAD, CAUTION, FAINT, GOOD, HEADING, cell},
};

/// The package of tests that boot whole systems.
const SYSTEM_TESTS: &str = "system-tests";

/// The part of the tests that they are.
const SYSTEM_PART: &str = "system tests";

/// Emulated machines at a time: each takes a processor for itself.
const MACHINES: &str = "--test-threads=2";

/// How one part of the tests went.
struct Part {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

enum Verdict {
    Passed(Option<Counts>),
    Failed(Option<Counts>),
    /// Holds why, and what helps.
    LeftOut(String),
}

/// Runs the tests; returns the exit status.
pub fn test(args: &TestArgs, steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    let environment = Environment::of(&args.board)?;
    let machines = [Runner::default(), Runner::Qemu(Accelerator::Tcg)];
    setup::system(&workspace, &machines, steps, args.no_install)?;
    let work = if args.filter.is_none() { space::TEST } else { space::BUILD };
    space::check(work, &workspace, steps)?;
    let _lock = workspace.lock_tests(steps)?;
    let filter = args.filter.as_deref();
    let mut parts = Vec::new();
    if filter.is_none() {
        parts.push(format(&workspace, steps)?);
        parts.extend(clippy(&workspace, steps)?);
        parts.push(other_kernel(&workspace, steps)?);
        parts.push(generated(&workspace, steps)?);
    }
    let host = host_selection(&workspace)?;
    parts.push(cargo_test(&workspace, steps, "host tests", &host, &environment, filter)?);
    if filter.is_none() {
        parts.push(fuzzing(&workspace, steps)?);
    }
    let system = ["-p", SYSTEM_TESTS].map(String::from);
    parts.push(cargo_test(&workspace, steps, SYSTEM_PART, &system, &environment, filter)?);
    if environment.sdk.is_none() {
        let why = format!("not tested: set {VARIABLE}, or give --sdk DIR (Microkit SDK 2.3.x)");
        let verdict = Verdict::LeftOut(why);
        parts.push(Part { name: "the SDK's board", verdict, took: Duration::ZERO });
    }
    Ok(conclude(&parts))
}

/// What tests find their SDK by.
struct Environment {
    sdk: Option<PathBuf>,
    kernel: Option<PathBuf>,
}

impl Environment {
    /// From the options, and the environment that there is.
    fn of(board: &BoardArgs) -> Result<Environment> {
        let sdk = platform::for_tests(board)?;
        // Tests run elsewhere.
        let kernel = board.override_kernel.as_ref().map(|path| path.canonicalize()).transpose();
        Ok(Environment { sdk, kernel: kernel.into_diagnostic()? })
    }

    fn set(&self, command: &mut Command) {
        match &self.sdk {
            Some(sdk) => command.env(VARIABLE, sdk),
            None => command.env_remove(VARIABLE),
        };
        if let Some(kernel) = &self.kernel {
            command.env(KERNEL_VARIABLE, kernel);
        }
    }
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&workspace.root).stdin(Stdio::null());
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}

/// Whether a component of the toolchain, such as rustfmt, is there.
fn has(workspace: &Workspace, subcommand: &str) -> bool {
    let quiet = cargo(workspace)
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

fn format(workspace: &Workspace, steps: &Steps) -> Result<Part> {
    lint(workspace, steps, "formatting", "fmt", &["--all", "--check"].map(String::from))
}

/// Host packages and freestanding programs apart: in one call cargo would give
/// both the same features of what they share, and a program without the standard
/// library does not build over a library with it.
fn clippy(workspace: &Workspace, steps: &Steps) -> Result<[Part; 2]> {
    let programs = bulkhead_build::freestanding_packages(workspace)?;
    let select = |option: &str| -> Vec<String> {
        programs.iter().flat_map(|p| [option.to_owned(), p.clone()]).collect()
    };
    let quiet = |rest: Vec<String>| -> Vec<String> {
        let deny = ["--", "-D", "warnings"].map(String::from);
        ["--quiet".to_owned()].into_iter().chain(rest).chain(deny).collect()
    };
    let mut host = vec!["--workspace".to_owned(), "--all-targets".to_owned()];
    host.extend(select("--exclude"));
    Ok([
        lint(workspace, steps, "lints", "clippy", &quiet(host))?,
        lint(workspace, steps, "lints of domains", "clippy", &quiet(select("--package")))?,
    ])
}

/// The same programs for the other kernel: they must compile for it where there is
/// no SDK too. Cargo keeps these apart by a folder, not by flags.
fn other_kernel(workspace: &Workspace, steps: &Steps) -> Result<Part> {
    let folder = workspace.root.join("target/pd/lints-mcs");
    let mut arguments = vec!["--quiet".into(), "--target-dir".into(), folder.into_os_string()];
    for package in bulkhead_build::portable_packages(workspace)? {
        arguments.extend(["--package".into(), package.into()]);
    }
    arguments.extend(["--", "-D", "warnings"].map(OsString::from));
    let name = "lints for the SDK's kernel";
    let flags = ("CARGO_ENCODED_RUSTFLAGS", MCS);
    lint_with(workspace, steps, name, "clippy", &arguments, Some(flags))
}

/// Whether files that are made from others are as they would be made now.
fn generated(workspace: &Workspace, steps: &Steps) -> Result<Part> {
    let since = Instant::now();
    let name = "generated files";
    let stale = docs::stale(workspace, steps)?;
    let verdict = if stale.is_empty() {
        Verdict::Passed(None)
    } else {
        steps.note(&format!(
            "{BAD}out of date{BAD:#}: {}; `cargo bulkhead docs` makes them anew",
            stale.join(", ")
        ));
        Verdict::Failed(None)
    };
    Ok(Part { name, verdict, took: since.elapsed() })
}

fn lint(
    workspace: &Workspace,
    steps: &Steps,
    name: &'static str,
    subcommand: &str,
    arguments: &[String],
) -> Result<Part> {
    lint_with(workspace, steps, name, subcommand, arguments, None)
}

fn lint_with(
    workspace: &Workspace,
    steps: &Steps,
    name: &'static str,
    subcommand: &str,
    arguments: &[impl AsRef<OsStr>],
    variable: Option<(&str, &str)>,
) -> Result<Part> {
    let since = Instant::now();
    if !has(workspace, subcommand) {
        let cure = format!("not installed: rustup component add {}", component(subcommand));
        return Ok(Part { name, verdict: Verdict::LeftOut(cure), took: since.elapsed() });
    }
    steps.begin(name, None);
    let output = cargo(workspace)
        .arg(subcommand)
        .args(arguments)
        .envs(variable)
        .output()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot start cargo {subcommand}"))?;
    let verdict = if output.status.success() {
        steps.end("passed");
        Verdict::Passed(None)
    } else {
        steps.abandon();
        show(&output.stdout)?;
        show(&output.stderr)?;
        Verdict::Failed(None)
    };
    Ok(Part { name, verdict, took: since.elapsed() })
}

/// Every fuzz target over its kept corpus and a fixed number of made inputs.
fn fuzzing(workspace: &Workspace, steps: &Steps) -> Result<Part> {
    let since = Instant::now();
    let (holds, lines) = fuzz::test(workspace, steps)?;
    for line in lines.lines() {
        steps.note(&format!("  {line}"));
    }
    let verdict = if holds { Verdict::Passed(None) } else { Verdict::Failed(None) };
    Ok(Part { name: "fuzzing", verdict, took: since.elapsed() })
}

fn component(subcommand: &str) -> &str {
    if subcommand == "fmt" { "rustfmt" } else { subcommand }
}

fn show(bytes: &[u8]) -> Result<()> {
    io::stderr().write_all(bytes).into_diagnostic()
}

/// Everything that runs on the host: all packages but freestanding programs,
/// which have no tests, and whole systems, which come later.
fn host_selection(workspace: &Workspace) -> Result<Vec<String>> {
    let mut selection = vec!["--workspace".to_owned()];
    let programs = bulkhead_build::freestanding_packages(workspace)?;
    for package in programs.iter().map(String::as_str).chain([SYSTEM_TESTS]) {
        selection.extend(["--exclude".to_owned(), package.to_owned()]);
    }
    Ok(selection)
}

fn cargo_test(
    workspace: &Workspace,
    steps: &Steps,
    name: &'static str,
    selection: &[String],
    environment: &Environment,
    filter: Option<&str>,
) -> Result<Part> {
    let since = Instant::now();
    let log = log_path(workspace, name)?;
    steps.begin(name, None);
    let (reader, writer) = io::pipe().into_diagnostic()?;
    let mut child = {
        let mut command = cargo(workspace);
        command.args(["test", "--no-fail-fast"]).args(selection).args(filter);
        environment.set(&mut command);
        if name == SYSTEM_PART {
            command.args(["--", MACHINES]);
        }
        command.stdout(writer.try_clone().into_diagnostic()?).stderr(writer);
        // The command holds both ends of the pipe that belong to the child; it
        // must go, or the pipe would never end.
        bulkhead_host::spawn(&mut command).into_diagnostic().wrap_err("cannot start cargo")?
    };
    let (counts, rest) = follow(reader, &log, name, steps)?;
    let status = child.wait().into_diagnostic()?;
    let verdict = if status.success() {
        steps.end("passed");
        Verdict::Passed(Some(counts))
    } else {
        steps.abandon();
        for line in &rest {
            ui::tell(line);
        }
        ui::tell(&format!("{FAINT}the whole output is in {}{FAINT:#}", log.display()));
        Verdict::Failed(Some(counts))
    };
    Ok(Part { name, verdict, took: since.elapsed() })
}

fn log_path(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.out.join("logs");
    fs::create_dir_all(&folder)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{}.log", name.replace(' ', "-"))))
}

/// Shows the news of a run of `cargo test` as it comes; returns the counts,
/// and what belongs to no finished test program.
fn follow(
    output: impl io::Read,
    log: &Path,
    name: &str,
    steps: &Steps,
) -> Result<(Counts, Vec<String>)> {
    let mut log = File::create(log).into_diagnostic()?;
    let mut reader = Reader::default();
    let mut counts = Counts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.into_diagnostic()?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log, "{}", anstream::adapter::strip_str(&line)).into_diagnostic()?;
        match reader.push(&line) {
            Some(News::Compiling(what)) => steps.rename(&format!("{name}: building {what}")),
            Some(News::Begins(program)) => steps.rename(&format!("{name}: {program}")),
            Some(News::Over { program, counts: its, line, output }) => {
                counts = counts.plus(its);
                // Programs without tests would only hide the others.
                if its != Counts::default() {
                    let style = if its.failed == 0 { GOOD } else { BAD };
                    steps.note(&format!("  {style}{program:32}{style:#} {FAINT}{line}{FAINT:#}"));
                }
                for line in output {
                    steps.note(&line);
                }
            }
            None => {}
        }
    }
    let (program, mut rest) = reader.rest();
    if let Some(program) = program {
        rest.insert(0, format!("{BAD}{program} ended without results{BAD:#}"));
    }
    Ok((counts, rest))
}

/// Prints the summary and the closing line; returns the exit status.
fn conclude(parts: &[Part]) -> u8 {
    let mut total = Counts::default();
    let mut rows = Vec::new();
    for part in parts {
        let (verdict, counts) = match &part.verdict {
            Verdict::Passed(counts) => (cell("passed", GOOD), counts.as_ref()),
            Verdict::Failed(counts) => (cell("failed", BAD), counts.as_ref()),
            Verdict::LeftOut(_) => (cell("left out", CAUTION), None),
        };
        let remark = match (&part.verdict, counts) {
            (Verdict::LeftOut(why), _) => why.clone(),
            (_, Some(counts)) => {
                total = total.plus(*counts);
                let mut text = format!("{} passed, {} failed", counts.passed, counts.failed);
                if counts.ignored > 0 {
                    text += &format!(", {} ignored", counts.ignored);
                }
                text
            }
            (_, None) => String::new(),
        };
        let took = cell(format!("{:>13}", ui::duration(part.took)), FAINT);
        rows.push(vec![cell(part.name, HEADING), verdict, took, cell(remark, Style::new())]);
    }
    ui::say("");
    for line in ui::table(&rows) {
        ui::say(&line);
    }
    // What fails without a failed test (a lint, a program that does not
    // compile) counts as one, so that the last line never says "0 failed" of a
    // failed run.
    let failed: u64 = parts
        .iter()
        .map(|part| match &part.verdict {
            Verdict::Passed(_) | Verdict::LeftOut(_) => 0,
            Verdict::Failed(counts) => counts.map_or(1, |counts| counts.failed.max(1)),
        })
        .sum();
    ui::say(&format!("\n{} passed, {failed} failed", total.passed));
    u8::from(failed > 0)
}
