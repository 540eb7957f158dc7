//! The CD: GRUB for a BIOS, the kernel, the system ELF.
//!
//! GRUB's image carries its own script and just the modules for that, so that
//! it reads nothing but the two files: no menu, no `grub.cfg`, no fonts. What
//! surprises: with a graphics mode (VBE) GRUB would hand over Multiboot fields
//! that the 64-bit kernel misreads; none of its video modules is in the image.
//!
//! The same inputs give the same bytes: dates, owners and identifiers are
//! fixed. Tick counts of the emulated machine depend on it.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ImageError;

/// GRUB's platform for a CD booted by a BIOS.
const FORMAT: &str = "i386-pc-eltorito";

/// What GRUB needs to read a CD and start a Multiboot kernel.
const MODULES: [&str; 4] = ["biosdisk", "iso9660", "multiboot", "boot"];

/// Seconds since 1970 for everything on the CD that has a date: 1 January 2000.
const DATE: &str = "946684800";

/// Writes the CD image `out`, with the kernel, the system ELF, and the kernel's
/// command line.
///
/// # Errors
/// `out` is left as it was, or complete.
pub fn iso(kernel: &Path, system: &Path, command_line: &str, out: &Path) -> Result<(), ImageError> {
    let script = script(command_line)?;
    let folder = out.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(file("cannot create", folder))?;
    let scratch = tempfile::Builder::new()
        .prefix(".image-")
        .tempdir_in(folder)
        .map_err(file("cannot create a folder in", folder))?;
    let write = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).map_err(file("cannot write", &path)).map(|()| path)
    };
    let script_file = write("script", &script)?;

    let boot = scratch.path().join("tree/boot");
    std::fs::create_dir_all(&boot).map_err(file("cannot create", &boot))?;
    run(
        "grub-mkimage",
        "grub-common grub-pc-bin",
        Command::new("grub-mkimage")
            .args(["--format", FORMAT, "--prefix", "/boot", "--config"])
            .arg(&script_file)
            .arg("--output")
            .arg(boot.join("grub"))
            .args(MODULES),
    )?;
    // Links, because the system can have hundreds of megabytes.
    for (name, target) in [("kernel", kernel), ("system", system)] {
        let target = target.canonicalize().map_err(file("cannot find", target))?;
        let link = boot.join(name);
        std::os::unix::fs::symlink(target, &link).map_err(file("cannot create", &link))?;
    }

    let image = scratch.path().join("iso");
    run(
        "xorriso",
        "xorriso",
        Command::new("xorriso")
            .env("SOURCE_DATE_EPOCH", DATE)
            .args(["-report_about", "WARNING", "-as", "mkisofs", "-quiet"])
            .args(["-volid", "BULKHEAD", "-uid", "0", "-gid", "0"])
            .args(["--set_all_file_dates", &format!("={DATE}")])
            .args(["-dir-mode", "0555", "-file-mode", "0444", "-follow-links"])
            .args(["-b", "boot/grub", "-no-emul-boot"])
            .args(["-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info"])
            .arg("-o")
            .arg(&image)
            .arg(scratch.path().join("tree")),
    )?;
    std::fs::rename(&image, out).map_err(file("cannot create", out))
}

/// What GRUB does.
fn script(command_line: &str) -> Result<String, ImageError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " =_.,:-".contains(c);
    if let Some(character) = command_line.chars().find(|c| !plain(*c)) {
        return Err(ImageError::CommandLine { character });
    }
    Ok(format!("multiboot /boot/kernel {command_line}\nmodule /boot/system\nboot\n"))
}

fn file<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ImageError + 'a {
    move |source| ImageError::File { action, path: path.to_owned(), source }
}

fn run(
    program: &'static str,
    package: &'static str,
    command: &mut Command,
) -> Result<(), ImageError> {
    let output =
        command.env("LC_ALL", "C").stdin(Stdio::null()).output().map_err(|source| match source
            .kind()
        {
            io::ErrorKind::NotFound => ImageError::MissingProgram { program, package },
            _ => ImageError::File { action: "cannot start", path: program.into(), source },
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ImageError::Program {
        program,
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_reaches_the_kernel_unchanged_or_not_at_all() {
        assert_eq!(
            script("console_port=0x3e8 debug_port=0x3e8").unwrap(),
            "multiboot /boot/kernel console_port=0x3e8 debug_port=0x3e8\nmodule /boot/system\nboot\n"
        );
        for bad in ["a;b", "$root", "a\nboot", "'", "\\"] {
            assert!(matches!(script(bad), Err(ImageError::CommandLine { .. })), "{bad}");
        }
    }
}
