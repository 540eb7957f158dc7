//! What an image is, by its content.

use super::error::{BootError, Found};
use super::source::Source;
use crate::memory::GuestMemory;

/// An image that can be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kernel {
    /// An ELF file.
    Elf,
    /// A Linux kernel with its setup header.
    BzImage,
}

/// Bytes looked at: up to and with the boot protocol's signature.
const LOOK: usize = 0x206;
/// `boot_flag` of the setup header.
const BOOT_FLAG: usize = 0x1FE;
/// Its signature.
const SIGNATURE: usize = 0x202;
/// Magic of a Linux Image for arm64 (Documentation/arch/arm64/booting.rst).
const ARM64_MAGIC: usize = 0x38;
/// Magic of a Linux Image for RISC-V (Documentation/arch/riscv/boot-image-header.rst).
const RISCV_MAGIC: usize = 0x38;

/// First bytes of the formats that kernels are compressed with
/// (lib/decompress.c in Linux).
const COMPRESSED: [(&[u8], &str); 8] = [
    (b"\x1F\x8B", "gzip"),
    (b"\x1F\x9E", "gzip"),
    (b"BZh", "bzip2"),
    (b"\x5D\x00\x00", "lzma"),
    (b"\xFD7zXZ", "xz"),
    (b"\x89LZO", "lzo"),
    (b"\x02\x21\x4C\x18", "lz4"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
];

/// First bytes of what is given by mistake.
const KNOWN: [(&[u8], &str); 6] = [
    (b"070701", "a cpio archive (the initial RAM disk?)"),
    (b"070707", "a cpio archive (the initial RAM disk?)"),
    (b"!<arch>\n", "an archive (a Debian package?)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x27\x05\x19\x56", "a U-Boot image"),
    (b"#!", "a script"),
];

/// # Errors
/// Neither of the two.
pub(super) fn recognise<M: GuestMemory, K: Source<M> + ?Sized>(
    image: &K,
) -> Result<Kernel, BootError> {
    let mut head = [0; LOOK];
    // At most LOOK, which is small.
    let length = image.length().min(LOOK as u64) as usize;
    image.read(0, &mut head[..length]).map_err(|_| BootError::Truncated {
        what: "the header",
        end: length as u64,
        length: image.length(),
    })?;
    if head.starts_with(b"\x7FELF") {
        return Ok(Kernel::Elf);
    }
    if head[BOOT_FLAG..].starts_with(&[0x55, 0xAA]) && head[SIGNATURE..].starts_with(b"HdrS") {
        return Ok(Kernel::BzImage);
    }
    Err(BootError::NotAKernel(what(&head)))
}

fn what(head: &[u8; LOOK]) -> Found {
    let named = |list: &[(&[u8], &'static str)]| {
        list.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
    };
    if head.iter().all(|b| *b == 0) {
        Found::Nothing
    } else if let Some(how) = named(&COMPRESSED) {
        Found::Compressed(how)
    } else if let Some(name) = named(&KNOWN) {
        Found::Known(name)
    } else if head[ARM64_MAGIC..].starts_with(b"ARM\x64") {
        Found::Known("a Linux kernel for arm64")
    } else if head[RISCV_MAGIC..].starts_with(b"RSC\x05") {
        Found::Known("a Linux kernel for RISC-V")
    } else if head.starts_with(b"MZ") {
        Found::Known("an EFI or Windows program")
    } else if head[BOOT_FLAG..].starts_with(&[0x55, 0xAA]) {
        Found::Known("a boot sector or disk image")
    } else {
        Found::Unknown([head[0], head[1], head[2], head[3]])
    }
}
