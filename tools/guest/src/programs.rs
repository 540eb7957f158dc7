//! Builds the programs of our own that go into the initial RAM disk: static,
//! because there is no C library there.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    process::Command,
    time::SystemTime,
};

use bulkhead_cargo::{Crates, TARGET, encode};

use crate::{
    Request,
    debian::tail,
    error::{GuestError, Result},
};

/// Compiler flags.
const FLAGS: [&str; 2] = ["-Ctarget-feature=+crt-static", "-Cstrip=symbols"];

/// A program: its package, and its own name.
pub type Program = (&'static str, &'static str);

/// The programs of every initial RAM disk.
pub const ALWAYS: [Program; 3] = [
    ("guest-selftest", "selftest"),
    ("guest-debug-exit", "debug-exit"),
    ("guest-disktest", "disktest"),
];

/// The first process that measures.
pub const BENCH_INIT: Program = ("guest-bench-init", "bench-init");

/// What tests need besides.
pub const TESTS: Program = ("guest-intruder", "intruder");

/// A program that is built.
#[derive(Debug)]
pub struct BuiltProgram {
    /// The package that it is built from.
    pub package: &'static str,
    /// Its name in the guest.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// Programs that are built.
pub struct Programs<const N: usize> {
    /// Each of them.
    pub all: [BuiltProgram; N],
    /// Whether nothing had changed.
    pub cached: bool,
}

/// Builds programs; cargo knows when there is nothing to do.
pub fn build<const N: usize>(request: &Request<'_>, programs: [Program; N]) -> Result<Programs<N>> {
    let folder = request.out.join("guest/programs-build");
    let remapping = Crates::of(request.workspace)?.remapping();
    let flags = FLAGS.iter().map(OsStr::new).chain(remapping.iter().map(OsString::as_os_str));
    let built = folder.join(TARGET).join("release");
    let all =
        programs.map(|(package, name)| BuiltProgram { package, name, path: built.join(name) });
    let dates = || all.iter().map(|program| program.path.metadata()?.modified()).collect();
    let before: io::Result<Vec<SystemTime>> = dates();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // With a target the flags do not reach build scripts.
    command
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .args(programs.iter().flat_map(|(package, _)| ["--package", package]))
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", encode(flags))
        .current_dir(request.workspace);
    let output = bulkhead_host::output(&mut command).map_err(|source| GuestError::Missing {
        program: "cargo",
        package: "rustup",
        source,
    })?;
    if !output.status.success() {
        return Err(GuestError::Failed {
            what: "building the guest's programs".into(),
            status: output.status.to_string(),
            output: tail(&output),
            help: "cargo says above what is wrong; the first build needs the network",
        });
    }
    let cached = matches!((before, dates()), (Ok(before), Ok(after)) if before == after);
    Ok(Programs { all, cached })
}
