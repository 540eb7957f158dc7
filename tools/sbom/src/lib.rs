//! What a boot image is made of, and under which licences: a software bill of
//! materials (SPDX 2.3, JSON) and the notices for people, both beside the
//! image. The image carries a GPL kernel, so whoever passes it on needs them.
//!
//! It reads the finished image back and demands a component for each file that
//! it finds; a file that nothing accounts for is an error, so that a change to
//! how images are made cannot outgrow the bill.
//!
//! Where things are: `contents` reads images back, `accounts` says which file
//! is made of what, `component`, `inventory` hold that, `crates`, `debian`,
//! `kernel`, `sdk`, `toolchain` know components of a kind, `spdx` and `notices` write.
//!
//! Not here: legal judgement. Licences are what their owners declare; texts are
//! copied, never made up.
//!
//! What surprises: the same image gives the same bytes, so nothing here knows
//! the date or a path of this machine.
#![forbid(unsafe_code)]

mod accounts;
mod component;
mod contents;
mod crates;
mod debian;
mod digest;
mod inventory;
mod kernel;
mod notices;
mod sdk;
mod spdx;
mod texts;
mod toolchain;

use std::{
    io,
    path::{Path, PathBuf},
};

use bulkhead_cargo::{CargoError, Crates};
use bulkhead_guest::LinuxImages;
use miette::Diagnostic;
use thiserror::Error;

use crate::{contents::Iso, digest::Digests, spdx::Subject};

/// A program of a system.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the description, or `root_task.elf`.
    pub name: String,
    /// The ELF file.
    pub path: PathBuf,
    /// The package of the workspace that it was built from, if it was.
    pub package: Option<String>,
    /// It is the user's own, who knows what it is made of.
    pub given: bool,
}

/// A file that fills a memory region.
#[derive(Clone, Debug)]
pub struct Prefill {
    /// Its name in the description.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// It is the user's own, as above.
    pub given: bool,
}

/// The kernel of an image.
#[derive(Clone, Debug)]
pub enum Kernel<'a> {
    /// This project builds it; the initial task is one of its programs.
    Embedded {
        /// The file that was put in.
        image: &'a Path,
    },
    /// It is out of a Microkit SDK, as is the initial task.
    Sdk {
        /// The file that was put in.
        image: &'a Path,
        /// The SDK's release.
        release: String,
        /// Whether whoever built the image gave another kernel instead.
        given: bool,
    },
}

/// A boot image that was just made, and what it was made of.
pub struct Image<'a> {
    /// The checkout.
    pub workspace: &'a Path,
    /// Where everything is built: `target/bulkhead`.
    pub out: &'a Path,
    /// Its packages.
    pub crates: &'a Crates,
    /// The boot image.
    pub iso: &'a Path,
    /// The kernel, and with it whose initial task starts the system.
    pub kernel: Kernel<'a>,
    /// The folder for what is made for this system alone.
    pub folder: &'a Path,
    /// Protection domains and the initial task.
    pub programs: Vec<Program>,
    /// What fills memory regions.
    pub prefills: Vec<Prefill>,
    /// The default guest, where the system has it.
    pub guest: Option<&'a LinuxImages>,
}

/// The two files beside an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// For machines: SPDX.
    pub spdx: PathBuf,
    /// For people.
    pub notices: PathBuf,
}

impl Bill {
    /// Where the bill of an image is.
    pub fn beside(image: &Path) -> Self {
        Bill {
            spdx: image.with_extension("spdx.json"),
            notices: image.with_file_name("THIRD-PARTY-NOTICES.txt"),
        }
    }

    /// Removes it: its image is about to change.
    pub fn remove(&self) {
        for path in [&self.spdx, &self.notices] {
            // Mostly it is not there; and who cannot write here, cannot change
            // the image either.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.spdx.is_file() && self.notices.is_file()
    }
}

/// Why there is no bill.
#[derive(Debug, Error, Diagnostic)]
pub enum SbomError {
    /// A file of the image comes from nowhere that is known.
    #[error("nothing accounts for {file} in the boot image")]
    #[diagnostic(help(
        "whatever puts a file into images says in tools/sbom/src/accounts.rs what it is made of"
    ))]
    Unaccounted {
        /// The file.
        file: String,
    },
    /// Two files have one name.
    #[error("the boot image has two different files called {file}")]
    Twice {
        /// The file.
        file: String,
    },
    /// A file is not what was put in.
    #[error("{file} in the boot image differs from {original}")]
    #[diagnostic(help("something changed it while the image was made; build again"))]
    Changed {
        /// The file.
        file: String,
        /// What it should be.
        original: PathBuf,
    },
    /// The image cannot be read back.
    #[error("cannot list what is in {path}: {reason}")]
    Image {
        /// The image.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Debian's knowledge of a package cannot be had.
    #[error("cannot ask Debian about the package {package}: {reason}")]
    #[diagnostic(help("its files are in the image, so its version and licence must be known"))]
    Package {
        /// The package.
        package: String,
        /// Why not.
        reason: String,
    },
    /// The compiler does not say what it is.
    #[error("cannot ask the compiler what it is: {reason}")]
    Toolchain {
        /// Why not.
        reason: String,
    },
    /// `Cargo.lock` is not as expected.
    #[error("{path} is not a lock file as cargo writes it: {reason}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Cargo does not know a package.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    /// The document cannot be written down.
    #[error("cannot write the bill as JSON")]
    Json(#[from] serde_json::Error),
    /// The bill cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Written(#[from] bulkhead_host::FileError),
    /// A file cannot be read.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl SbomError {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SbomError {
        move |source| SbomError::File { what, path: path.to_owned(), source }
    }
}

/// Writes the bill of an image beside it.
///
/// # Errors
/// A file of the image is not accounted for, or what it is made of cannot be
/// asked for. Neither file is half-written.
pub fn write(image: &Image<'_>) -> Result<Bill, SbomError> {
    let iso = Iso::read(image.iso)?;
    let (components, inventory) = accounts::of(image, &iso)?;
    let digests = Digests::of(iso.bytes());
    let name = image.iso.file_name().unwrap_or_default().to_string_lossy();
    let subject =
        Subject { file: &name, digests: &digests, components: &components, inventory: &inventory };
    let spdx = spdx::document(&subject)?;
    let notices = notices::notices(&name, &digests, &components, &inventory);
    let bill = Bill::beside(image.iso);
    bulkhead_host::replace(&bill.spdx, spdx.as_bytes())?;
    bulkhead_host::replace(&bill.notices, notices.as_bytes())?;
    Ok(bill)
}
