//! The image that boots the measured Linux on the machine itself: what the VMM
//! does for its guest, done by a Multiboot loader and a few instructions
//! (`guest-images/native/native.S`).
//!
//! The loader puts every part to its place, so the parts make one ELF file: the
//! instructions at 1 MiB, each segment of the kernel at its physical address, the
//! RAM disk at the top of RAM.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_guest::LinuxImages;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use object::{
    LittleEndian,
    elf::{self, FileHeader64},
    read::elf::{FileHeader, ProgramHeader},
};

/// How much RAM Linux is told of: the default guest's (`system.xml`).
const RAM_END: u64 = 256 << 20;

const PAGE: u64 = 4096;

/// The note with the PVH entry (`XEN_ELFNOTE_PHYS32_ENTRY`).
const PVH_NOTE: u32 = 18;

/// Makes the image in `folder`.
///
/// # Errors
/// The kernel is not one that can be entered so, or a tool fails.
pub fn image(
    workspace: &Path,
    folder: &Path,
    images: &LinuxImages,
    command_line: &str,
) -> Result<PathBuf> {
    fs::create_dir_all(folder).into_diagnostic()?;
    let kernel = fs::read(&images.kernel).into_diagnostic()?;
    let ramdisk_size = fs::metadata(&images.initramfs).into_diagnostic()?.len();
    let ramdisk = RAM_END
        .checked_sub(ramdisk_size)
        .map(|start| start & !(PAGE - 1))
        .ok_or_else(|| miette!("the initial RAM disk is larger than RAM"))?;
    let kernel = Kernel::read(&kernel)
        .wrap_err_with(|| format!("{} cannot be booted natively", images.kernel.display()))?;

    let mut parts = String::new();
    let mut script = String::from(
        "ENTRY(start)\nSECTIONS\n{\n    . = 0x100000;\n    \
         .start : { *(.multiboot) *(.text) *(.data) *(.bss) }\n",
    );
    // Writing to a string cannot fail.
    for (n, segment) in kernel.segments.iter().enumerate() {
        let Segment { address, offset, size } = segment;
        let _ = writeln!(
            parts,
            ".section .kernel{n}, \"awx\"\n.incbin \"{}\", {offset}, {size}",
            images.kernel.display()
        );
        let _ = writeln!(script, "    .kernel{n} {address:#x} : {{ *(.kernel{n}) }}");
    }
    let _ = writeln!(parts, ".section .ramdisk, \"a\"\n.incbin \"{}\"", images.initramfs.display());
    let _ = writeln!(script, "    .ramdisk {ramdisk:#x} : {{ *(.ramdisk) }}");
    script += "    /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame) }\n}\n";
    let (parts_file, script_file) = (folder.join("parts.S"), folder.join("native.ld"));
    fs::write(&parts_file, parts).into_diagnostic()?;
    fs::write(&script_file, script).into_diagnostic()?;

    let program = folder.join("native.elf");
    let defines = [
        format!("-DENTRY={:#x}", kernel.entry),
        format!("-DRAMDISK={ramdisk:#x}"),
        format!("-DRAMDISK_SIZE={ramdisk_size:#x}"),
        format!("-DRAM_END={RAM_END:#x}"),
        format!("-DCOMMAND_LINE=\"{command_line}\""),
    ];
    let output = Command::new("gcc")
        .args(["-m32", "-nostdlib", "-nostartfiles", "-static", "-no-pie"])
        // Without symbols: they name temporary files, and the loader would copy
        // another name each time.
        .args(["-Wl,-s,--build-id=none,-z,noexecstack,-z,max-page-size=4096"])
        .args(defines)
        .arg("-Wl,-T")
        .arg(&script_file)
        .arg("-o")
        .arg(&program)
        .arg(workspace.join("guest-images/native/native.S"))
        .arg(&parts_file)
        .output()
        .into_diagnostic()
        .wrap_err("cannot start gcc")?;
    if !output.status.success() {
        return Err(miette!(
            "the native image cannot be linked: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    // The image's maker wants a module; nobody looks into it.
    let module = folder.join("module");
    fs::write(&module, [0; PAGE as usize]).into_diagnostic()?;
    let image = folder.join("native.iso");
    bulkhead_image::iso(&program, &module, "", &image).into_diagnostic()?;
    Ok(image)
}

/// What is loaded of a kernel.
struct Kernel {
    /// Its PVH entry.
    entry: u64,
    segments: Vec<Segment>,
}

struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

impl Kernel {
    fn read(file: &[u8]) -> Result<Self> {
        let header = FileHeader64::<LittleEndian>::parse(file).into_diagnostic()?;
        let endian = header.endian().into_diagnostic()?;
        let mut entry = None;
        let mut segments = Vec::new();
        for segment in header.program_headers(endian, file).into_diagnostic()? {
            if segment.p_type(endian) == elf::PT_LOAD {
                let size = segment.p_filesz(endian);
                // What is not in the file is cleared by whoever loads it, and here
                // that is nobody.
                if segment.p_memsz(endian) != size {
                    return Err(miette!("a segment is larger in memory than in the file"));
                }
                let (address, offset) = (segment.p_paddr(endian), segment.p_offset(endian));
                segments.push(Segment { address, offset, size });
            }
            let Some(mut notes) = segment.notes(endian, file).into_diagnostic()? else { continue };
            while let Some(note) = notes.next().into_diagnostic()? {
                let first = note.desc().first_chunk().copied();
                if note.name() == b"Xen" && note.n_type(endian) == PVH_NOTE {
                    entry = first.map(|bytes| u64::from(u32::from_le_bytes(bytes)));
                }
            }
        }
        let entry = entry.ok_or_else(|| miette!("it has no PVH entry"))?;
        Ok(Kernel { entry, segments })
    }
}
