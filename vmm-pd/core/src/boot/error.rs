//! Why a guest cannot be started: what is wrong with its image, and what to do
//! about it.

use core::fmt;

use super::source::CopyError;
use crate::layout::{Span, numbers as n};
use crate::memory::NotRam;

/// Why a guest cannot be started. Guest memory is then unspecified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// The image is none of the two that can be started.
    NotAKernel(Found),
    /// The image ends within something that its header promises.
    Truncated {
        /// What was wanted.
        what: &'static str,
        /// Where that ends.
        end: u64,
        /// Where the image ends.
        length: u64,
    },
    /// An ELF file or bzImage whose header cannot be.
    Malformed(&'static str),
    /// An ELF file without the note that names a PVH entry.
    NoPvhEntry,
    /// A bzImage of a protocol older than 2.06.
    OldProtocol {
        /// Its version.
        major: u8,
        /// Its version.
        minor: u8,
    },
    /// A kernel that must lie where the guest has no free RAM.
    NoRoom {
        /// What.
        what: &'static str,
        /// Where it must lie.
        wanted: Span,
        /// Where kernels can lie.
        room: Span,
    },
    /// The initial RAM disk does not fit beside the kernel.
    InitrdNoRoom {
        /// Its size.
        size: u64,
        /// Where the kernel ends.
        kernel_end: u64,
        /// The last address that the kernel admits.
        highest: u64,
    },
    /// The command line is longer than the kernel takes.
    CommandLine {
        /// Its length.
        length: usize,
        /// The longest.
        most: u64,
    },
    /// Guest memory is less than what it was said to be.
    Memory(NotRam),
}

/// What an image is instead of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing but zeros, or nothing at all.
    Nothing,
    /// A compressed file.
    Compressed(&'static str),
    /// Something that names itself.
    Known(&'static str),
    /// An ELF file for another processor.
    ForeignElf(&'static str),
    /// An ELF file for a processor that this program has no name for.
    UnknownElf(u16),
    /// Something else, which begins so.
    Unknown([u8; 4]),
}

impl From<NotRam> for BootError {
    fn from(error: NotRam) -> Self {
        BootError::Memory(error)
    }
}

impl BootError {
    /// A copy that failed although both ends were checked: the source changed
    /// its mind or the RAM has holes.
    pub(super) fn from_copy(error: CopyError, what: &'static str, end: u64, length: u64) -> Self {
        match error {
            CopyError::Source(_) => BootError::Truncated { what, end, length },
            CopyError::Memory(not_ram) => BootError::Memory(not_ram),
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::NotAKernel(found) => write!(f, "the kernel image is {found}"),
            BootError::Truncated { what, end, length } => write!(
                f,
                "the image is cut short: {what} ends at byte {end}, the image at {length}; build \
                 it again"
            ),
            BootError::Malformed(what) => {
                write!(f, "the kernel image is damaged: {what}; build or unpack it again")
            }
            BootError::NoPvhEntry => f.write_str(
                "the ELF image has no Xen note PHYS32_ENTRY, so it cannot be entered; use a kernel \
                 with CONFIG_PVH=y, or a bzImage",
            ),
            BootError::OldProtocol { major, minor } => write!(
                f,
                "the bzImage speaks boot protocol {major}.{minor:02}, but 2.06 is the oldest that \
                 is understood; use Linux 2.6.22 or later"
            ),
            BootError::NoRoom { what, wanted, room } => write!(
                f,
                "{what} must lie at {:#x}-{:#x}, but the guest's RAM for kernels is {:#x}-{:#x}; \
                 give the guest more memory, or link the kernel elsewhere",
                wanted.start, wanted.end, room.start, room.end
            ),
            BootError::InitrdNoRoom { size, kernel_end, highest } => write!(
                f,
                "the initial RAM disk of {size} bytes does not fit between the kernel's end at \
                 {kernel_end:#x} and {highest:#x}; give the guest more memory"
            ),
            BootError::CommandLine { length, most } => write!(
                f,
                "the command line is {length} bytes long, but the kernel takes {most}; shorten it"
            ),
            BootError::Memory(not_ram) => write!(
                f,
                "{not_ram}: the guest's RAM region is smaller than its configuration says"
            ),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Nothing => f.write_str("empty; is its path right, and was it built?"),
            Found::Compressed(how) => {
                write!(f, "a file compressed by {how}; unpack it, or give the bzImage it came from")
            }
            Found::Known(what) => write!(
                f,
                "{what}, not a kernel for this machine; give an x86 bzImage or an unpacked vmlinux"
            ),
            Found::ForeignElf(machine) => {
                write!(f, "an ELF file for {machine}; this machine is x86, 32 or 64 bits")
            }
            Found::UnknownElf(machine) => {
                write!(f, "an ELF file for machine {machine}; this machine is x86, 32 or 64 bits")
            }
            Found::Unknown(bytes) => write!(
                f,
                "neither ELF nor bzImage: it begins with {:02x} {:02x} {:02x} {:02x}; give an x86 \
                 bzImage or an unpacked vmlinux",
                bytes[0], bytes[1], bytes[2], bytes[3]
            ),
        }
    }
}

/// The most that fits the place of the command line, without its terminator.
pub(super) const COMMAND_LINE_ROOM: u64 = n::COMMAND_LINE_END - n::COMMAND_LINE - 1;
