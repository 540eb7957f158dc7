//! What cargo knows about the programs that are built for the machine: where
//! the sources of their crates lie, and which crates are linked into each.
//!
//! It asks and builds nothing. Not here: the kernel's source, which is no crate
//! that is compiled (`bulkhead-kernel`).
//!
//! What surprises: a program holds the paths of its sources, because each place
//! that may panic is named by file and line. So where a checkout or cargo's
//! folder lies would be in every image; [`Crates::remapping`] takes it out.
#![forbid(unsafe_code)]

mod linked;
mod remapping;

use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand};
use miette::Diagnostic;
use thiserror::Error;

pub use cargo_metadata::Package;
pub use remapping::{CHECKOUT, CRATES, encode};

/// The target that everything for the machine is compiled for: its prebuilt
/// `core` and `std` come with every toolchain for this host.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Why cargo's knowledge cannot be had.
#[derive(Debug, Error, Diagnostic)]
pub enum CargoError {
    /// Cargo cannot be called, or found the workspace wanting.
    #[error("cargo cannot list the workspace's packages")]
    #[diagnostic(help(
        "`cargo metadata` in the checkout shows why; the first call needs the network"
    ))]
    Metadata(#[source] Box<cargo_metadata::Error>),
    /// Cargo cannot be called, or does not say what depends on what.
    #[error("cargo cannot list what is linked into a program: {reason}")]
    Tree {
        /// Its own words.
        reason: String,
    },
    /// A package that is not there.
    #[error("the workspace has no package `{0}`")]
    Unknown(String),
}

/// The workspace's packages and those that they depend on, for [`TARGET`].
pub struct Crates {
    metadata: Metadata,
}

impl Crates {
    /// Asks cargo, which downloads what is not there.
    ///
    /// # Errors
    /// Cargo cannot be called or does not answer; its own words are in the error.
    pub fn of(workspace: &Path) -> Result<Self, CargoError> {
        let metadata = MetadataCommand::new()
            .current_dir(workspace)
            .other_options(["--filter-platform".into(), TARGET.into()])
            .exec()
            .map_err(|error| CargoError::Metadata(Box::new(error)))?;
        Ok(Crates { metadata })
    }
}
