//! `fuzz`: builds and starts `tools/fuzz`, and hands its options on.
//!
//! A program of its own, because it is built with its own profile: fast, with
//! every check on, and unwinding.

use std::{
    env,
    ffi::OsString,
    process::{Command, Stdio},
};

use bulkhead_build::Workspace;
use bulkhead_progress::Progress;
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::{exit, steps::Steps};

/// Cargo on the fuzzer.
fn cargo(workspace: &Workspace, verb: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([verb, "--quiet", "--profile", "fuzz", "--package", "bulkhead-fuzz"]);
    command.arg("--manifest-path").arg(workspace.root.join("Cargo.toml"));
    command
}

/// Builds the fuzzer.
///
/// # Errors
/// It does not compile; what cargo says is in the error.
fn build(workspace: &Workspace, steps: &Steps) -> Result<()> {
    steps.begin("fuzzer", None);
    let output = cargo(workspace, "build")
        .stdin(Stdio::null())
        .output()
        .into_diagnostic()
        .wrap_err("cannot start cargo")?;
    if !output.status.success() {
        return Err(miette!("{}", String::from_utf8_lossy(&output.stderr).trim_end())
            .wrap_err("the fuzzer could not be built"));
    }
    steps.end("built");
    Ok(())
}

/// Runs the fuzzer as the options say; returns its exit status.
pub fn fuzz(arguments: &[OsString], steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    build(&workspace, steps)?;
    let status = cargo(&workspace, "run")
        .arg("--")
        .args(arguments)
        .status()
        .into_diagnostic()
        .wrap_err("cannot start cargo")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED))
}

/// Runs every target as long as a test run does.
///
/// # Returns
/// Whether all hold, and the lines that the fuzzer printed.
pub fn test(workspace: &Workspace, steps: &Steps) -> Result<(bool, String)> {
    build(workspace, steps)?;
    steps.begin("fuzzing", None);
    let output = cargo(workspace, "run")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .into_diagnostic()
        .wrap_err("cannot start cargo")?;
    let holds = output.status.success();
    if holds {
        steps.end("passed")
    } else {
        steps.abandon()
    }
    Ok((holds, String::from_utf8_lossy(&output.stdout).trim_end().to_owned()))
}
