//! Preparing a guest's memory and first instruction.
//!
//! An image is recognised by its content: an ELF file is entered by PVH, a
//! bzImage by Linux's own protocol. Images are hostile input; guest memory may
//! hold what the last guest left. Nothing is decompressed here: a bzImage does
//! that itself, and the default guest is unpacked on the host.

pub mod acpi;
pub mod e820;
mod elf;
mod entry;
mod error;
pub mod linux;
mod low_memory;
pub mod pvh;
mod recognise;
mod source;

pub use entry::{Entry, Mode};
pub use error::{BootError, Found};
pub use source::{CopyError, OutOfBounds, Source};

use core::fmt;

use error::COMMAND_LINE_ROOM;

use crate::cpu::Cpu;
use crate::layout::{self, RamSize, Span, numbers as n};
use crate::memory::GuestMemory;
use crate::types::Gpa;

/// What a guest is started from.
pub struct Images<'a, K: ?Sized, I: ?Sized> {
    /// The kernel.
    pub kernel: &'a K,
    /// The initial RAM disk, exactly as long as its file.
    pub initrd: Option<&'a I>,
    /// The kernel's command line.
    pub command_line: &'a str,
}

/// Which protocol enters the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Xen's PVH, of an ELF file.
    Pvh,
    /// Linux's, of a bzImage, with its version.
    Linux {
        /// Major.
        major: u8,
        /// Minor.
        minor: u8,
    },
}

/// A guest that can start: its memory is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Start {
    /// How it is entered.
    pub protocol: Protocol,
    /// The first instruction.
    pub entry: Entry,
    /// What the kernel occupies, its zeroed part included.
    pub kernel: Span,
    /// Where the initial RAM disk lies.
    pub initrd: Option<Span>,
}

impl Start {
    /// Sets the whole state of the CPU to the first instruction's.
    pub fn apply(&self, cpu: &mut impl Cpu) {
        self.entry.apply(cpu);
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Pvh => f.write_str("PVH")?,
            Protocol::Linux { major, minor } => write!(f, "bzImage {major}.{minor:02}")?,
        }
        let bits = match self.entry.mode {
            Mode::Protected32 => 32,
            Mode::Long64 => 64,
        };
        write!(f, ", {bits}-bit entry {:#x}", self.entry.rip.0)?;
        write!(f, ", kernel {:#x}-{:#x}", self.kernel.start, self.kernel.end)?;
        match self.initrd {
            Some(initrd) => write!(f, ", initrd {:#x}-{:#x}", initrd.start, initrd.end),
            None => Ok(()),
        }
    }
}

/// Loads a guest into its memory.
///
/// # Errors
/// The image cannot be started in so much RAM; guest memory is then
/// unspecified, but nothing outside it was touched.
pub fn load<M, K, I>(
    memory: &mut M,
    ram: RamSize,
    images: &Images<'_, K, I>,
) -> Result<Start, BootError>
where
    M: GuestMemory,
    K: Source<M> + ?Sized,
    I: Source<M> + ?Sized,
{
    match recognise::recognise(images.kernel)? {
        recognise::Kernel::Elf => pvh::load(memory, ram, images),
        recognise::Kernel::BzImage => linux::load(memory, ram, images),
    }
}

/// Places and copies the initial RAM disk.
fn load_initrd<M, K, I>(
    memory: &mut M,
    ram: RamSize,
    images: &Images<'_, K, I>,
    kernel_end: u64,
    highest: u64,
) -> Result<Option<Span>, BootError>
where
    M: GuestMemory,
    K: ?Sized,
    I: Source<M> + ?Sized,
{
    let Some(source) = images.initrd else { return Ok(None) };
    let size = source.length();
    if size == 0 {
        return Ok(None);
    }
    let span = layout::place_initrd(ram, kernel_end, highest, size)
        .ok_or(BootError::InitrdNoRoom { size, kernel_end, highest })?;
    source
        .copy_into(0, memory, Gpa(span.start), size)
        .map_err(|e| BootError::from_copy(e, "the initial RAM disk", size, size))?;
    Ok(Some(span))
}

/// Writes the command line and its terminator.
fn write_command_line<M: GuestMemory>(
    memory: &mut M,
    line: &str,
    most: u64,
) -> Result<(), BootError> {
    let most = most.min(COMMAND_LINE_ROOM);
    if line.len() as u64 > most {
        return Err(BootError::CommandLine { length: line.len(), most });
    }
    memory.write(Gpa(n::COMMAND_LINE), line.as_bytes())?;
    memory.write(Gpa(n::COMMAND_LINE + line.len() as u64), &[0])?;
    Ok(())
}

#[cfg(test)]
mod tests;
