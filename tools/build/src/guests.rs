//! Whether each guest can start from its images: the VMM's own loader, run
//! here, so that what it would refuse in the machine is refused before.
//!
//! Not here: whether the guest then works. The one exception is a Linux kernel
//! with an initial RAM disk that Linux cannot unpack: it would start, and panic
//! seconds later for another reason.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bulkhead_guest::initrd_fault;
use bulkhead_host::file;
use bulkhead_sdf::{
    MemoryRegion, Prefill, ProtectionDomain, SearchPath, SetVarValue, System,
    configuration::{Configuration, Content},
};
use memchr::memmem;
use miette::{Diagnostic, Result};
use thiserror::Error;
use vmm_core::{
    boot::{self, CopyError, Images, OutOfBounds, Protocol, Source},
    layout::RamSize,
    memory::{GuestMemory, NotRam},
    types::Gpa,
};

/// The VMM's variables that say how large its guest's images are.
pub const KERNEL_SIZE: &str = "kernel_size";
/// As above.
pub const INITRD_SIZE: &str = "initrd_size";

/// A guest that could not start.
#[derive(Debug, Error, Diagnostic)]
#[error("guest `{guest}` cannot start: {why}")]
#[diagnostic(help("{given}"))]
pub struct CannotStart {
    guest: String,
    why: String,
    /// What it was to start from.
    given: String,
}

/// The guest's name, for a domain that has one.
pub fn guest_name(domain: &ProtectionDomain) -> Option<&String> {
    domain.machine.as_ref().map(|machine| &machine.name.value)
}

/// The region whose file's length is in this variable of the VMM.
pub fn image_region<'a>(
    system: &'a System,
    domain: &ProtectionDomain,
    variable: &str,
) -> Option<&'a MemoryRegion> {
    domain.setvars.iter().filter(|setvar| setvar.symbol.value == variable).find_map(|setvar| {
        match setvar.value {
            SetVarValue::PrefillSize(region) => Some(system.region(region)),
            SetVarValue::Number(_)
            | SetVarValue::RegionSize(_)
            | SetVarValue::RegionPhysAddr(_) => None,
        }
    })
}

/// The region that is the guest's memory.
pub fn memory_region<'a>(
    system: &'a System,
    domain: &ProtectionDomain,
) -> Option<&'a MemoryRegion> {
    let maps = domain.machine.as_ref().map_or(&[][..], |machine| &machine.maps);
    maps.iter().find(|map| map.address.value == 0).map(|map| system.region(map.region))
}

/// Holds each guest whose images are there to what its VMM can start. Images
/// that are not made yet are left for a later look.
///
/// # Errors
/// [`CannotStart`] for the first that cannot, or an image cannot be read.
pub fn check_guests(
    system: &System,
    configuration: &Configuration,
    files: &SearchPath,
) -> Result<()> {
    for domain in &system.domains {
        if let Some(guest) = guest_name(domain) {
            check_guest(system, domain, guest, configuration, files)?;
        }
    }
    Ok(())
}

fn check_guest(
    system: &System,
    domain: &ProtectionDomain,
    guest: &str,
    configuration: &Configuration,
    files: &SearchPath,
) -> Result<()> {
    let path = |variable| match &image_region(system, domain, variable)?.prefill {
        Some(Prefill::File { path, .. }) => files.find(&path.value),
        Some(Prefill::Bootinfo(_)) | None => None,
    };
    let Some(kernel) = path(KERNEL_SIZE) else { return Ok(()) };
    let initrd = path(INITRD_SIZE);
    // A VMM of somebody's own may get its memory in another way.
    let Some(memory) = memory_region(system, domain) else { return Ok(()) };
    let refuse = |why: String| CannotStart {
        guest: guest.into(),
        why,
        given: given(&kernel, initrd.as_ref(), memory.least_bytes()),
    };
    let ram = RamSize::new(memory.least_bytes()).map_err(|bad| refuse(bad.to_string()))?;
    let kernel_image = Image::open(&kernel)?;
    let initrd_image = initrd.as_ref().map(Image::open).transpose()?;
    let images = Images {
        kernel: &kernel_image,
        initrd: initrd_image.as_ref(),
        command_line: command_line(configuration, guest),
    };
    let start = boot::load(&mut Bounds(ram), ram, &images).map_err(|e| refuse(e.to_string()))?;
    if let (Some(path), Some(initrd)) = (&initrd, &initrd_image)
        && is_linux(start.protocol, &kernel_image)?
        && let Some(fault) = initrd_fault(&initrd.bytes()?)
    {
        let why = format!(
            "the initial RAM disk {} {fault}; make it again, by `cpio -o -H newc` for example",
            path.display()
        );
        return Err(refuse(why).into());
    }
    Ok(())
}

fn given(kernel: &Path, initrd: Option<&PathBuf>, memory: u64) -> String {
    let mut text = format!("its kernel is {}", kernel.display());
    if let Some(initrd) = initrd {
        text += &format!(",\nits initial RAM disk {}", initrd.display());
    }
    text + &format!(",\nits memory {} MiB", memory >> 20)
}

fn command_line<'a>(configuration: &'a Configuration, guest: &str) -> &'a str {
    let found = configuration.sections.values().find_map(|section| {
        let Content::Vmm(vmm) = &section.content else { return None };
        (vmm.name == guest).then_some(vmm.command_line.as_str())
    });
    found.unwrap_or_default()
}

/// Whether a kernel is Linux: by its own protocol always, by PVH if it has
/// Linux's banner.
fn is_linux(protocol: Protocol, kernel: &Image) -> Result<bool> {
    Ok(match protocol {
        Protocol::Linux { .. } => true,
        Protocol::Pvh => memmem::find(&kernel.bytes()?, b"Linux version ").is_some(),
    })
}

/// An image on the disk; as the VMM's region that holds it, it reads as zeros
/// to the end of its last page, but its length is the file's.
struct Image {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Image {
    fn open(path: &PathBuf) -> Result<Image> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(file("read", path))?;
        Ok(Image { path: path.clone(), file, length })
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(&self.path).map_err(file("read", &self.path))?)
    }
}

impl Source<Bounds> for Image {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        self.file.read_exact_at(into, offset).map_err(|_| OutOfBounds)
    }

    fn copy_into(
        &self,
        offset: u64,
        memory: &mut Bounds,
        gpa: Gpa,
        length: u64,
    ) -> Result<(), CopyError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.length => memory.zero(gpa, length).map_err(CopyError::Memory),
            _ => Err(CopyError::Source(OutOfBounds)),
        }
    }
}

/// Guest memory that only knows its size.
struct Bounds(RamSize);

impl Bounds {
    fn hold(&self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        match gpa.0.checked_add(length) {
            Some(end) if end <= self.0.bytes() => Ok(()),
            _ => Err(NotRam { gpa, length: usize::try_from(length).unwrap_or(usize::MAX) }),
        }
    }
}

impl GuestMemory for Bounds {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        self.hold(gpa, into.len() as u64)?;
        into.fill(0);
        Ok(())
    }

    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        self.hold(gpa, from.len() as u64)
    }

    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        self.hold(gpa, length)
    }

    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < self.0.bytes()
    }
}
