//! `bulkhead-fuzz`: feeds targets from their corpora and from a seed.
#![forbid(unsafe_code)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use bulkhead_fuzz::{
    Target, corpus,
    engine::{self, Failure},
    guided,
    pool::{self, Job, Report},
    targets,
};
use clap::{Parser, ValueHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miette::{IntoDiagnostic, Result, WrapErr, miette};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NAME: Style = AnsiColor::Cyan.on_default();
const FAINT: Style = Style::new().dimmed();

const EXAMPLES: &str = "\
Examples:
  cargo bulkhead fuzz                       every target, as many runs as in a test
  cargo bulkhead fuzz walk --runs 5000000   one of them for longer
  cargo bulkhead fuzz --seed 7              other inputs
  cargo bulkhead fuzz uart --replay FILE    one input, with a stack trace if it fails
  cargo bulkhead fuzz pit rtc --guided 600  with libFuzzer, ten minutes each; grows their corpora";

/// Feed hostile input to everything that reads any
///
/// Runs what is kept in tools/fuzz/corpus, then inputs made from it. The same seed makes the same
/// inputs. An input that breaks a rule is made small and written to target/bulkhead/fuzz.
#[derive(Parser, Debug)]
#[command(name = "bulkhead-fuzz", bin_name = "cargo bulkhead fuzz", after_help = EXAMPLES)]
#[command(max_term_width = 100)]
struct Cli {
    /// Targets; all if none is named
    targets: Vec<String>,
    /// Inputs to make for each target
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// What the inputs are made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Threads; as many as there are processors if not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Show the targets
    #[arg(long)]
    list: bool,
    /// Run this one input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    replay: Option<PathBuf>,
    /// Let libFuzzer look for new inputs, so long for each target, and keep them
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["replay", "runs", "seed"])]
    guided: Option<u64>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether everything holds.
fn run(cli: Cli) -> Result<bool> {
    let chosen = chosen(&cli.targets)?;
    let threads = cli.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    if cli.list {
        for target in chosen {
            say(&format!("{NAME}{:16}{NAME:#} {}", target.name, target.about));
        }
        return Ok(true);
    }
    if let Some(file) = cli.replay {
        let [target] = chosen[..] else {
            return Err(miette!("--replay needs exactly one target: whose input is it?"));
        };
        return replay(target, &file);
    }
    if let Some(seconds) = cli.guided {
        return guided::grow(&chosen, seconds, threads.max(1), &|line| say(line));
    }
    campaign(&chosen, cli.runs, cli.seed, threads.max(1))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(targets::ALL.iter().collect());
    }
    let find = |name: &String| {
        targets::named(name).ok_or_else(|| {
            miette!(help = "`--list` shows the targets", "there is no target `{name}`")
        })
    };
    names.iter().map(find).collect()
}

/// Prints a line on standard output. Who closes it early has seen enough.
fn say(line: &str) {
    if writeln!(anstream::stdout().lock(), "{line}").is_err() {
        std::process::exit(1);
    }
}

fn replay(target: &Target, file: &Path) -> Result<bool> {
    let input = fs::read(file)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", file.display()))?;
    match engine::run(target, &input) {
        Ok(()) => {
            say(&format!("{NAME}{}{NAME:#} {GOOD}holds{GOOD:#}", target.name));
            Ok(true)
        }
        Err(failure) => {
            explain(target, &failure);
            for line in failure.trace.iter().flat_map(|trace| trace.lines()) {
                say(&format!("    {line}"));
            }
            Ok(false)
        }
    }
}

fn explain(target: &Target, failure: &Failure) {
    say(&format!("{NAME}{}{NAME:#} {BAD}fails{BAD:#} at {}", target.name, failure.place));
    for line in failure.message.lines() {
        say(&format!("    {line}"));
    }
}

fn campaign(
    chosen: &[&'static Target],
    runs: Option<u64>,
    seed: u64,
    threads: usize,
) -> Result<bool> {
    let mut jobs = Vec::new();
    for target in chosen {
        let inputs = corpus::start(target)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot read the corpus of {}", target.name))?;
        jobs.push(Job { target, inputs, runs: runs.unwrap_or(target.runs) });
    }
    // Threads share them to the end of the process.
    let jobs = Vec::leak(jobs);
    let total = jobs.iter().map(|job| job.runs + job.inputs.len() as u64).sum();
    let bar = bar(total);
    let since = Instant::now();
    let result = pool::work(jobs, seed, threads, &|done| bar.set_position(done));
    bar.finish_and_clear();
    let reports = match result {
        Ok(reports) => reports,
        Err(endless) => {
            let target = jobs[endless.job].target;
            let file = keep(target, &endless.input)?;
            say(&format!("{NAME}{}{NAME:#} {BAD}does not end{BAD:#}", target.name));
            reproduce(target, &file);
            return Ok(false);
        }
    };
    for (job, report) in jobs.iter().zip(&reports) {
        say(&line(job, report));
    }
    let mut failed = 0;
    for (job, report) in jobs.iter().zip(&reports) {
        let Some(found) = &report.found else { continue };
        failed += 1;
        let input = engine::minimised(job.target, &found.input, &found.failure);
        // The smaller input may say something else at the same place.
        let failure = engine::run(job.target, &input).err().unwrap_or(found.failure.clone());
        say("");
        explain(job.target, &failure);
        reproduce(job.target, &keep(job.target, &input)?);
    }
    let runs: u64 = reports.iter().map(|report| report.runs).sum();
    let verdict = match failed {
        0 => format!("{GOOD}all hold{GOOD:#}"),
        n => format!("{BAD}{n} failed{BAD:#}"),
    };
    say(&format!(
        "\n{} targets, {runs} runs, seed {seed}, {:.0} s: {verdict}",
        jobs.len(),
        since.elapsed().as_secs_f64()
    ));
    Ok(failed == 0)
}

fn bar(total: u64) -> ProgressBar {
    let template = "fuzzing {bar:32} {percent:>3} %  {per_sec}, {eta} left";
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    // The template is a constant of this file.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(job: &Job<'_>, report: &Report) -> String {
    let (verdict, style) = match report.found {
        Some(_) => ("fails", BAD),
        None => ("holds", GOOD),
    };
    let rate = report.runs as f64 / report.busy.as_secs_f64().max(1e-6);
    format!(
        "{NAME}{:16}{NAME:#} {style}{verdict}{style:#}  {:>4} kept {:>8} runs {:>9.0}/s  \
         {FAINT}{}{FAINT:#}",
        job.target.name,
        job.inputs.len(),
        report.runs,
        rate,
        job.target.about,
    )
}

/// Writes a failing input to the build folder.
fn keep(target: &Target, input: &[u8]) -> Result<PathBuf> {
    let folder = corpus::build_folder().join("failures");
    let file = folder.join(format!("{}-{}", target.name, corpus::name(input)));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, input))
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn reproduce(target: &Target, file: &Path) {
    say(&format!("  input: {}", file.display()));
    say(&format!(
        "  again: RUST_BACKTRACE=1 cargo bulkhead fuzz {} --replay {}",
        target.name,
        file.display()
    ));
}
