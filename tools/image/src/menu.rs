//! What boot loaders are told about a system whose kernel and module lie beside
//! each other in one folder: GRUB's on a disk, PXELINUX's and iPXE's over the
//! network.

use crate::{ImageError, iso::check_command_line};

/// Where GRUB's entry looks for the files on a disk.
pub const GRUB_FOLDER: &str = "/boot/bulkhead";

/// A system for boot loaders.
#[derive(Clone, Copy, Debug)]
pub struct Menu<'a> {
    /// Name of the 64-bit kernel, for loaders that know Multiboot 2.
    pub kernel: &'a str,
    /// Name of the 32-bit kernel, for the others.
    pub kernel32: &'a str,
    /// Name of the module.
    pub module: &'a str,
    /// The kernel's command line.
    pub command_line: &'a str,
}

impl Menu<'_> {
    /// Names and texts of the files.
    ///
    /// # Errors
    /// The command line would not reach the kernel unchanged.
    pub fn files(&self) -> Result<[(&'static str, String); 3], ImageError> {
        check_command_line(self.command_line)?;
        Ok([
            ("grub.cfg", self.grub()),
            ("pxelinux.cfg", self.pxelinux()),
            ("boot.ipxe", self.ipxe()),
        ])
    }

    fn grub(&self) -> String {
        let Menu { kernel, module, command_line, .. } = self;
        format!(
            "# An entry for GRUB 2 (Multiboot 2). The files are looked for in {GRUB_FOLDER}.\n\
             menuentry \"Bulkhead\" {{\n    \
                 insmod all_video\n    \
                 search --no-floppy --set=root --file {GRUB_FOLDER}/{module}\n    \
                 multiboot2 {GRUB_FOLDER}/{kernel} {command_line}\n    \
                 module2 {GRUB_FOLDER}/{module}\n\
             }}\n"
        )
    }

    fn pxelinux(&self) -> String {
        let Menu { kernel32, module, command_line, .. } = self;
        format!(
            "# For PXELINUX: pxelinux.cfg/default on the TFTP server. Beside the two files it needs\n\
             # mboot.c32 and libcom32.c32 of syslinux.\n\
             DEFAULT bulkhead\n\
             LABEL bulkhead\n    \
                 KERNEL mboot.c32\n    \
                 APPEND {kernel32} {command_line} --- {module}\n"
        )
    }

    fn ipxe(&self) -> String {
        let Menu { kernel32, module, command_line, .. } = self;
        format!(
            "#!ipxe\n\
             # Names are relative to where this file came from.\n\
             kernel {kernel32} {command_line}\n\
             module {module}\n\
             boot\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MENU: Menu<'_> =
        Menu { kernel: "k64", kernel32: "k32", module: "m", command_line: "a=0x3e8 b=1" };

    #[test]
    fn each_loader_gets_the_kernel_that_it_takes() {
        let [grub, pxelinux, ipxe] = MENU.files().unwrap().map(|(_, text)| text);
        assert!(grub.contains("multiboot2 /boot/bulkhead/k64 a=0x3e8 b=1\n"));
        assert!(grub.contains("module2 /boot/bulkhead/m\n") && !grub.contains("k32"));
        assert!(pxelinux.contains("APPEND k32 a=0x3e8 b=1 --- m\n"));
        assert!(
            ipxe.starts_with("#!ipxe\n") && ipxe.contains("kernel k32 a=0x3e8 b=1\nmodule m\n")
        );
    }

    #[test]
    fn a_command_line_that_a_loader_would_read_otherwise_is_refused() {
        for command_line in ["a --- b", "a\nboot", "$x", "a;b"] {
            let menu = Menu { command_line, ..MENU };
            assert!(matches!(menu.files(), Err(ImageError::CommandLine { .. })), "{command_line}");
        }
    }
}
