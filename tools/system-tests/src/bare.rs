//! Images without an operating system: a few instructions that the boot loader
//! starts. They test the machine itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A bootable image, removed when dropped.
pub struct BareImage {
    folder: TempDir,
}

/// Multiboot specification 0.6.96, 3.1.2: magic, flags, checksum.
const HEADER: &str = "
        .text
        .align  4
        .long   0x1BADB002, 0, -0x1BADB002
";

/// What a test's code may use: macros for the serial ports, at 115,200 baud as
/// they come out of reset, and for switching the machine off.
const MACROS: &str = "
        .set    COM1, 0x3f8
        .set    COM2, 0x2f8
        # Eight bits a character (line control register).
        .macro  serial_start port
        movw    $\\port + 3, %dx
        movb    $3, %al
        outb    %al, %dx
        .endm
        # Sends %al (line status register, bit 5: room for the next).
        .macro  serial_put port
        movb    %al, %ah
        movw    $\\port + 5, %dx
77:     inb     %dx, %al
        testb   $0x20, %al
        jz      77b
        movb    %ah, %al
        movw    $\\port, %dx
        outb    %al, %dx
        .endm
        # Waits for a character (line status register, bit 0) and takes it.
        .macro  serial_get port
        movw    $\\port + 5, %dx
77:     inb     %dx, %al
        testb   $1, %al
        jz      77b
        movw    $\\port, %dx
        inb     %dx, %al
        .endm
        # Waits until everything is sent (line status register, bit 6).
        .macro  serial_drain port
        movw    $\\port + 5, %dx
77:     inb     %dx, %al
        testb   $0x40, %al
        jz      77b
        .endm
        # SLP_EN in PM1a_CNT, whose address the PIIX4 has in register 0x40 of
        # its function 3 (bus 0, device 1: configuration mechanism 1).
        .macro  power_off
        movl    $0x80000b40, %eax
        movw    $0xcf8, %dx
        outl    %eax, %dx
        movw    $0xcfc, %dx
        inl     %dx, %eax
        andl    $0xffc0, %eax
        leal    4(%eax), %edx
        movw    $0x2000, %ax
        outw    %ax, %dx
        .endm
";

impl BareImage {
    /// An image that runs 32-bit code (GNU assembler, with the macros above)
    /// with nothing set up but what Multiboot promises.
    pub fn new(code: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("code.S");
        let text = format!("{MACROS}{HEADER}        .globl _start\n_start:\n{code}\n");
        fs::write(&source, text).expect("the source can be written");
        let program = folder.path().join("code.elf");
        assemble(&source, &program);
        // The loader wants a module, as the kernel does; nobody looks into it.
        let module = folder.path().join("module");
        fs::write(&module, [0; 4096]).expect("the module can be written");
        bulkhead_image::iso(&program, &module, "", &folder.path().join("image.iso"))
            .expect("the image can be made");
        BareImage { folder }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("image.iso")
    }
}

fn assemble(source: &Path, program: &Path) {
    let output = Command::new("gcc")
        .args(["-m32", "-nostdlib", "-static", "-no-pie"])
        .args(["-Wl,-N,-Ttext=0x100000", "-Wl,--build-id=none", "-o"])
        .args([program, source])
        .output()
        .expect("gcc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
