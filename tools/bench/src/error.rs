//! Why there is no figure.

use std::path::PathBuf;

use bulkhead_host::FileError;
use miette::Diagnostic;
use thiserror::Error;

/// Each names the measurement, the cause and where to look.
#[derive(Debug, Error, Diagnostic)]
pub enum BenchError {
    /// The machine or what runs on it ended, or said that something is wrong.
    #[error("the measurement `{run}` failed: {why}")]
    #[diagnostic(help(
        "the end of the console:\n{tail}\nall of it is in {}, the emulator's messages are beside it",
        log.display()
    ))]
    Run {
        /// Which measurement.
        run: &'static str,
        /// What happened.
        why: String,
        /// The end of the console's text.
        tail: String,
        /// Where the whole console is.
        log: PathBuf,
    },
    /// A guest ended well and did not print what it measured.
    #[error("the measurement `{run}` printed no samples of `{name}`, or broken ones")]
    #[diagnostic(help("its whole console is in {}", log.display()))]
    Samples {
        /// Which measurement.
        run: &'static str,
        /// The figure.
        name: &'static str,
        /// Where the whole console is.
        log: PathBuf,
    },
    /// A figure was asked for and its run was not made: a mistake of ours.
    #[error("`{figure}` needs a run that was not made")]
    #[diagnostic(help("`Run::figures` in tools/bench/src/measure/mod.rs leaves it out"))]
    NotRun {
        /// The figure.
        figure: &'static str,
    },
    /// A line of an earlier run's figures is no figure.
    #[error("{}, line {line}: {reason}", path.display())]
    #[diagnostic(help(
        "each line is an object that `cargo bulkhead bench --json FILE` wrote, such as\n\
         {{\"name\":\"cpuid_exit\",\"unit\":\"ticks\",\"value\":1234,\"budget\":1550,\"board\":\"bochs\"}}"
    ))]
    Record {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with nothing in it to compare.
    #[error("{} holds no figures", path.display())]
    #[diagnostic(help("`cargo bulkhead bench --json FILE` writes one"))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A name or part of one that no figure has.
    #[error("no figure has `{0}` in its name")]
    #[diagnostic(help("the figures are: {}", names()))]
    NoFigure(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

fn names() -> String {
    let names: Vec<&str> = crate::figure::CATALOGUE.iter().map(|spec| spec.name).collect();
    names.join(", ")
}
