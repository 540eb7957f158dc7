//! What can be wrong with an SDK, with its cause and its cure.

use std::{io, path::PathBuf};

use bulkhead_host::FileError;

use crate::{Version, kernel::SEVERAL_MACHINES};

/// Where SDKs come from.
const RELEASES: &str =
    "releases are at https://github.com/seL4/microkit/releases: unpack the one for linux-x86-64";

/// Why an SDK, or a part of it, cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum SdkError {
    /// There is nothing of this name.
    #[error("there is no Microkit SDK at {}", path.display())]
    #[diagnostic(help(
        "give the folder that holds VERSION, bin and board, by --sdk or MICROKIT_SDK; {RELEASES}"
    ))]
    NotThere {
        /// The name.
        path: PathBuf,
    },
    /// It is a file.
    #[error("the Microkit SDK {} is {found}, not a folder", path.display())]
    #[diagnostic(help(
        "unpack the SDK (`tar xf` for an archive) and give the folder that it makes, which holds \
         VERSION, bin and board"
    ))]
    NotFolder {
        /// The name.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// The folder is no SDK.
    #[error("the folder {} is no Microkit SDK: {why}", path.display())]
    #[diagnostic(help(
        "give the folder that holds VERSION, bin and board, not one above or below it; {RELEASES}"
    ))]
    NotSdk {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The release is another.
    #[error(
        "the Microkit SDK {} is release {found}, and 2.3 (any 2.3.x) is needed: {}",
        path.display(),
        found.lack()
    )]
    #[diagnostic(help("{RELEASES}"))]
    Release {
        /// The folder.
        path: PathBuf,
        /// Its release.
        found: Version,
    },
    /// The tool cannot be run.
    #[error("the Microkit SDK's tool {} cannot be used: {why}", path.display())]
    #[diagnostic(help("{cure}"))]
    Tool {
        /// The tool.
        path: PathBuf,
        /// Why not.
        why: String,
        /// What helps.
        cure: String,
    },
    /// It has no such board.
    #[error("the Microkit SDK {} has no board `{board}`: {}", path.display(), list("it has", found))]
    #[diagnostic(help(
        "a full release has the board x86_64_generic_vtx; one built from source has those that \
         build_sdk.py was told: --boards x86_64_generic_vtx"
    ))]
    NoBoard {
        /// The SDK.
        path: PathBuf,
        /// What was asked for.
        board: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The board is for another processor.
    #[error("the board `{board}` is for {architecture} processors, and guests here are for x86-64")]
    #[diagnostic(help("use --board x86_64_generic_vtx"))]
    Foreign {
        /// The board.
        board: String,
        /// Its processors.
        architecture: String,
    },
    /// An x86-64 board that this project does not know.
    #[error("the board `{board}` is not known here; x86_64_generic_vtx is")]
    #[diagnostic(help(
        "use --board x86_64_generic_vtx; where another can be added is \
         in tools/sdk/src/selection.rs and tools/sdf/src/board.rs"
    ))]
    Unknown {
        /// The board.
        board: String,
    },
    /// It has no such configuration.
    #[error(
        "the board `{board}` of the Microkit SDK {} has no configuration `{configuration}`: {}",
        path.display(),
        list("it has", found)
    )]
    #[diagnostic(help("choose one of them by --config"))]
    NoConfiguration {
        /// The SDK.
        path: PathBuf,
        /// The board.
        board: String,
        /// What was asked for.
        configuration: String,
        /// What there is.
        found: Vec<String>,
    },
    /// A file is not there.
    #[error("{role} is not there or cannot be read: {}", path.display())]
    #[diagnostic(help("the SDK is incomplete: unpack it again, or build it again to its end"))]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should be.
        role: &'static str,
    },
    /// A file is something else.
    #[error("{role} is {found}, not {wanted}: {}", path.display())]
    #[diagnostic(help("the file is damaged or was replaced: put the right one there"))]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What it should be.
        role: &'static str,
        /// What it is.
        found: String,
        /// What is needed.
        wanted: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{} has more than {limit} bytes, which no file of its kind has", path.display())]
    #[diagnostic(help("the SDK is damaged: unpack it again"))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// The kernel's configuration cannot be understood.
    #[error("the kernel's configuration {} cannot be used: {why}", path.display())]
    #[diagnostic(help("it is made with the kernel; the SDK is damaged: unpack it again"))]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The kernel does not schedule by budgets.
    #[error("the kernel of board `{board}`, configuration `{configuration}`, is built without MCS")]
    #[diagnostic(help(
        "every board of the Microkit has MCS (KernelIsMCS): use a release's own kernel"
    ))]
    NoMcs {
        /// The board.
        board: String,
        /// The configuration.
        configuration: String,
    },
    /// The board runs no virtual machines.
    #[error("the board `{board}` runs no virtual machines: its kernel is built without VT-x")]
    #[diagnostic(help("use --board x86_64_generic_vtx"))]
    NoMachines {
        /// The board.
        board: String,
    },
    /// The kernel runs 32-bit guests only.
    #[error(
        "the kernel of board `{board}`, configuration `{configuration}`, runs no 64-bit guests: \
         X86_64_VTX_64BIT_GUESTS is off"
    )]
    #[diagnostic(help(
        "a release's own kernel has it; one of your own is built with KernelX86_64VTX64BitGuests=ON"
    ))]
    No64BitGuests {
        /// The board.
        board: String,
        /// The configuration.
        configuration: String,
    },
    /// The kernel would confuse several virtual machines.
    #[error(
        "the system has {machines} virtual machines, and the SDK's kernel ({}) mishandles more than \
         one: {SEVERAL_MACHINES}",
        kernel.display()
    )]
    #[diagnostic(help(
        "build seL4 with that change for this board and configuration, and give it by \
         --override-kernel FILE (or MICROKIT_KERNEL=FILE); or use a system with one guest"
    ))]
    SeveralMachines {
        /// How many the system has.
        machines: usize,
        /// The kernel.
        kernel: PathBuf,
    },
    /// It has a virtual machine, and the kernel is one for several processors.
    #[error(
        "the system has a virtual machine, which the kernel of configuration `{configuration}` \
         cannot run: seL4 16.0.0, built for several processors and 64-bit guests, loses its own GS \
         base at a guest's first exit and stops (restore_vmx saves it below the place that \
         handle_vmexit restores it from)"
    )]
    #[diagnostic(help(
        "use a configuration for one processor, such as release; a kernel of your own in which \
         that is corrected is given by --override-kernel FILE (or MICROKIT_KERNEL=FILE)"
    ))]
    MachineOnProcessors {
        /// The configuration.
        configuration: String,
    },
    /// The kernel given instead of the SDK's cannot be one.
    #[error("the kernel {} cannot be used instead of the SDK's: {why}", path.display())]
    #[diagnostic(help(
        "give the 64-bit kernel.elf of a build of seL4 for this board and configuration; it must \
         have the ABI of the SDK's own, for the programs are built for that"
    ))]
    Override {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A program that is called is not installed.
    #[error("`{program}` is not installed")]
    #[diagnostic(help("install it: apt-get install {package}"))]
    MissingProgram {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The tool does not take the system.
    #[error("the Microkit's tool refuses {}:\n{said}", description.display())]
    #[diagnostic(help(
        "the words are the tool's own; it was called with\n{command}\nThe SDK's doc/ has the manual \
         of descriptions; `cargo bulkhead check FILE` explains most of its rules with their places"
    ))]
    Refused {
        /// What it was given.
        description: PathBuf,
        /// All that it said.
        said: String,
        /// How it was called.
        command: String,
    },
    /// The tool broke down.
    #[error("the Microkit's tool broke down ({status}) over {}:\n{said}", description.display())]
    #[diagnostic(help(
        "that is a mistake of the tool's, or a damaged SDK; it was called with\n{command}\nUnpack the \
         SDK again; if that does not help, the description that it was given shows what it trips over"
    ))]
    Crashed {
        /// What it was given.
        description: PathBuf,
        /// How it ended.
        status: String,
        /// All that it said.
        said: String,
        /// How it was called.
        command: String,
    },
    /// The tool said that all is well, and a file is missing.
    #[error("the Microkit's tool ended well, but did not write {}", path.display())]
    #[diagnostic(help("the SDK's bin/microkit is not the tool of 2.3: unpack the SDK again"))]
    NoOutput {
        /// The file.
        path: PathBuf,
    },
    /// A file of ours cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

fn list(intro: &str, names: &[String]) -> String {
    /// A hostile folder can have any number.
    const SHOWN: usize = 12;
    if names.is_empty() {
        return "it has none".into();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{intro} {}{more}", shown.join(", "))
}
