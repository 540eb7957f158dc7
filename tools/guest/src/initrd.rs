//! What Linux takes as an initial RAM disk (init/initramfs.c and
//! init/do_mounts_rd.c of Linux 6.1): cpio archives one after another, each of
//! them plain or compressed, or the image of a file system.
//!
//! Not here: what is inside. A kernel that is given something else panics long
//! after its start, with a message about a root file system.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// Length of a cpio header of the form "newc"
/// (Documentation/driver-api/early-userspace/buffer-format.rst).
const HEADER: usize = 110;

/// First bytes of the compressed forms. What follows one of those without an
/// end that can be found here is not looked at.
const COMPRESSED: [(&[u8], &str); 8] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x02\x21\x4c\x18", "LZ4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x89LZO", "LZO"),
    (b"\x1f\x9e", "gzip of old"),
];

/// File systems that can be a RAM disk: offset and magic.
const FILE_SYSTEMS: [(usize, &[u8]); 5] = [
    (0, b"-rom1fs-"),
    (0, b"hsqs"),
    (0, b"\x45\x3d\xcd\x28"),
    (0x438, b"\x53\xef"),
    (0x410, b"\x7f\x13"),
];

/// Why Linux would not take this as its initial RAM disk; `None` if nothing
/// speaks against it.
pub fn initrd_fault(image: &[u8]) -> Option<String> {
    if FILE_SYSTEMS.iter().any(|(at, magic)| starts(image, *at, magic)) {
        return None;
    }
    let mut at = 0;
    loop {
        // Zeros may stand between archives and behind the last.
        at += image.get(at..)?.iter().take_while(|byte| **byte == 0).count();
        let rest = image.get(at..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else {
            return (image.iter().all(|byte| *byte == 0)).then(|| "is empty".into());
        };
        let form = COMPRESSED.iter().find(|(magic, _)| rest.starts_with(magic));
        let length = match form {
            _ if rest.starts_with(b"070701") || rest.starts_with(b"070702") => archive(rest),
            Some((_, "gzip")) => gzip(rest),
            Some((_, "LZ4")) => lz4(rest),
            Some((_, "zstd")) => zstd(rest),
            Some(_) => return None,
            None if at == 0 => {
                let begin = rest.iter().take(4).map(|byte| format!(" {byte:02x}"));
                return Some(format!(
                    "is neither a cpio archive, plain or compressed, nor a file system: it begins \
                     with{}",
                    begin.collect::<String>()
                ));
            }
            None => return Some(format!("is damaged at byte {at}: no archive begins there")),
        };
        match length {
            Ok(length) => at += length,
            Err(Cut) => {
                let form = form.map_or("cpio", |(_, name)| name);
                return Some(format!(
                    "is cut short or damaged: the {form} archive at byte {at} does not end within \
                     its {} bytes",
                    image.len()
                ));
            }
        }
    }
}

/// An archive that goes beyond the end, or whose inner lengths cannot be.
struct Cut;

fn starts(image: &[u8], at: usize, magic: &[u8]) -> bool {
    image.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// Length of a plain archive, up to and with its trailer.
fn archive(image: &[u8]) -> Result<usize, Cut> {
    let mut at = 0_usize;
    loop {
        let header = image.get(at..).and_then(|rest| rest.get(..HEADER)).ok_or(Cut)?;
        // Fields of 8 hexadecimal digits follow the magic: number 6 is the
        // file's length, number 11 the name's.
        let field = |number: usize| -> Result<usize, Cut> {
            let digits = header.get(6 + 8 * number..).and_then(|rest| rest.get(..8)).ok_or(Cut)?;
            let digits = std::str::from_utf8(digits).map_err(|_| Cut)?;
            usize::from_str_radix(digits, 16).map_err(|_| Cut)
        };
        let pad = |end: usize| end.checked_next_multiple_of(4).ok_or(Cut);
        let start = at.checked_add(HEADER).ok_or(Cut)?;
        let end = start.checked_add(field(11)?).ok_or(Cut)?;
        let name = image.get(start..end).ok_or(Cut)?;
        let data_end = pad(end)?.checked_add(field(6)?).ok_or(Cut)?;
        if name == b"TRAILER!!!\0" {
            return Ok(data_end.min(image.len()));
        }
        if data_end > image.len() {
            return Err(Cut);
        }
        at = pad(data_end)?;
        if !starts(image, at, b"07070") {
            return Err(Cut);
        }
    }
}

/// Length of a gzip member (RFC 1952). Its end is where its data say, so it is
/// unpacked, and forgotten.
fn gzip(image: &[u8]) -> Result<usize, Cut> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const CHECKSUM: u8 = 2;
    let flags = *image.get(3).ok_or(Cut)?;
    let mut at = 10;
    if flags & EXTRA != 0 {
        let length = image.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(Cut)?;
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + image.get(at..).and_then(|r| r.iter().position(|b| *b == 0)).ok_or(Cut)?;
        }
    }
    if flags & CHECKSUM != 0 {
        at += 2;
    }
    let mut decoder = DeflateDecoder::new(image.get(at..).ok_or(Cut)?);
    let mut buffer = vec![0; 1 << 16];
    while decoder.read(&mut buffer).map_err(|_| Cut)? > 0 {}
    let packed = usize::try_from(decoder.total_in()).map_err(|_| Cut)?;
    // Checksum and length of what was unpacked.
    within(image, at.checked_add(packed).and_then(|end| end.checked_add(8)))
}

/// Length of a legacy LZ4 frame: blocks, each with its length before it. The
/// four bytes behind it, which Linux's build adds, count as its own.
fn lz4(image: &[u8]) -> Result<usize, Cut> {
    let mut at = 4_usize;
    loop {
        let Some(length) = image.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return within(image, Some(at));
        };
        let length = u32::from_le_bytes(*length) as usize;
        let end = at.checked_add(4).and_then(|start| start.checked_add(length));
        match within(image, end) {
            Ok(end) if length > 0 => at = end,
            // Not a block any more: the length of the whole, or padding.
            _ if at > 4 && at + 4 == image.len() => return Ok(image.len()),
            Ok(_) => return Ok(at),
            Err(Cut) => return Err(Cut),
        }
    }
}

/// Length of a zstd frame (RFC 8878, 3.1.1): header, blocks, checksum.
fn zstd(image: &[u8]) -> Result<usize, Cut> {
    let descriptor = *image.get(4).ok_or(Cut)?;
    let single_segment = descriptor & 0x20 != 0;
    let content_size = match (descriptor >> 6, single_segment) {
        (0, true) => 1,
        (0, false) => 0,
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let window = usize::from(!single_segment);
    let mut at = 5 + window + dictionary + content_size;
    loop {
        let [a, b, c] = *image.get(at..).and_then(<[u8]>::first_chunk::<3>).ok_or(Cut)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let (last, kind, size) = (header & 1 != 0, (header >> 1) & 3, (header >> 3) as usize);
        // A block of kind 1 is one byte, to be repeated.
        let stored = match kind {
            1 => 1,
            0 | 2 => size,
            _ => return Err(Cut),
        };
        at = within(image, at.checked_add(3).and_then(|start| start.checked_add(stored)))?;
        if last {
            let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
            return within(image, at.checked_add(checksum));
        }
    }
}

fn within(image: &[u8], end: Option<usize>) -> Result<usize, Cut> {
    end.filter(|end| *end <= image.len()).ok_or(Cut)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::initramfs::Archive;

    fn plain() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.folder("dev").unwrap();
        archive.program("init", &[7; 5000]).unwrap();
        archive.finish().unwrap()
    }

    /// What a program of the host makes of it; `None` if it is not installed.
    fn packed(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take().unwrap().write_all(&plain()).unwrap();
        Some(child.wait_with_output().unwrap().stdout)
    }

    /// Every kind of archive whose end can be found.
    fn kinds() -> Vec<(&'static str, Vec<u8>)> {
        let mut kinds = vec![("cpio", plain())];
        for (name, arguments) in
            [("gzip", &["-c"][..]), ("zstd", &["-c", "-q"]), ("lz4", &["-l", "-c", "-q"])]
        {
            kinds.extend(packed(name, arguments).map(|bytes| (name, bytes)));
        }
        kinds
    }

    #[test]
    fn every_kind_is_taken_alone_and_behind_another() {
        for (name, bytes) in kinds() {
            assert_eq!(initrd_fault(&bytes), None, "{name}");
            let behind = [plain(), vec![0; 512], bytes].concat();
            assert_eq!(initrd_fault(&behind), None, "{name} behind an archive");
        }
        assert_eq!(initrd_fault(b"\xfd7zXZ\0whatever"), None);
        let mut ext2 = vec![0; 0x1000];
        ext2[0x438..][..2].copy_from_slice(b"\x53\xef");
        assert_eq!(initrd_fault(&ext2), None);
    }

    #[test]
    fn every_kind_that_is_cut_short_is_refused() {
        assert!(kinds().len() >= 2, "gzip is part of every Debian");
        for (name, bytes) in kinds() {
            for keep in [9, bytes.len() / 2, bytes.len() * 3 / 4] {
                let fault = initrd_fault(&bytes[..keep]).expect(name);
                assert!(fault.contains("cut short"), "{name} at {keep}: {fault}");
            }
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let foreign = initrd_fault(b"\x7fELF\x02\x01").unwrap();
        assert!(foreign.ends_with("it begins with 7f 45 4c 46"), "{foreign}");
        assert_eq!(initrd_fault(b"").unwrap(), "is empty");
        assert_eq!(initrd_fault(&[0; 4096]).unwrap(), "is empty");
        let behind = [plain(), b"noise".to_vec()].concat();
        assert!(initrd_fault(&behind).unwrap().contains("no archive begins there"));
    }

    proptest! {
        #[test]
        fn a_damaged_archive_is_looked_at_without_failing(
            at in 0usize..6000, byte: u8, cut in 0usize..6000, kind in 0usize..4,
        ) {
            let heads: [&[u8]; 4] = [b"", b"\x1f\x8b", b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd"];
            let mut bytes = [heads[kind], &plain()[..]].concat();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            let _ = initrd_fault(&bytes);
        }
    }
}
