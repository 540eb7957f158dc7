//! The initial RAM disk: a cpio archive ("newc", as the kernel wants it:
//! Documentation/driver-api/early-userspace/buffer-format.rst), not compressed,
//! because the guest would pay for that. Inode numbers and times are fixed, so
//! the same files give the same bytes.

use std::io::{self, Cursor};

use cpio::newc::{Builder, trailer};

/// Kind and permissions of a folder.
const FOLDER: u32 = 0o040_755;
/// Of a program.
const PROGRAM: u32 = 0o100_755;
/// Of a file.
const FILE: u32 = 0o100_644;
/// Of a character device.
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, builder: Builder, contents: &[u8]) -> io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(contents.len())
            .map_err(|_| io::Error::other("a file of 4 GiB does not fit a cpio archive"))?;
        let bytes = std::mem::take(&mut self.bytes);
        let mut writer = builder.ino(self.inode).mtime(0).write(bytes, size);
        io::copy(&mut Cursor::new(contents), &mut writer)?;
        self.bytes = writer.finish()?;
        Ok(())
    }

    /// Adds a folder.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        self.add(Builder::new(path).mode(FOLDER).nlink(2), &[])
    }

    /// Adds a program.
    pub fn program(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.add(Builder::new(path).mode(PROGRAM), contents)
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.add(Builder::new(path).mode(FILE), contents)
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> io::Result<()> {
        self.add(Builder::new(path).mode(CHARACTER_DEVICE).rdev_major(major).rdev_minor(minor), &[])
    }

    /// The archive's bytes.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        trailer(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_archived_is_read_back() {
        let mut archive = Archive::default();
        archive.folder("bin").unwrap();
        archive.program("bin/x", b"12345").unwrap();
        archive.device("dev/console", 5, 1).unwrap();
        let bytes = archive.finish().unwrap();
        let mut names = Vec::new();
        let mut rest = Cursor::new(bytes);
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut contents = Vec::new();
            io::Read::read_to_end(&mut reader, &mut contents).unwrap();
            names.push((reader.entry().name().to_owned(), reader.entry().mode(), contents));
            rest = reader.finish().unwrap();
        }
        assert_eq!(names.len(), 3);
        assert_eq!(names[1], ("bin/x".into(), PROGRAM, b"12345".to_vec()));
    }
}
