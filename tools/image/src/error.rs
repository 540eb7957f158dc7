//! What can go wrong, with its cause and its cure.

use std::{io, path::PathBuf};

use bulkhead_host::{FileError, cure};

/// Why there is no boot image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ImageError {
    /// The initial task is not an ELF file that the kernel could load.
    #[error("the initial task cannot be loaded: {why}")]
    #[diagnostic(help(
        "root-task must be linked statically for x86-64 with its own linker script, root.ld"
    ))]
    RootTask {
        /// What is wrong with it.
        why: String,
    },

    /// The initial task lacks a variable that this program sets.
    #[error("the initial task's variable `{symbol}`: {why}")]
    #[diagnostic(help(
        "root-task declares it as an initialised `static` of 8 bytes in .data, exported under this name; \
         it must not be stripped before this step"
    ))]
    Symbol {
        /// The symbol's name.
        symbol: &'static str,
        /// What is wrong with it.
        why: String,
    },

    /// The payload's size is not a multiple of a page.
    #[error("the payload has {size} bytes, which is not a multiple of 4096")]
    #[diagnostic(help("a mistake in what made the payload: every part of it starts on a page"))]
    UnalignedPayload {
        /// Its size.
        size: u64,
    },

    /// The payload ended early, or went on.
    #[error("the payload has {found} bytes, but {announced} were announced")]
    #[diagnostic(help("a file of the system changed while the image was written: build again"))]
    PayloadLength {
        /// How many bytes there should be.
        announced: u64,
        /// How many came; one more than announced stands for any more.
        found: u64,
    },

    /// The system has more pages than the kernel has room to name.
    #[error("the system has {size} bytes, and at most {limit} can be booted")]
    #[diagnostic(help(
        "make prefilled regions or guest images smaller; the limit is half of the slots in the initial \
         task's CNode (ROOT_CNODE_SIZE_BITS in tools/kernel), one page each"
    ))]
    TooLarge {
        /// Size of the initial task, description and payload in memory.
        size: u64,
        /// The limit.
        limit: u64,
    },

    /// The machine has too little memory to unpack the system.
    #[error("starting this system takes {needed} bytes of memory, and the machine has {memory}")]
    #[diagnostic(help(
        "the kernel needs the boot image twice while it starts: give the machine more memory, or make \
         prefilled regions smaller"
    ))]
    Memory {
        /// What is needed.
        needed: u64,
        /// What there is.
        memory: u64,
    },

    /// A kernel command line that the boot loader would not pass on unchanged.
    #[error("the kernel's command line has the character {character:?}")]
    #[diagnostic(help("use letters, digits, spaces and = _ . , : - only, and not the word ---"))]
    CommandLine {
        /// The first such character.
        character: char,
    },

    /// A kernel that is none.
    #[error("the kernel {} cannot be booted: {why}", path.display())]
    #[diagnostic(help("it must be an ELF file as a build of seL4 for x86-64 makes it"))]
    Kernel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// A program that writes the image, or a part of the boot loader, is not installed.
    #[error("`{program}` is not installed")]
    #[diagnostic(help("install it: apt-get install {package}"))]
    MissingProgram {
        /// The program's name.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },

    /// A program that writes the image failed.
    #[error("`{program}` failed ({status})\n{output}")]
    #[diagnostic(help("mostly the disk is full: free some space and run the command again"))]
    Program {
        /// The program's name.
        program: &'static str,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },

    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),

    /// The payload could not be read.
    #[error("cannot read the payload: {0}")]
    ReadPayload(#[source] io::Error),

    /// The system ELF could not be written.
    #[error("cannot write the system image: {0}")]
    #[diagnostic(help("{}", cure(.0).unwrap_or("building again may help")))]
    WriteSystem(#[source] io::Error),
}
