//! Why there is no guest image, and what to do.

use std::{io, path::PathBuf};

use bulkhead_host::{FileError, file};

/// Each says cause and cure.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GuestError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Cargo does not say where the programs' crates are.
    #[error(transparent)]
    Cargo(#[from] bulkhead_cargo::CargoError),
    /// A recipe is not as it should be.
    #[error("guest recipe {}: {reason}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program could not be started.
    #[error("`{program}` could not be started: {source}")]
    #[diagnostic(help("the package {package} has it"))]
    Missing {
        /// Its name.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A program failed.
    #[error("{what} failed ({status}){}", if output.is_empty() { String::new() } else { format!("\n{output}") })]
    Failed {
        /// What it was to do.
        what: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
        /// What may help.
        #[help]
        help: &'static str,
    },
    /// A package could not be had.
    #[error("the guest's package `{package}` could not be fetched\n{reason}")]
    #[diagnostic(help(
        "the first build needs the network, later ones do not; if it is there, the package lists \
         are out of date: run `apt-get update` as root"
    ))]
    Package {
        /// Its name.
        package: String,
        /// What apt said.
        reason: String,
    },
    /// A package does not hold what the recipe wants.
    #[error("package {package} holds no {wanted}")]
    #[diagnostic(help("guest-images/linux/recipe.toml and Debian disagree: correct the recipe"))]
    Content {
        /// The package.
        package: String,
        /// The file.
        wanted: String,
    },
    /// A kernel image could not be unpacked.
    #[error("kernel {}: {reason}", path.display())]
    #[diagnostic(help("`cargo bulkhead clean` removes it, and the next build fetches it again"))]
    Kernel {
        /// The image.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl GuestError {
    /// Wraps an input or output error.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> GuestError {
        let path = path.into();
        move |source| file(action, &path)(source).into()
    }
}

/// Shorthand.
pub(crate) type Result<T, E = GuestError> = std::result::Result<T, E>;
