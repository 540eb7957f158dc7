//! One call of the SDK's tool.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{SdkError, Selection, VARIABLE};

/// Most of what the tool says that is repeated; its longest message, a report of
/// overlapping regions, has a few hundred lines.
const SAID: usize = 64 << 10;

/// How Rust programs end that panicked.
const PANICKED: i32 = 101;

/// What the tool is to do.
pub struct Job<'a> {
    /// The description.
    pub description: &'a Path,
    /// Where programs and prefilled regions' files are looked for, in this order.
    pub search: &'a [PathBuf],
    /// The folder that its output goes to; it must be there.
    pub out: &'a Path,
    /// A folder for what only the tool needs.
    pub scratch: &'a Path,
}

/// What it made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The initialiser with the whole system in it: a Multiboot module.
    pub loader: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The same as a 32-bit ELF file.
    pub kernel32: PathBuf,
    /// What was allocated, in the tool's words.
    pub report: PathBuf,
}

impl Selection {
    /// Calls the tool. It puts the kernel beside its image.
    ///
    /// # Errors
    /// It refuses the description, breaks down, or does not write what it should.
    pub fn call(&self, job: &Job<'_>) -> Result<Image, SdkError> {
        let Job { description, search, out, scratch } = *job;
        let image = Image {
            loader: out.join("loader.img"),
            kernel: out.join("sel4.elf"),
            kernel32: out.join("sel4_32.elf"),
            report: out.join("report.txt"),
        };
        let mut command = Command::new(self.sdk().tool());
        // The description first: a search path takes every word after it.
        command
            .current_dir(out)
            .env(VARIABLE, self.sdk().root())
            .env("LC_ALL", "C")
            .arg(description)
            .args(["--board", self.board(), "--config", self.configuration()])
            .arg("-o")
            .arg(&image.loader)
            .arg("-r")
            .arg(&image.report);
        if self.kernel().is_given() {
            let staged = self.kernel().stage(scratch)?;
            command.arg("--override-kernel").arg(staged);
        }
        command.arg("--search-path").args(search);
        let output = bulkhead_host::output(&mut command).map_err(|source| SdkError::Tool {
            path: self.sdk().tool().to_owned(),
            why: source.to_string(),
            cure: "take the release for linux-x86-64".into(),
        })?;
        if !output.status.success() {
            return Err(failure(&output, description, &command));
        }
        for path in [&image.loader, &image.kernel, &image.kernel32] {
            if !path.metadata().is_ok_and(|made| made.is_file() && made.len() > 0) {
                return Err(SdkError::NoOutput { path: path.clone() });
            }
        }
        Ok(image)
    }
}

/// Tells a refusal from a breakdown: the tool ends with 1 when it means to.
fn failure(output: &Output, description: &Path, command: &Command) -> SdkError {
    let description = description.to_owned();
    let said = said(output);
    let command = shell(command);
    match output.status.code() {
        Some(code) if code != PANICKED => SdkError::Refused { description, said, command },
        Some(_) | None => {
            SdkError::Crashed { description, status: output.status.to_string(), said, command }
        }
    }
}

/// What it said, without anything that would change the terminal.
fn said(output: &Output) -> String {
    let mut text = String::new();
    for stream in [&output.stdout, &output.stderr] {
        let stream = String::from_utf8_lossy(stream);
        let stream = stream.trim_end();
        if !stream.is_empty() {
            text += stream;
            text.push('\n');
        }
    }
    let mut end = text.len().min(SAID);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() {
        text.truncate(end);
        text += "\n(cut here)";
    }
    let visible = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    let text: String = text.chars().filter(visible).collect();
    if text.trim().is_empty() { "(it said nothing)".into() } else { text.trim_end().into() }
}

/// The call, for pasting into a shell.
fn shell(command: &Command) -> String {
    let quote = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let root = command.get_envs().find(|(name, _)| *name == VARIABLE).and_then(|(_, value)| value);
    let root = root.map(|root| format!("{VARIABLE}={} ", quote(root))).unwrap_or_default();
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quote).collect();
    format!("{root}{}", words.join(" "))
}
