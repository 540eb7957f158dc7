//! Builds the self-test program that goes into the initial RAM disk: static,
//! because there is no C library there.

use std::{path::PathBuf, process::Command};

use crate::{
    Request,
    debian::tail,
    error::{GuestError, Result},
};

/// The program's target; also keeps the flags off build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds it; cargo knows when there is nothing to do.
pub fn build(request: &Request<'_>) -> Result<PathBuf> {
    let folder = request.out.join("guest/selftest-build");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--package", "guest-selftest", "--target", TARGET])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=symbols")
        .current_dir(request.workspace)
        .output()
        .map_err(|source| GuestError::Missing { program: "cargo", package: "rustup", source })?;
    if !output.status.success() {
        return Err(GuestError::Failed {
            what: "building the guest's self-test".into(),
            status: output.status.to_string(),
            output: tail(&output),
        });
    }
    Ok(folder.join(TARGET).join("release/selftest"))
}
