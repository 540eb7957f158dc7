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

use std::{collections::HashMap, path::Path};

use cargo_metadata::{Metadata, MetadataCommand, Node, PackageId};
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
    /// The answer has no dependencies in it.
    #[error("cargo's list of packages does not say which depends on which")]
    NoGraph,
    /// A package that the workspace lacks.
    #[error("the workspace has no package `{0}`")]
    Unknown(String),
}

/// The workspace's packages and their dependencies, for [`TARGET`].
pub struct Crates {
    metadata: Metadata,
    packages: HashMap<PackageId, usize>,
    nodes: HashMap<PackageId, Node>,
}

impl Crates {
    /// Asks cargo, which downloads what is not there.
    ///
    /// # Errors
    /// Cargo cannot be called or does not answer; its own words are in the error.
    pub fn of(workspace: &Path) -> Result<Self, CargoError> {
        let mut metadata = MetadataCommand::new()
            .current_dir(workspace)
            .other_options(["--filter-platform".into(), TARGET.into()])
            .exec()
            .map_err(|error| CargoError::Metadata(Box::new(error)))?;
        let graph = metadata.resolve.take().ok_or(CargoError::NoGraph)?;
        let nodes = graph.nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
        let packages = metadata.packages.iter().enumerate();
        let packages = packages.map(|(place, package)| (package.id.clone(), place)).collect();
        Ok(Crates { metadata, packages, nodes })
    }

    /// A package of the workspace.
    fn member(&self, name: &str) -> Result<&Package, CargoError> {
        self.metadata
            .workspace_packages()
            .into_iter()
            .find(|package| *package.name == name)
            .ok_or_else(|| CargoError::Unknown(name.to_owned()))
    }
}
