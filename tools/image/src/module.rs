//! Boot modules that a loader may put where the kernel goes.
//!
//! A kernel's image has holes: seL4 16's lies from 1 MiB to 10 MiB, with nearly
//! 1 MiB of nothing between its boot code and the rest. GRUB puts a module that
//! fits into such a hole there, and the kernel, which maps its memory in large
//! pages, takes that for its own: it triple-faults before it prints anything. So
//! a module is made larger than all of the kernel. Zeros at the end of an ELF file
//! belong to none of its segments.

use std::{fs, path::Path};

use bulkhead_host::file;
use object::{Object, ObjectSegment};

use crate::ImageError;

/// Kernels have 2 MiB; this is what is read of one at most.
const KERNEL_LIMIT: u64 = 64 << 20;

/// Makes a module larger than the kernel in memory, if it is not; returns its
/// size.
///
/// # Errors
/// The kernel is no ELF file, or a file cannot be read or written.
pub fn pad_module(module: &Path, kernel: &Path) -> Result<u64, ImageError> {
    let least = extent(kernel)?;
    let size = fs::metadata(module).map_err(file("read", module))?.len();
    if size > least {
        return Ok(size);
    }
    let padded = least.saturating_add(1);
    let opened = fs::File::options().write(true).open(module);
    opened.and_then(|opened| opened.set_len(padded)).map_err(file("write", module))?;
    Ok(padded)
}

/// Bytes from the kernel's first to its last in physical memory. (Of the 32-bit
/// file, virtual addresses are physical ones with the kernel's base in front.)
fn extent(kernel: &Path) -> Result<u64, ImageError> {
    let bad = |why: String| ImageError::Kernel { path: kernel.to_owned(), why };
    let size = fs::metadata(kernel).map_err(file("read", kernel))?.len();
    if size > KERNEL_LIMIT {
        return Err(bad(format!("it has {size} bytes")));
    }
    let bytes = fs::read(kernel).map_err(file("read", kernel))?;
    let elf = object::File::parse(&*bytes).map_err(|error| bad(error.to_string()))?;
    let physical = |address: u64| address & PHYSICAL;
    let ends = elf.segments().map(|s| physical(s.address()).saturating_add(s.size()));
    let starts = elf.segments().map(|s| physical(s.address()));
    match (starts.min(), ends.max()) {
        (Some(start), Some(end)) if end.saturating_sub(start) <= KERNEL_LIMIT => {
            Ok(end.saturating_sub(start))
        }
        _ => Err(bad("its segments are not a kernel's".into())),
    }
}

/// What of a kernel's address is physical: its base is -2 GiB, of which a 32-bit
/// file keeps the topmost bit.
const PHYSICAL: u64 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A kernel from 1 MiB to 10 MiB, with a hole.
    fn kernel(folder: &Path) -> std::path::PathBuf {
        let (source, script, kernel) =
            (folder.join("k.S"), folder.join("k.ld"), folder.join("kernel"));
        fs::write(&source, ".section .low,\"ax\"\n.quad 0\n.section .high,\"ax\"\n.quad 0\n")
            .unwrap();
        let text = "PHDRS { low PT_LOAD; high PT_LOAD; }\nSECTIONS {\n. = 0x100000; .low : { *(.low) } :low\n\
                    . = 0xffffffff80a00000; .high : { *(.high) } :high\n}\n";
        fs::write(&script, text).unwrap();
        let status = Command::new("gcc")
            .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-T"])
            .args([&script, &source])
            .arg("-o")
            .arg(&kernel)
            .status();
        assert!(status.unwrap().success());
        kernel
    }

    #[test]
    fn a_small_module_becomes_larger_than_the_kernel_and_a_large_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = kernel(folder.path());
        let module = folder.path().join("module");
        fs::write(&module, [7; 1000]).unwrap();
        let padded = pad_module(&module, &kernel).unwrap();
        assert_eq!(padded, 0xa0_0008 - 0x10_0000 + 1);
        let bytes = fs::read(&module).unwrap();
        assert_eq!(bytes.len() as u64, padded);
        assert!(bytes[..1000].iter().all(|b| *b == 7) && bytes[1000..].iter().all(|b| *b == 0));
        assert_eq!(pad_module(&module, &kernel).unwrap(), padded, "once is enough");
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (module, text) = (folder.path().join("module"), folder.path().join("text"));
        fs::write(&module, [7; 10]).unwrap();
        fs::write(&text, "text").unwrap();
        assert!(matches!(pad_module(&module, &text), Err(ImageError::Kernel { .. })));
    }
}
