//! Where program images and prefill files come from.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
};

/// What is known of a file that a description names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileSize {
    /// It is there and has this many bytes.
    Known(u64),
    /// It is built later; nothing is checked that depends on it.
    NotBuilt,
    /// It is nowhere. Holds where it was looked for.
    Missing(String),
}

/// Finds the files that a description names.
pub trait Files {
    /// Size of a file.
    ///
    /// # Errors
    /// It is there but cannot be read.
    fn size(&self, path: &str) -> io::Result<FileSize>;

    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be opened, or is not built.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>>;
}

/// Folders, looked through in order, like the Microkit's `--search-path`.
#[derive(Clone, Debug, Default)]
pub struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// Looks through these folders.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        SearchPath(folders.into_iter().collect())
    }

    /// The folders, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.0
    }

    /// Where a file is.
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        self.0.iter().map(|folder| folder.join(path)).find(|p| p.exists())
    }
}

impl Files for SearchPath {
    fn size(&self, path: &str) -> io::Result<FileSize> {
        let Some(found) = self.find(path) else {
            let folders: Vec<_> = self.0.iter().map(|p| p.display().to_string()).collect();
            return Ok(FileSize::Missing(folders.join(", ")));
        };
        let metadata = fs::metadata(&found)?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(FileSize::Known(metadata.len()))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let found = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::open(found)?))
    }
}

/// No file is built yet: for checking a description by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotBuilt;

impl Files for NotBuilt {
    fn size(&self, _: &str) -> io::Result<FileSize> {
        Ok(FileSize::NotBuilt)
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn Read>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
