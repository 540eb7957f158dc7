//! Calls of the command, and what its user sees of them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitStatus, Output, Stdio},
    sync::LazyLock,
};

use regex::Regex;

use crate::{
    checkout::{Checkout, real},
    namespace::{Tight, namespace},
};

/// Seconds after which a call that hangs is killed, in coreutils' words.
const LIMIT: &str = "300";

/// The longest that anything else may take, for the same reason.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// One call of the command.
pub struct Call<'a> {
    checkout: &'a Checkout,
    arguments: Vec<OsString>,
    /// Shell commands that run before it, in a mount namespace of its own.
    before: Option<String>,
    /// A mount namespace that is there already.
    within: Option<&'a Tight>,
    /// A program, with arguments, that starts it.
    by: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    folder: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// As a shell has it: 128 and more for signals.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// An exit status as a shell has it.
pub fn status_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

impl<'a> Call<'a> {
    pub fn new(
        checkout: &'a Checkout,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        Call {
            checkout,
            arguments: arguments.into_iter().map(|a| a.as_ref().to_owned()).collect(),
            before: None,
            within: None,
            by: Vec::new(),
            environment: Vec::new(),
            folder: checkout.root(),
        }
    }

    /// In a mount namespace, after these shell commands.
    pub fn after(mut self, commands: impl Into<String>) -> Self {
        self.before = Some(commands.into());
        self
    }

    /// In the mount namespace where the checkout's disk is small.
    pub fn within(mut self, tight: &'a Tight) -> Self {
        self.within = Some(tight);
        self
    }

    /// Started by another program.
    pub fn by(mut self, program: &[&str]) -> Self {
        self.by = program.iter().map(OsString::from).collect();
        self
    }

    /// With this in its environment.
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), Some(value.as_ref().into())));
        self
    }

    /// Without this in its environment.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// From this folder.
    pub fn from(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// The command, to be started in another way. It is its own process: no
    /// shell or the like stands between.
    pub fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(before) = &self.before {
            words.extend(namespace().expect("the caller has asked").iter().map(OsString::from));
            words.extend(["sh", "-c"].map(OsString::from));
            words.push(format!("set -e\n{before}\nexec \"$@\"").into());
            words.push("sh".into());
        }
        if let Some(tight) = self.within {
            words.extend(tight.enter(&self.folder));
        }
        words.extend(self.by.iter().cloned());
        words.push(env!("CARGO_BIN_EXE_bulkhead").into());
        words.extend(self.arguments.iter().cloned());
        let mut command = Command::new(&words[0]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.checkout.programs()).chain(std::env::split_paths(&path));
        command
            .args(&words[1..])
            .current_dir(&self.folder)
            .env_remove("CARGO_MANIFEST_DIR")
            // The default board, whoever runs the tests.
            .env_remove("MICROKIT_SDK")
            .env_remove("MICROKIT_KERNEL")
            .env("CARGO", self.checkout.programs().join("cargo"))
            .env("PATH", std::env::join_paths(paths).expect("no colons"))
            .env("TMPDIR", self.checkout.tmp())
            .stdin(Stdio::null());
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs it to its end.
    pub fn run(&self) -> Outcome {
        let inner = self.command();
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["--foreground", "--signal=KILL", LIMIT]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir(&self.folder);
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.outcome(&command.stdin(Stdio::null()).output().expect("timeout starts"))
    }

    /// What came of it, however it was started.
    pub fn outcome(&self, output: &Output) -> Outcome {
        Outcome {
            status: output.status.code().unwrap_or(-1),
            out: self.plain(&output.stdout),
            err: self.plain(&output.stderr),
        }
    }

    /// What was printed, without what differs from machine to machine.
    pub fn plain(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let places = [
            (self.checkout.root(), "CHECKOUT"),
            (self.checkout.tmp(), "TMPDIR"),
            (self.checkout.scratch(), "SCRATCH"),
            (real().to_owned(), "REAL"),
        ];
        for (place, name) in places {
            text = text.replace(&place.display().to_string(), name);
        }
        for (pattern, replacement) in &*VARYING {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
        text
    }
}

/// How long steps took, and the versions, sizes and names of others' files.
static VARYING: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"(?m)  \d+(\.\d)? s$|  \d+ min \d\d s$", ""),
        (r"linux-image-[\w.+~-]+( \d[\w.+~-]*)?", "KERNEL"),
        (r"linux-\d\S+", "KERNEL"),
        (r"0x[0-9a-f]{4,}", "0xN"),
        (r"\b\d{5,}\b", "N"),
        (r"(process|Process) \d+", "$1 N"),
        (r"(release|debug)-[0-9a-f]{16}", "$1-KEY"),
        (r"(\.image-|\.building-|bulkhead-|\.tmp)[A-Za-z0-9]{6}\b", "${1}XXXXXX"),
        (r"\d+ ([kMG]i?B)\b", "N $1"),
        // Places in our own files.
        (r"(?m)^ *\d+ │", "N │"),
        (r":\d+:\d+\]", ":N:N]"),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("a pattern"), replacement))
    .into()
});

/// Says why a test does nothing, for whoever reads its output.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// What a family's users see: one text, held against a committed one.
#[derive(Default)]
pub struct Catalogue(String);

impl Catalogue {
    /// Adds a case.
    pub fn add(&mut self, name: &str, outcome: &Outcome) {
        let Outcome { status, out, err } = outcome;
        self.0 += &format!("## {name}\nstatus {status}\n");
        for (stream, text) in [("standard output", out), ("standard error", err)] {
            if !text.trim().is_empty() {
                self.0 += &format!("-- {stream}\n{}\n", text.trim_end());
            }
        }
        self.0.push('\n');
    }

    /// Holds it against the committed one.
    pub fn check(self, family: &str) {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false,
                                snapshot_path => "snapshots" }, {
            insta::assert_snapshot!(family, self.0);
        });
    }
}
