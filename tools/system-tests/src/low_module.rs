//! Boots a kernel whose module lies below it.
//!
//! ISOLINUX puts modules above the kernel; GRUB puts small ones into a hole
//! below its end. So a loader of our own stands between: ISOLINUX loads it far
//! above everything, with kernel and module inside, and it puts the kernel
//! where that belongs and the module into the first 640 KiB.

use std::{fs, path::Path, process::Command};

use bulkhead_build::KERNEL_COMMAND_LINE;

/// Where the loader runs, clear of what it loads.
const LOADER: &str = "0x4000000";

/// The loader, with `KERNEL`, `MODULE` and `COMMAND_LINE` to be put in.
/// Offsets are those of ELF headers, and of the Multiboot information
/// (Multiboot specification 0.6.96, 3.3).
const CODE: &str = r#"
        .text
        .align  4
        .long   0x1BADB002, 0, -0x1BADB002
        .globl  _start
_start: cli
        cld
        movl    $stack, %esp
        # The information and its memory map, before anything lies on them:
        # memory size, command line, modules and map are kept.
        movl    %ebx, %esi
        movl    48(%ebx), %edx
        movl    44(%ebx), %ebp
        movl    $information, %edi
        movl    $128 / 4, %ecx
        rep movsl
        movl    %edx, %esi
        movl    $map, %edi
        movl    %ebp, %ecx
        rep movsb
        andl    $0x4d, information
        movl    $command_line, information + 16
        movl    $1, information + 20
        movl    $modules, information + 24
        movl    $map, information + 48
        # The kernel's segments.
        movl    $kernel, %ebx
        movzwl  44(%ebx), %edx
        movl    28(%ebx), %ebx
        addl    $kernel, %ebx
1:      cmpl    $1, (%ebx)
        jne     2f
        movl    4(%ebx), %esi
        addl    $kernel, %esi
        movl    12(%ebx), %edi
        movl    16(%ebx), %ecx
        rep movsb
        movl    20(%ebx), %ecx
        subl    16(%ebx), %ecx
        xorl    %eax, %eax
        rep stosb
2:      addl    $32, %ebx
        decl    %edx
        jnz     1b
        # The module.
        movl    $module, %esi
        movl    $0x10000, %edi
        movl    $module_end - module, %ecx
        rep movsb
        movl    $0x2BADB002, %eax
        movl    $information, %ebx
        movl    kernel + 24, %ecx
        jmp     *%ecx

        .balign 16
modules: .long  0x10000, 0x10000 + module_end - module, command_line, 0
command_line: .asciz "COMMAND_LINE"
        .balign 16
information: .skip 128
map:    .skip   4096
        .skip   256
stack:  .balign 4096
kernel: .incbin "KERNEL"
        .balign 4096
module: .incbin "MODULE"
module_end:
"#;

/// Room between where the module goes and the end of what a PC leaves free of
/// its first 640 KiB.
const ROOM: u64 = 0x9_0000 - 0x1_0000;

/// Writes the loader for a kernel and module.
pub(crate) fn loader(kernel: &Path, module: &Path, folder: &Path) -> std::path::PathBuf {
    let size = fs::metadata(module).expect("the module was just written").len();
    assert!(size <= ROOM, "the module has {size} bytes and there is room for {ROOM}");
    let text = CODE
        .replace("KERNEL", &kernel.display().to_string())
        .replace("MODULE", &module.display().to_string())
        .replace("COMMAND_LINE", KERNEL_COMMAND_LINE);
    let source = folder.join("loader.S");
    fs::write(&source, text).expect("the source can be written");
    let program = folder.join("loader.elf");
    let output = Command::new("gcc")
        .args(["-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-N"])
        .args([&format!("-Wl,-Ttext={LOADER}"), "-Wl,--build-id=none", "-o"])
        .args([&program, &source])
        .output()
        .expect("gcc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}
