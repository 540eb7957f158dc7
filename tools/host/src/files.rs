//! Files that are whole or not there, and what helps when they cannot be.

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;

/// A file cannot be read or written.
#[derive(Debug, Error)]
#[error("cannot {what} {}", path.display())]
pub struct FileError {
    /// What was tried.
    what: &'static str,
    /// On which file.
    path: PathBuf,
    /// Why it failed.
    #[source]
    source: io::Error,
}

impl Diagnostic for FileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        cure(&self.source).map(|text| Box::new(text) as Box<dyn fmt::Display>)
    }
}

/// Says what was being done to which file.
pub fn file<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError { what, path: path.to_owned(), source }
}

/// What helps against an error of the file system; `None` where the error says
/// all that there is to say.
pub fn cure(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space and run the command again",
        io::ErrorKind::QuotaExceeded => {
            "your share of the disk is used up: free some space and run the command again"
        }
        io::ErrorKind::FileTooLarge => {
            "no file may be so large here: see `ulimit -f`, or the file system's own limit"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: use a checkout on one that can be written"
        }
        io::ErrorKind::PermissionDenied => {
            "your user may not do that: change the owner or the permissions, or use a checkout of \
             your own"
        }
        _ => return None,
    })
}

/// What a file is called until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

/// Whether [`replace`] will be able to, as far as can be known before: for what is
/// written at the end of long work.
///
/// # Errors
/// It will not; nothing is left beside it.
pub fn check_replaceable(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Err(file("replace", path)(io::ErrorKind::IsADirectory.into()));
    }
    let beside = beside(path);
    let tried = File::create(&beside).and_then(|mut file| file.write_all(&[0]));
    // It may not even be there.
    let _ = fs::remove_file(&beside);
    tried.map_err(file("write", path))
}

/// Writes a file by way of a temporary name. Its contents are on the disk
/// before its name is, so that not even a loss of power leaves half of it.
///
/// # Errors
/// The file is as it was before, and nothing is left beside it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = beside(path);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let replaced = match written {
        Ok(()) => fs::rename(&temporary, path).map_err(file("replace", path)),
        Err(error) => Err(file("write", path)(error)),
    };
    if replaced.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_replaced_file_leaves_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        replace(&path, b"1").unwrap();
        replace(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = replace(&path, b"1").unwrap_err();
        assert!(error.to_string().starts_with("cannot replace "), "{error}");
        assert_eq!(names(folder.path()), ["x"]);
        assert!(path.join("inside").is_dir());
    }

    #[test]
    fn where_nothing_can_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        check_replaceable(&folder.path().join("x")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left over");
        assert!(check_replaceable(&folder.path().join("no/x")).is_err());
        assert!(check_replaceable(folder.path()).is_err());
    }

    #[test]
    fn errors_that_a_user_can_cure_say_how() {
        for (errno, word) in [(28, "full"), (30, "read-only"), (13, "permissions"), (27, "ulimit")]
        {
            let text = cure(&io::Error::from_raw_os_error(errno)).unwrap();
            assert!(text.contains(word), "{text}");
        }
        assert_eq!(cure(&io::Error::from_raw_os_error(5)), None);
    }
}
