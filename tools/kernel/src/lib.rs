//! Fetches, patches and builds the embedded seL4 kernel: version 5.0.0, for the
//! `bochs` board.
//!
//! Where things are: `source` obtains and checks the crate that carries the
//! kernel, `patches` applies the series in `patches/`, `interface` makes the
//! numbers of the kernel's calls, for C and for Rust, `configuration` holds the
//! kernel's options, `build` puts it together and keeps the result. `omission`
//! leaves a patch out, for tests that must fail without it. `sdk` makes the
//! numbers of the production kernel, which comes with the Microkit SDK.
//!
//! Not here: the rest of that SDK; what is booted together with the kernel
//! (`bulkhead-image`).
//!
//! What surprises: the crate is never compiled. Cargo downloads and verifies
//! it, because cargo is there anyway and can; only its files are used.
#![forbid(unsafe_code)]

mod bitfields;
mod build;
mod compile;
mod configuration;
mod error;
mod interface;
mod omission;
mod patches;
mod program;
mod sdk;
mod source;
mod stage;

use std::path::Path;

use bulkhead_progress::Progress;

pub use build::{Kernel, Request, build, build_without};
pub use configuration::Configuration;
use error::FileContext;
pub use error::KernelError;
use interface::numbers;
/// Where the committed numbers are, from the root of the project.
pub use interface::numbers::FILE as NUMBERS_FILE;
/// The same for a SDK's kernel, version 16.
pub use interface::numbers::SDK_FILE as SDK_NUMBERS_FILE;
use interface::tables::Kernel as Headers;
use patches::Series;
pub use sdk::sdk_numbers;
use source::Source;
use stage::Stage;

/// The text that `lib/sel4/src/numbers_v5.rs` must have.
///
/// # Errors
/// As for a build.
pub fn numbers(workspace: &Path, progress: &dyn Progress) -> Result<String, KernelError> {
    let source = Source::obtain(workspace, progress)?;
    let series = Series::read(workspace)?;
    let dir = tempfile::tempdir().context("cannot create a folder in", &std::env::temp_dir())?;
    let stage = Stage::prepare(&source, &series, None, Configuration::Debug, dir.path())?;
    numbers::generate(stage.interface(), Headers::Embedded, stage.compiler(), stage.scratch())
}

/// The names of the patches, in order, and of everything that can be left out
/// besides a whole patch.
///
/// # Errors
/// The files cannot be read or parsed.
pub fn patch_names(workspace: &Path) -> Result<(Vec<String>, Vec<String>), KernelError> {
    let series = Series::read(workspace)?;
    let names = series.patches().iter().map(patches::Patch::name).collect();
    Ok((names, omission::undos(workspace)?))
}
