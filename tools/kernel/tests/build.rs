//! Builds the real kernel, where the tools for it are installed.

use std::path::Path;
use std::process::{Command, Stdio};

use bulkhead_kernel::{Configuration, Request, build};
use bulkhead_progress::Silent;
use object::{Object, ObjectSymbol};

/// Multiboot specification 0.6.96, section 3.1.2.
const MULTIBOOT_MAGIC: [u8; 4] = 0x1BAD_B002u32.to_le_bytes();
/// The same, section 3.1: the header must be within the first 8192 bytes.
const MULTIBOOT_SEARCH: usize = 8192;

fn installed(program: &str) -> bool {
    let status =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_release_kernel_is_built_once_and_then_found() {
    if !["gcc", "cpp", "objcopy", "python3"].into_iter().all(installed) {
        eprintln!("skipped: gcc, cpp, objcopy or python3 is not installed");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let request = Request {
        workspace: &workspace,
        out: out.path(),
        configuration: Configuration::Release,
        progress: &Silent,
    };
    let kernel = build(&request).unwrap_or_else(|error| panic!("{error}"));
    assert!(!kernel.cached);

    let elf32 = std::fs::read(&kernel.elf32).unwrap();
    let parsed = object::File::parse(&*elf32).unwrap();
    assert!(!parsed.is_64() && parsed.is_little_endian());
    let start = &elf32[..MULTIBOOT_SEARCH];
    assert!(
        start.chunks_exact(4).any(|word| word == MULTIBOOT_MAGIC),
        "no Multiboot header in the first 8 KiB"
    );

    let elf = std::fs::read(&kernel.elf).unwrap();
    let parsed = object::File::parse(&*elf).unwrap();
    assert!(parsed.is_64());
    let has = |name: &str| parsed.symbols().any(|symbol| symbol.name() == Ok(name));
    assert!(has("handle_vmexit"), "built without VT-x");
    assert!(!has("kprintf"), "a release kernel that prints");

    let again = build(&request).unwrap_or_else(|error| panic!("{error}"));
    assert!(again.cached);
    assert_eq!(again.elf32, kernel.elf32);
    let elsewhere = out.path().join("another/folder");
    let same = build(&Request { out: &elsewhere, ..request }).unwrap_or_else(|e| panic!("{e}"));
    assert!(!same.cached);
    assert!(std::fs::read(&same.elf).unwrap() == elf, "the kernel depends on where it is built");
    std::fs::remove_dir_all(out.path().join("another")).unwrap();

    let left: Vec<_> = std::fs::read_dir(out.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the kernel's own folder stays: {left:?}");
}
