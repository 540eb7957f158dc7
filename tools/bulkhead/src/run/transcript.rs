//! The file that `--log` names.
//!
//! It is opened before anything long begins, so that a wrong name is told at
//! once, but it is emptied only when the run begins: a run that does not come
//! that far leaves an old transcript as it was.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bulkhead_host::{FileError, cure, file};
use miette::{Diagnostic, Result};
use thiserror::Error;

/// A file that cannot be a transcript.
#[derive(Debug, Error, Diagnostic)]
enum TranscriptError {
    /// It cannot be opened for writing.
    #[error("cannot write the transcript {}", path.display())]
    #[diagnostic(help("{}", cure(source).unwrap_or("--log names a file in a folder that is there")))]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It would overwrite what the run is made of.
    #[error("the transcript {} would overwrite {what}", path.display())]
    #[diagnostic(help("give --log another name"))]
    Overwrites { path: PathBuf, what: &'static str },
}

/// A transcript, to be begun.
pub struct Transcript {
    path: PathBuf,
    file: File,
    /// It was not there before, and nothing is in it yet.
    fresh: bool,
}

impl Transcript {
    /// Opens it. `inputs` are files that it must not be, and what they are.
    ///
    /// # Errors
    /// It cannot be written, or is one of those.
    pub fn open(path: &Path, inputs: &[(Option<&Path>, &'static str)]) -> Result<Transcript> {
        let path = path.to_owned();
        for (input, what) in inputs {
            if input.is_some_and(|input| is_same(input, &path)) {
                return Err(TranscriptError::Overwrites { path, what }.into());
            }
        }
        let fresh = !path.exists();
        match File::options().create(true).truncate(false).write(true).open(&path) {
            Ok(file) => Ok(Transcript { path, file, fresh }),
            Err(source) => Err(TranscriptError::Open { path, source }.into()),
        }
    }

    /// Empties it.
    ///
    /// # Errors
    /// It cannot be written any more.
    pub fn begin(&mut self) -> Result<(), FileError> {
        self.fresh = false;
        // A pipe or a device cannot be emptied, and need not be.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.file.set_len(0).map_err(file("write", &self.path))?;
        }
        Ok(())
    }

    /// Appends to it.
    ///
    /// # Errors
    /// The disk is full, for example.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(file("write", &self.path))
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        if self.fresh {
            // It is of no use to anybody; the error that ends us is told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let same = |a: &Metadata, b: &Metadata| a.dev() == b.dev() && a.ino() == b.ino();
    matches!((a.metadata(), b.metadata()), (Ok(a), Ok(b)) if same(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_transcript_is_kept_until_the_run_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "old").unwrap();
        drop(Transcript::open(&path, &[]).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut transcript = Transcript::open(&path, &[]).unwrap();
        transcript.begin().unwrap();
        transcript.write(b"new").unwrap();
        drop(transcript);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_new_transcript_without_a_run_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        drop(Transcript::open(&path, &[]).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn nothing_that_the_run_is_made_of_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("kernel"), folder.path().join("link"));
        fs::write(&path, "kernel").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Transcript::open(&link, &[(None, "x"), (Some(&path), "the kernel")]).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"kernel");
    }
}
