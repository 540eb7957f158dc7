//! The boot image: ISOLINUX, its Multiboot loader, the kernel, the system ELF.
//!
//! It is an ISO 9660 file system that a BIOS boots from a CD drive or, as it is
//! a hybrid, from a disk.
//!
//! What surprises is that it is not GRUB. Measured in Bochs with a payload of
//! 60 MiB, ticks from power-on to the initial task: GRUB 2.06 1,099 M, ISOLINUX
//! 429 M from a CD and 428 M from a disk; with a payload of 400 KiB 330 M, of
//! which 250 M are SeaBIOS waiting for a key. GRUB copies each byte twice, one
//! at a time.
//!
//! The same inputs give the same bytes: dates, owners and identifiers are
//! fixed. Tick counts of the emulated machine depend on it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_host::file;

use crate::ImageError;

/// A part of the boot loader.
#[derive(Clone, Copy, Debug)]
pub struct LoaderPart {
    /// Its name in the image.
    pub name: &'static str,
    /// Where Debian has it.
    pub path: &'static str,
    /// In which package.
    pub package: &'static str,
    /// Whether the image's maker writes into it (`-boot-info-table`).
    pub patched: bool,
}

const fn part(name: &'static str, path: &'static str, package: &'static str) -> LoaderPart {
    LoaderPart { name, path, package, patched: false }
}

/// The boot loader's files in the image.
pub const LOADER: [LoaderPart; 4] = [
    LoaderPart {
        patched: true,
        ..part("isolinux.bin", "/usr/lib/ISOLINUX/isolinux.bin", "isolinux")
    },
    part("ldlinux.c32", "/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"),
    part("libcom32.c32", "/usr/lib/syslinux/modules/bios/libcom32.c32", "syslinux-common"),
    part("mboot.c32", "/usr/lib/syslinux/modules/bios/mboot.c32", "syslinux-common"),
];

/// The boot sector for a disk; it is not a file of the file system.
pub const DISK_SECTOR: LoaderPart =
    part("isohdpfx.bin", "/usr/lib/ISOLINUX/isohdpfx.bin", "isolinux");

/// Seconds since 1970 for everything that has a date: 1 January 2000.
const DATE: &str = "946684800";

/// Writes the boot image `out`, with the kernel, the system ELF, and the
/// kernel's command line.
///
/// # Errors
/// `out` is left as it was, or complete.
pub fn iso(kernel: &Path, system: &Path, command_line: &str, out: &Path) -> Result<(), ImageError> {
    let script = script(command_line)?;
    let folder = out.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(file("create", folder))?;
    let scratch = tempfile::Builder::new()
        .prefix(".image-")
        .tempdir_in(folder)
        .map_err(file("create a folder in", folder))?;

    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).map_err(file("create", &tree))?;
    let config = tree.join("isolinux.cfg");
    std::fs::write(&config, script).map_err(file("write", &config))?;
    for part in LOADER {
        // A copy: `-boot-info-table` writes into the first of them.
        let from = installed(part)?;
        std::fs::copy(&from, tree.join(part.name)).map_err(file("copy", &from))?;
    }
    // Links, because the system can have hundreds of megabytes.
    for (name, target) in [("kernel", kernel), ("system", system)] {
        let target = target.canonicalize().map_err(file("find", target))?;
        let link = tree.join(name);
        std::os::unix::fs::symlink(target, &link).map_err(file("create", &link))?;
    }

    let image = scratch.path().join("image.iso");
    xorriso(
        Command::new("xorriso")
            .env("SOURCE_DATE_EPOCH", DATE)
            .args(["-report_about", "WARNING", "-as", "mkisofs", "-quiet"])
            .args(["-volid", "BULKHEAD", "-uid", "0", "-gid", "0"])
            .args(["--set_all_file_dates", &format!("={DATE}")])
            .args(["-dir-mode", "0555", "-file-mode", "0444", "-follow-links"])
            .args(["-eltorito-boot", "isolinux.bin", "-eltorito-catalog", "catalog"])
            .args(["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"])
            .arg("-isohybrid-mbr")
            .arg(installed(DISK_SECTOR)?)
            .arg("-o")
            .arg(&image)
            .arg(&tree),
    )?;
    // On the disk before anything says that it is there.
    std::fs::File::open(&image)
        .and_then(|image| image.sync_all())
        .map_err(file("write", &image))?;
    Ok(std::fs::rename(&image, out).map_err(file("create", out))?)
}

/// A part of the boot loader, if it is there.
fn installed(part: LoaderPart) -> Result<PathBuf, ImageError> {
    let LoaderPart { path, package, .. } = part;
    let found = PathBuf::from(path);
    if found.is_file() {
        Ok(found)
    } else {
        Err(ImageError::MissingProgram { program: path, package })
    }
}

/// Holds a kernel's command line to what every boot loader passes on unchanged.
pub(crate) fn check_command_line(command_line: &str) -> Result<(), ImageError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " =_.,:-".contains(c);
    if let Some(character) = command_line.chars().find(|c| !plain(*c)) {
        return Err(ImageError::CommandLine { character });
    }
    // It would end the command line and begin a module.
    if command_line.split(' ').any(|word| word == "---") {
        return Err(ImageError::CommandLine { character: '-' });
    }
    Ok(())
}

/// What ISOLINUX does: start at once, without a prompt, whatever key is pressed.
fn script(command_line: &str) -> Result<String, ImageError> {
    check_command_line(command_line)?;
    Ok(format!(
        "DEFAULT bulkhead\nPROMPT 0\nNOESCAPE 1\nLABEL bulkhead\nKERNEL mboot.c32\n\
         APPEND /kernel {command_line} --- /system\n"
    ))
}

fn xorriso(command: &mut Command) -> Result<(), ImageError> {
    const PROGRAM: &str = "xorriso";
    let output =
        bulkhead_host::output(command.env("LC_ALL", "C")).map_err(|source| {
            match source.kind() {
                io::ErrorKind::NotFound => {
                    ImageError::MissingProgram { program: PROGRAM, package: "xorriso" }
                }
                _ => file("start", Path::new(PROGRAM))(source).into(),
            }
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ImageError::Program {
        program: PROGRAM,
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_reaches_the_kernel_unchanged_or_not_at_all() {
        let script_of = |line| script(line).unwrap();
        assert!(
            script_of("console_port=0x3e8 debug_port=0x3e8")
                .ends_with("APPEND /kernel console_port=0x3e8 debug_port=0x3e8 --- /system\n")
        );
        for bad in ["a;b", "$root", "a\nKERNEL b", "'", "\\", "a --- b"] {
            assert!(matches!(script(bad), Err(ImageError::CommandLine { .. })), "{bad}");
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("kernel"), "kernel").unwrap();
        let make = |system: &str, out: &str| {
            std::fs::write(path(system), vec![7; 10_000]).unwrap();
            iso(&path("kernel"), &path(system), "a=b", &path(out))
                .map(|()| std::fs::read(path(out)).unwrap())
        };
        let first = match make("one name", "first.iso") {
            Err(ImageError::MissingProgram { program, .. }) => {
                eprintln!("skipped: {program} is not installed");
                return;
            }
            made => made.unwrap(),
        };
        // Another second, another name, another date of the file.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = make("another=name", "second.iso").unwrap();
        assert!(first == second);
        assert!(first.windows(6).any(|w| w == b"CD001\x01"), "no ISO 9660 volume");
        assert_eq!(first.get(510..512), Some(&[0x55, 0xaa][..]), "no boot sector for a disk");
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 5, "only the inputs and the images are left");
    }
}
