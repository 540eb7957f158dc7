//! Reading files that may be anything: bounded, and only if they are files.
//!
//! Names are followed through links, because package managers install SDKs as
//! trees of links.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::SdkError;

/// An ELF file's header: enough to know what it is for.
const HEADER: usize = 20;

/// `EM_X86_64`, `EM_386`, `EM_AARCH64` (System V ABI, registry of `e_machine`).
const X86_64: u16 = 62;
const I386: u16 = 3;
const AARCH64: u16 = 183;
const RISCV: u16 = 243;

/// Reads a regular file of at most `limit` bytes. Something else, such as a
/// pipe without an end, is not opened.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, SdkError> {
    let unreadable = |source| SdkError::Unreadable { path: path.to_owned(), source };
    let length = length(path).map_err(unreadable)?;
    let too_large = || SdkError::TooLarge { path: path.to_owned(), limit };
    if length > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let more = limit.saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(more).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

fn length(path: &Path) -> io::Result<u64> {
    let metadata = path.metadata()?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// What the beginning of a file shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A program of this many bits for a processor.
    Elf { bits: u8, machine: u16 },
    /// A program of macOS.
    MachO,
    /// A script.
    Script,
    /// A compressed archive (gzip, xz, zstd) or one that is not.
    Archive,
    /// Nothing known.
    Other,
}

impl Kind {
    pub const KERNEL: Kind = Kind::Elf { bits: 64, machine: X86_64 };
    pub const KERNEL_32: Kind = Kind::Elf { bits: 32, machine: I386 };

    /// Of a file; `None` if it cannot be read.
    pub fn of(path: &Path) -> Option<Kind> {
        length(path).ok()?;
        let mut start = Vec::new();
        File::open(path).ok()?.take(512).read_to_end(&mut start).ok()?;
        Some(Self::of_bytes(&start))
    }

    fn of_bytes(start: &[u8]) -> Kind {
        match start {
            [0x7f, b'E', b'L', b'F', class, ..] if start.len() >= HEADER => {
                let bits = if *class == 1 { 32 } else { 64 };
                Kind::Elf { bits, machine: u16::from_le_bytes([start[18], start[19]]) }
            }
            // Mach-O of 64 bits, and several in one file.
            [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Kind::MachO,
            [b'#', b'!', ..] => Kind::Script,
            [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Kind::Archive
            }
            _ if start.get(257..262) == Some(&b"ustar"[..]) => Kind::Archive,
            _ => Kind::Other,
        }
    }

    /// In words.
    pub fn describe(self) -> String {
        match self {
            Kind::Elf { bits, machine } => {
                let processor = match machine {
                    X86_64 | I386 => "x86".to_owned(),
                    AARCH64 => "AArch64".to_owned(),
                    RISCV => "RISC-V".to_owned(),
                    other => format!("processor type {other}"),
                };
                format!("a {bits}-bit ELF file for {processor}")
            }
            Kind::MachO => "a program for macOS".into(),
            Kind::Script => "a script".into(),
            Kind::Archive => "an archive".into(),
            Kind::Other => "of no known kind".into(),
        }
    }
}

/// Demands an ELF file of a kind.
pub(crate) fn demand_elf(
    path: PathBuf,
    role: &'static str,
    wanted: Kind,
) -> Result<PathBuf, SdkError> {
    match Kind::of(&path) {
        None => Err(SdkError::Missing { path, role }),
        Some(found) if found == wanted => Ok(path),
        Some(found) => Err(SdkError::WrongFile {
            path,
            role,
            found: found.describe(),
            wanted: wanted.describe(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_beyond_the_bound_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, [0; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert!(matches!(read(&path, 99), Err(SdkError::TooLarge { limit: 99, .. })));
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&path, 1 << 20), Err(SdkError::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        for path in ["/dev/zero", "/", "/nowhere"] {
            assert!(
                matches!(read(Path::new(path), 10), Err(SdkError::Unreadable { .. })),
                "{path}"
            );
            assert_eq!(Kind::of(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn files_are_known_by_how_they_begin() {
        let mut elf = [0; HEADER];
        elf[..5].copy_from_slice(b"\x7fELF\x02");
        elf[18] = 62;
        assert_eq!(Kind::of_bytes(&elf), Kind::KERNEL);
        elf[18] = 183;
        assert_eq!(Kind::of_bytes(&elf).describe(), "a 64-bit ELF file for AArch64");
        assert_eq!(Kind::of_bytes(&elf[..10]), Kind::Other, "cut short");
        assert_eq!(Kind::of_bytes(b"#!/bin/sh"), Kind::Script);
        assert_eq!(Kind::of_bytes(&[0xcf, 0xfa, 0xed, 0xfe, 0]), Kind::MachO);
        assert_eq!(Kind::of_bytes(&[0x1f, 0x8b, 8]), Kind::Archive);
        assert_eq!(Kind::of_bytes(b""), Kind::Other);
    }

    proptest! {
        #[test]
        fn any_beginning_is_read_without_failing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Kind::of_bytes(&bytes).describe();
        }
    }
}
