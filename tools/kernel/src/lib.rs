//! Fetches, patches and builds the embedded seL4 kernel.
#![forbid(unsafe_code)]

mod bitfields;
mod build;
mod compile;
mod configuration;
mod error;
mod interface;
mod patches;
mod program;
mod source;
mod stage;

use std::path::Path;

use bulkhead_progress::Progress;

pub use build::{Kernel, Request, build};
pub use configuration::Configuration;
use error::FileContext;
pub use error::KernelError;
use interface::numbers;
/// Where the committed numbers are, from the root of the project.
pub use interface::numbers::FILE as NUMBERS_FILE;
use patches::Series;
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
    let stage = Stage::prepare(&source, &series, Configuration::Debug, dir.path())?;
    numbers::generate(stage.interface(), stage.compiler(), stage.scratch())
}
