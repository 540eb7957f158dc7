//! Calls other programs and turns their failures into [`KernelError`]s.
//!
//! Surprise: the programs run with `LC_ALL=C`, because messages and sort
//! orders must not depend on who builds.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use crate::KernelError;

/// How much of a failed program's output an error repeats. A C compiler that
/// trips over one header can print megabytes.
const OUTPUT_LINES: usize = 30;

/// One call of a program.
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
    command: Command,
}

impl Program {
    fn new(name: &'static str, package: &'static str) -> Self {
        let mut command = Command::new(name);
        command.env("LC_ALL", "C");
        Self { name, package, command }
    }

    /// The C compiler; also assembler and linker.
    pub fn gcc() -> Self {
        Self::new("gcc", "gcc")
    }

    /// The C preprocessor.
    pub fn cpp() -> Self {
        Self::new("cpp", "cpp")
    }

    /// Converts object files.
    pub fn objcopy() -> Self {
        Self::new("objcopy", "binutils")
    }

    /// Merges texts; every checkout has it.
    pub fn git() -> Self {
        Self::new("git", "git")
    }

    /// Runs the kernel's own generator of bit-field accessors.
    pub fn python() -> Self {
        Self::new("python3", "python3")
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs the program to its end; `step` says what for.
    ///
    /// # Returns
    /// What it printed to standard output.
    pub fn run(mut self, step: &str) -> Result<Vec<u8>, KernelError> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(KernelError::Program {
            step: step.to_owned(),
            program: self.name,
            status: output.status.to_string(),
            command: format!("{:?}", self.command),
            output: tail(&output),
        })
    }

    fn output(&mut self) -> Result<Output, KernelError> {
        bulkhead_host::output(&mut self.command).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                KernelError::MissingProgram { program: self.name, package: self.package }
            }
            _ => KernelError::Start { program: self.name, source },
        })
    }
}

/// The last lines that a program printed as errors, or else to standard output.
pub(crate) fn tail(output: &Output) -> String {
    let bytes = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(OUTPUT_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error =
            Program::new("bulkhead-no-such-program", "some-package").run("test").unwrap_err();
        assert!(matches!(
            error,
            KernelError::MissingProgram {
                program: "bulkhead-no-such-program",
                package: "some-package"
            }
        ));
    }

    #[test]
    fn a_failed_program_s_errors_are_repeated() {
        let error = Program::python()
            .args(["-c", "import sys; [print(i, file=sys.stderr) for i in range(99)]; sys.exit(3)"])
            .run("counting")
            .unwrap_err();
        let KernelError::Program { step, output, status, .. } = error else { panic!("{error}") };
        assert_eq!(step, "counting");
        assert!(status.contains('3'), "{status}");
        assert!(output.starts_with("69\n") && output.ends_with("98"), "{output}");
    }
}
