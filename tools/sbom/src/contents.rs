//! What really is in an image: its files are read back, not believed to be
//! what was put in.

use std::{
    fs,
    io::{Cursor, Read},
    ops::Range,
    path::Path,
    process::Command,
};

use crate::SbomError;

/// Bytes of a block of an ISO 9660 file system (ECMA-119, 6.1.2).
const BLOCK: usize = 2048;

/// The files of a boot image: names and contents.
pub(crate) struct Iso {
    bytes: Vec<u8>,
    files: Vec<(String, Range<usize>)>,
}

impl Iso {
    /// Reads an image by xorriso, which made it.
    pub fn read(path: &Path) -> Result<Self, SbomError> {
        let wrong = |reason: &str| SbomError::Image { path: path.into(), reason: reason.into() };
        let output = Command::new("xorriso")
            .env("LC_ALL", "C")
            .arg("-indev")
            .arg(path)
            .args(["-find", "/", "-type", "f", "-exec", "report_lba", "--"])
            .output()
            .map_err(SbomError::file("start", Path::new("xorriso")))?;
        if !output.status.success() {
            return Err(wrong(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let bytes = fs::read(path).map_err(SbomError::file("read", path))?;
        let listing = String::from_utf8_lossy(&output.stdout);
        let files: Option<Vec<_>> = listing
            .lines()
            .filter_map(|line| line.strip_prefix("File data lba:"))
            .map(|line| located(line).filter(|(_, place)| place.end <= bytes.len()))
            .collect();
        match files {
            Some(files) if !files.is_empty() => Ok(Iso { bytes, files }),
            _ => Err(wrong("xorriso does not say where its files are")),
        }
    }

    /// Hashes of the whole image are made of this.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its files; a name has no slash at its front.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .filter_map(|(name, place)| Some((name.as_str(), self.bytes.get(place.clone())?)))
    }
}

/// A line of xorriso's list: extent, first block, blocks, bytes, path in quotes.
fn located(line: &str) -> Option<(String, Range<usize>)> {
    let mut fields = line.splitn(5, ',').map(str::trim);
    let first: usize = fields.nth(1)?.parse().ok()?;
    let size: usize = fields.nth(1)?.parse().ok()?;
    let name = fields.next()?.strip_prefix("'/")?.strip_suffix('\'')?;
    let from = first.checked_mul(BLOCK)?;
    Some((name.to_owned(), from..from.checked_add(size)?))
}

/// Type and value of a regular file in a cpio header's mode (cpio(5)).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// The regular files of an initial RAM disk, which is not compressed.
pub(crate) fn initramfs(path: &Path) -> Result<Vec<(String, Vec<u8>)>, SbomError> {
    let wrong = |reason: std::io::Error| SbomError::Image {
        path: path.into(),
        reason: format!("not an archive as expected: {reason}"),
    };
    let bytes = fs::read(path).map_err(SbomError::file("read", path))?;
    let mut rest = Cursor::new(bytes);
    let mut files = Vec::new();
    loop {
        let mut reader = cpio::NewcReader::new(rest).map_err(wrong)?;
        if reader.entry().is_trailer() {
            return Ok(files);
        }
        let mut contents = Vec::new();
        reader.read_to_end(&mut contents).map_err(wrong)?;
        if reader.entry().mode() & KIND == REGULAR {
            files.push((reader.entry().name().to_owned(), contents));
        }
        rest = reader.finish().map_err(wrong)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_the_list_says_where_a_file_is() {
        let line = "  0 ,       34 ,       19 ,    38912 , '/isolinux.bin'";
        assert_eq!(located(line), Some(("isolinux.bin".into(), 69_632..108_544)));
        assert_eq!(located("0, 1, 1, 5, '/a, b'"), Some(("a, b".into(), 2048..2053)));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[0-9 ,'/a-z]{0,60}") {
            let _ = located(&line);
        }
    }
}
