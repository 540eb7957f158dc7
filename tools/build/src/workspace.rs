//! Where things are, and who may build there.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use bulkhead_progress::Progress;
use miette::Diagnostic;
use thiserror::Error;

/// Why there is no checkout to work in.
#[derive(Debug, Error, Diagnostic)]
pub enum WorkspaceError {
    /// The current folder is in no checkout.
    #[error("no checkout of Bulkhead at {0} or above")]
    #[diagnostic(help("change into a checkout, or start it by `cargo bulkhead`"))]
    NoCheckout(PathBuf),
    /// There is no current folder.
    #[error("the current folder cannot be found")]
    NoFolder(#[source] io::Error),
    /// The lock cannot be taken.
    #[error("cannot lock the build folder ({path})")]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The checkout and its build folder.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Top of the checkout.
    pub root: PathBuf,
    /// `target/bulkhead`: everything that is built for running.
    pub out: PathBuf,
}

impl Workspace {
    /// Finds the checkout: the one that cargo runs this command from, else the
    /// one around the current folder.
    pub fn find() -> Result<Self, WorkspaceError> {
        let from_cargo = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let here = env::current_dir().map_err(WorkspaceError::NoFolder)?;
        let candidates = from_cargo.iter().flat_map(|path| path.ancestors());
        let root = candidates
            .chain(here.ancestors())
            .find(|path| is_checkout(path))
            .ok_or_else(|| WorkspaceError::NoCheckout(here.clone()))?;
        Ok(Workspace { root: root.to_owned(), out: root.join("target/bulkhead") })
    }

    /// Waits until no other run builds in this checkout. The lock goes with
    /// the returned value, or with the process.
    ///
    /// # Errors
    /// The folder cannot be written, or its file system has no locks.
    pub fn lock(&self, progress: &dyn Progress) -> Result<BuildLock, WorkspaceError> {
        let path = self.out.join("lock");
        self.lock_file(&path, progress).map_err(|source| WorkspaceError::Lock { path, source })
    }

    fn lock_file(&self, path: &Path, progress: &dyn Progress) -> io::Result<BuildLock> {
        fs::create_dir_all(&self.out)?;
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut holder);
                progress.begin(&format!("waiting for process {} to build", holder.trim()), None);
                file.lock()?;
                progress.end("done");
                file.rewind()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(BuildLock { _file: file })
    }
}

fn is_checkout(path: &Path) -> bool {
    path.join("Cargo.toml").is_file() && path.join("tools/bulkhead/Cargo.toml").is_file()
}

/// Holding it means that nobody else builds in this checkout.
pub struct BuildLock {
    /// The lock goes when the file is closed.
    _file: File,
}

#[cfg(test)]
mod tests {
    use bulkhead_progress::Silent;

    use super::*;

    #[test]
    fn the_lock_keeps_others_out_and_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: folder.path().into(), out: folder.path().join("out") };
        let held = workspace.lock(&Silent).unwrap();
        let path = workspace.out.join("lock");
        let other = File::open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
