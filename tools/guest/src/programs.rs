//! Builds the programs of our own that go into the initial RAM disk: static,
//! because there is no C library there.

use std::{path::PathBuf, process::Command};

use crate::{
    Request,
    debian::tail,
    error::{GuestError, Result},
};

/// The program's target; also keeps the flags off build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Packages and names of the programs.
const PROGRAMS: [(&str, &str); 2] =
    [("guest-selftest", "selftest"), ("guest-debug-exit", "debug-exit")];

/// Builds them; cargo knows when there is nothing to do. Returns names and
/// places.
pub fn build(request: &Request<'_>) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = request.out.join("guest/programs-build");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .args(PROGRAMS.iter().flat_map(|(package, _)| ["--package", package]))
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=symbols")
        .current_dir(request.workspace)
        .output()
        .map_err(|source| GuestError::Missing { program: "cargo", package: "rustup", source })?;
    if !output.status.success() {
        return Err(GuestError::Failed {
            what: "building the guest's programs".into(),
            status: output.status.to_string(),
            output: tail(&output),
        });
    }
    let built = folder.join(TARGET).join("release");
    Ok(PROGRAMS.iter().map(|(_, name)| (*name, built.join(name))).collect())
}
