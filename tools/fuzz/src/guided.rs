//! libFuzzer: looks for inputs that reach new code, and so grows the corpora.
//!
//! It needs no nightly compiler: LLVM's coverage pass is in every rustc and is
//! named by a code-generation option, and `libfuzzer-sys` brings libFuzzer's
//! source, which the host's C++ compiler builds. What only nightly has are the
//! sanitizers; all but a few lines of this project are safe Rust, whose own
//! checks (overflow, bounds) are on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::{Target, corpus};

/// What `cargo fuzz` passes, apart from sanitizers (LLVM, "SanitizerCoverage"):
/// edges, counters beside the code, and the operands of comparisons.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Named, so that build scripts and macros are built without coverage.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What a kept corpus may take, in bytes: some hundred KiB for all.
const KEPT: usize = 24 << 10;

/// Most inputs in a kept corpus.
const KEPT_INPUTS: usize = 128;

/// Runs libFuzzer over each target, and puts what it found worth keeping into
/// the kept corpora.
///
/// # Returns
/// Whether no target failed.
///
/// # Errors
/// It cannot be built or started.
pub fn grow(
    targets: &[&'static Target],
    seconds: u64,
    threads: usize,
    say: &(dyn Fn(&str) + Sync),
) -> Result<bool> {
    let program = build()?;
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let errors = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match one(&program, target, seconds) {
                        Ok(Outcome { line, failed }) => {
                            say(&line);
                            if failed {
                                failures.lock().unwrap_or_else(PoisonError::into_inner).push(());
                            }
                        }
                        Err(error) => {
                            errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                        }
                    }
                }
            });
        }
    });
    match errors.into_inner().unwrap_or_else(PoisonError::into_inner).pop() {
        Some(error) => Err(error),
        None => Ok(failures.into_inner().unwrap_or_else(PoisonError::into_inner).is_empty()),
    }
}

fn build() -> Result<PathBuf> {
    let folder = corpus::build_folder().join("libfuzzer");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--profile", "fuzz", "--package", "bulkhead-fuzz", "--target", TRIPLE])
        .args(["--features", "libfuzzer", "--bin", "bulkhead-fuzz-guided"])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .into_diagnostic()
        .wrap_err("cannot start cargo")?;
    if !status.success() {
        return Err(miette!(
            help = "libFuzzer needs a C++ compiler: the package `g++`",
            "libFuzzer could not be built"
        ));
    }
    Ok(folder.join(TRIPLE).join("fuzz/bulkhead-fuzz-guided"))
}

struct Outcome {
    line: String,
    failed: bool,
}

fn one(program: &Path, target: &Target, seconds: u64) -> Result<Outcome> {
    let context = || format!("cannot run libFuzzer on {}", target.name);
    let base = corpus::build_folder();
    let found = base.join("found").join(target.name);
    let log = base.join("logs").join(format!("{}.log", target.name));
    let prepared = prepare(target, &base, &found).into_diagnostic().wrap_err_with(context)?;
    let output = fs::File::create(&log).into_diagnostic().wrap_err_with(context)?;
    let libfuzzer = || {
        let mut command = Command::new(program);
        command.env("BULKHEAD_FUZZ_TARGET", target.name).stdin(Stdio::null());
        command
    };
    let dictionary = prepared.dictionary.iter().map(|path| format!("-dict={}", path.display()));
    let status = libfuzzer()
        .args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={}", target.longest),
            "-timeout=60".into(),
            "-rss_limit_mb=2048".into(),
            "-print_final_stats=1".into(),
            format!("-artifact_prefix={}/{}-", prepared.failures.display(), target.name),
        ])
        .args(dictionary)
        .arg(&found)
        .arg(corpus::folder(target))
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .into_diagnostic()
        .wrap_err_with(context)?;
    if !status.success() {
        let log = log.display();
        return Ok(Outcome {
            line: format!("{:16} fails: see {log}, and the input in it", target.name),
            failed: true,
        });
    }
    // The smallest set with the same coverage, of everything known.
    let least = base.join("least").join(target.name);
    empty(&least).into_diagnostic().wrap_err_with(context)?;
    let merged = libfuzzer()
        .args(["-merge=1".into(), format!("-max_len={}", target.longest)])
        .args([&least, &found, &corpus::folder(target)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .into_diagnostic()
        .wrap_err_with(context)?;
    if !merged.success() {
        return Err(miette!("libFuzzer could not merge the corpus of {}", target.name));
    }
    let (count, bytes) = keep(target, &least).into_diagnostic().wrap_err_with(context)?;
    Ok(Outcome {
        line: format!("{:16} holds: keeps {count} inputs, {bytes} bytes", target.name),
        failed: false,
    })
}

struct Prepared {
    failures: PathBuf,
    dictionary: Option<PathBuf>,
}

fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

fn prepare(target: &Target, base: &Path, found: &Path) -> io::Result<Prepared> {
    let failures = base.join("failures");
    for folder in [&failures, &base.join("logs"), &base.join("words"), found] {
        fs::create_dir_all(folder)?;
    }
    fs::create_dir_all(corpus::folder(target))?;
    for seed in (target.seeds)() {
        fs::write(found.join(corpus::name(&seed)), &seed)?;
    }
    if target.words.is_empty() {
        return Ok(Prepared { failures, dictionary: None });
    }
    let dictionary = base.join("words").join(target.name);
    let quoted = |word: &[u8]| word.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    let lines: String = target.words.iter().map(|w| format!("\"{}\"\n", quoted(w))).collect();
    fs::write(&dictionary, lines)?;
    Ok(Prepared { failures, dictionary: Some(dictionary) })
}

/// Adds the shortest of `least` to the kept corpus, as many as fit. What is kept
/// already stays: some of it is there because it noticed a fault, which coverage
/// does not show.
fn keep(target: &Target, least: &Path) -> io::Result<(usize, usize)> {
    let mut inputs: Vec<Vec<u8>> = corpus::read(least)?.into_values().collect();
    inputs.sort_by_key(|input| (input.len(), input.clone()));
    let folder = corpus::folder(target);
    let kept: Vec<Vec<u8>> = corpus::read(&folder)?.into_values().collect();
    let seeds = (target.seeds)();
    inputs.retain(|input| !input.is_empty() && !seeds.contains(input) && !kept.contains(input));
    let (mut count, mut bytes) = (kept.len(), kept.iter().map(Vec::len).sum());
    for input in inputs {
        if bytes + input.len() > KEPT || count == KEPT_INPUTS {
            break;
        }
        fs::write(folder.join(corpus::name(&input)), &input)?;
        count += 1;
        bytes += input.len();
    }
    Ok((count, bytes))
}
