//! Everything that can go wrong between the crate and the kernel image, each
//! with its cause and its cure.

use std::io;
use std::path::{Path, PathBuf};

use bulkhead_host::cure;

/// Why there is no kernel.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum KernelError {
    /// A program that the build calls is not installed.
    #[error("`{program}` is not installed")]
    #[diagnostic(help("install it: apt-get install {package}"))]
    MissingProgram {
        /// The program's name.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },

    /// A program that the build calls could not be started.
    #[error("`{program}` could not be started")]
    Start {
        /// The program's name.
        program: &'static str,
        /// What the operating system said.
        source: io::Error,
    },

    /// A program that the build calls ended with an error.
    #[error("{step}: `{program}` failed ({status})\n{output}")]
    #[diagnostic(help("the command was: {command}"))]
    Program {
        /// What the build was about to do.
        step: String,
        /// The program's name.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The whole command line.
        command: String,
        /// The end of what it printed.
        output: String,
    },

    /// Cargo could not download the crate.
    #[error("the seL4 source could not be downloaded\n{output}")]
    #[diagnostic(help(
        "the source is the crate `sel4-sys` 0.0.28 of crates.io: the first build needs the network, \
         later ones do not; behind a proxy, set `http.proxy` in cargo's configuration"
    ))]
    Download {
        /// The end of what cargo printed.
        output: String,
    },

    /// Cargo downloaded something, but not the crate that Cargo.lock names.
    #[error("the downloaded seL4 source is not the one this project expects\n{output}")]
    #[diagnostic(help(
        "the registry (or a mirror of it) delivers another file than crates.io did: do not use it; \
         remove the crate from cargo's registry folder and download it from crates.io"
    ))]
    Checksum {
        /// The end of what cargo printed.
        output: String,
    },

    /// The unpacked source was changed after cargo had checked it.
    #[error("the unpacked seL4 source in {} was changed: its SHA-256 is {found}, not {expected}", .path.display())]
    #[diagnostic(help("remove that folder; cargo unpacks the crate again at the next build"))]
    Tampered {
        /// Where cargo unpacked the crate.
        path: PathBuf,
        /// Hash of what is there.
        found: String,
        /// Hash of what belongs there.
        expected: &'static str,
    },

    /// Cargo answered, but not with what its manual promises.
    #[error("cargo's answer to `cargo metadata` is not understood: {why}")]
    #[diagnostic(help("use the cargo of Rust 1.95 or later"))]
    Metadata {
        /// What was missing.
        why: String,
    },

    /// A file could not be read or written.
    #[error("{action} {}", .path.display())]
    #[diagnostic(help("{}", help(.source)))]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// An interface description of the kernel is not as this program knows it.
    #[error("{}: {why}", .path.display())]
    #[diagnostic(help(
        "a patch in tools/kernel/patches changed it, or tools/kernel must learn the new form"
    ))]
    Interface {
        /// The XML file.
        path: PathBuf,
        /// What is wrong, with the position.
        why: String,
    },

    /// A file of a Microkit SDK is missing, or not as this program knows it.
    #[error("the Microkit SDK's {}: {why}", .path.display())]
    #[diagnostic(help(
        "Bulkhead needs the board `x86_64_generic_vtx` of a Microkit SDK 2.3: is this one, unpacked \
         whole and unchanged?"
    ))]
    Sdk {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// A patch file is malformed, or does not fit the source.
    #[error("{}:{line}: {why}", .patch.display())]
    #[diagnostic(help(
        "regenerate the patch against the source as the patches before it leave it"
    ))]
    Patch {
        /// The patch file.
        patch: PathBuf,
        /// Line in the patch file.
        line: usize,
        /// What does not fit, and which file and line of the source.
        why: String,
    },

    /// A patch cannot be left out.
    #[error("{name} cannot be left out: {why}")]
    #[diagnostic(help(
        "write tools/kernel/patches/undo/{name}.patch, which takes it out of the source as all \
         patches leave it"
    ))]
    Omission {
        /// What was to be left out.
        name: String,
        /// What is in the way.
        why: String,
    },

    /// The committed interface numbers are not those of this kernel.
    #[error("{} does not match the kernel: {difference}", .path.display())]
    #[diagnostic(help(
        "a patch or an option changed the interface; write the file anew and commit it: \
         cargo run -p bulkhead-kernel --bin kernel-numbers -- --write"
    ))]
    StaleNumbers {
        /// The committed file.
        path: PathBuf,
        /// The first line that differs.
        difference: String,
    },
}

/// What helps against an error of the file system.
fn help(source: &io::Error) -> &'static str {
    cure(source).unwrap_or(match source.kind() {
        io::ErrorKind::NotFound => "is this a complete checkout of the project?",
        _ => "the operating system gave the reason above",
    })
}

/// Adds what was done, and to which file, to an error of the file system.
pub(crate) trait FileContext<T> {
    /// `action` reads well before a path: "cannot read".
    fn context(self, action: &'static str, path: &Path) -> Result<T, KernelError>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, KernelError> {
        self.map_err(|source| KernelError::File { action, path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever shows an error shows its sources below it.
    #[test]
    fn an_error_leaves_it_to_its_source_to_say_what_the_system_said() {
        let full = || io::Error::from_raw_os_error(28);
        let errors = [
            Err::<(), _>(full()).context("cannot write", Path::new("x")).unwrap_err(),
            KernelError::Start { program: "gcc", source: full() },
        ];
        for error in errors {
            let source = std::error::Error::source(&error).expect("the system's error").to_string();
            assert!(!error.to_string().contains(&source), "{error}");
        }
    }
}
