//! Files that are whole or not there, and names for their contents.

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;

/// A file cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot {what} {path}")]
pub struct FileError {
    /// What was tried.
    what: &'static str,
    /// On which file.
    path: PathBuf,
    /// Why it failed.
    #[source]
    source: io::Error,
}

/// Says what was being done to which file.
pub fn file<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError { what, path: path.to_owned(), source }
}

/// Writes a file by way of a temporary name.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, bytes).map_err(file("write", &temporary))?;
    fs::rename(&temporary, path).map_err(file("rename to", path))
}

/// A name for contents: enough to see a change, no protection against anybody,
/// and another one with another Rust release.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Takes bytes and keeps only their [`fingerprint`]; it does not depend on how
/// they are cut into writes.
#[derive(Default)]
pub struct Hashing(DefaultHasher);

impl Hashing {
    /// Of everything so far.
    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_fingerprint_does_not_depend_on_the_writes() {
        let mut hashing = Hashing::default();
        for part in [&b"abc"[..], b"", b"defghijkl"] {
            hashing.write_all(part).unwrap();
        }
        assert_eq!(hashing.finish(), fingerprint(b"abcdefghijkl"));
        assert_ne!(hashing.finish(), fingerprint(b"abcdefghijkm"));
    }

    #[test]
    fn a_replaced_file_leaves_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        replace(&path, b"1").unwrap();
        replace(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
