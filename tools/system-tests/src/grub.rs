//! Images without an operating system: a GRUB script, or a few instructions
//! that GRUB loads. They test the machine itself.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A bootable CD image, removed when dropped.
pub struct GrubImage {
    folder: TempDir,
}

impl GrubImage {
    /// An image that runs a GRUB script with its console on the first serial
    /// port.
    pub fn script(script: &str) -> Self {
        let image = GrubImage { folder: tempfile::tempdir().expect("a temporary folder") };
        image.make(&format!(
            "serial --unit=0 --speed=115200\n\
             terminal_input serial\n\
             terminal_output serial\n\
             set timeout=0\n\
             {script}\n"
        ));
        image
    }

    /// An image that runs 32-bit code (GNU assembler) with nothing set up but
    /// what Multiboot promises.
    pub fn code(assembly: &str) -> Self {
        /// Multiboot specification 0.6.96, 3.1.2: magic, flags, checksum.
        const HEADER: &str = ".align 4\n.long 0x1BADB002, 0, -0x1BADB002\n";
        let image = GrubImage { folder: tempfile::tempdir().expect("a temporary folder") };
        let source = image.folder.path().join("code.S");
        fs::write(&source, format!(".text\n{HEADER}.globl _start\n_start:\n{assembly}\n"))
            .expect("the source can be written");
        let program = image.tree().join("boot/code");
        fs::create_dir_all(image.tree().join("boot")).expect("the folder can be made");
        let gcc = Command::new("gcc")
            .args(["-m32", "-nostdlib", "-static", "-no-pie"])
            .args(["-Wl,-Ttext=0x100000", "-Wl,--build-id=none", "-o"])
            .args([&program, &source])
            .status()
            .expect("gcc starts");
        assert!(gcc.success(), "the code assembles");
        image.make("set timeout=0\nmultiboot /boot/code\nboot\n");
        image
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("image.iso")
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn make(&self, configuration: &str) {
        let grub = self.tree().join("boot/grub");
        fs::create_dir_all(&grub).expect("the folder can be made");
        fs::write(grub.join("grub.cfg"), configuration).expect("the script can be written");
        let output = Command::new("grub-mkrescue")
            .args(["--fonts=", "--themes=", "--locales="])
            .arg("--install-modules=normal multiboot serial iso9660 biosdisk echo test read halt terminal")
            .args(["-d", "/usr/lib/grub/i386-pc", "-o"])
            .args([self.path(), self.tree()])
            .output()
            .expect("grub-mkrescue starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
