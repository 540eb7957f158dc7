//! The emulator's own directory, and the removal of those whose owner was
//! killed.
//!
//! Each holds a file `owner`, which its owner keeps locked; the lock goes with
//! the process, however that ends. The file gets its name when it is locked, so
//! one that is there and not locked belongs to nobody.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

/// How its name begins.
const PREFIX: &str = "bulkhead-";

/// The locked file's name.
const OWNER: &str = "owner";

/// One without that file is being made, or was being made long ago.
const MAKING_MAX: Duration = Duration::from_secs(24 * 3600);

/// A directory for one emulator; goes when dropped.
pub(crate) struct Directory {
    folder: TempDir,
    _owner: File,
}

impl Directory {
    /// A new one. Those of others that were killed are removed on the way.
    pub fn new() -> io::Result<Directory> {
        remove_abandoned();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let making = folder.path().join("owner.new");
        let owner = File::create(&making)?;
        owner.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        })?;
        fs::rename(&making, folder.path().join(OWNER))?;
        Ok(Directory { folder, _owner: owner })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the directories of emulators whose owner was killed: their files are
/// of no use to anybody.
pub fn remove_abandoned() {
    remove_abandoned_in(&std::env::temp_dir());
}

fn remove_abandoned_in(folder: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Of the entry itself: a link leads out of our reach.
        let own = |m: &fs::Metadata| m.is_dir() && m.uid() == user;
        if entry.metadata().is_ok_and(|m| own(&m) && is_abandoned(&entry.path(), &m)) {
            // It is only disk space; the next start tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(path: &Path, metadata: &fs::Metadata) -> bool {
    match File::open(path.join(OWNER)) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(_) => metadata
            .modified()
            .and_then(|time| SystemTime::now().duration_since(time).map_err(io::Error::other))
            .is_ok_and(|age| age > MAKING_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_owners_directory_goes_and_every_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["bulkhead-dead", "bulkhead-alive", "bulkhead-new", "others"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["bulkhead-dead", "bulkhead-alive", "others"] {
            fs::write(at(name).join(OWNER), "").unwrap();
        }
        let owner = File::open(at("bulkhead-alive").join(OWNER)).unwrap();
        owner.lock().unwrap();
        std::os::unix::fs::symlink(at("others"), at("bulkhead-link")).unwrap();
        remove_abandoned_in(folder.path());
        assert!(!at("bulkhead-dead").exists());
        for stays in ["bulkhead-alive", "bulkhead-new", "others/owner", "bulkhead-link"] {
            assert!(at(stays).exists(), "{stays}");
        }
    }

    #[test]
    fn a_directory_lives_as_long_as_its_owner() {
        let directory = Directory::new().unwrap();
        let path = directory.path().to_owned();
        remove_abandoned();
        assert!(path.join(OWNER).exists());
        drop(directory);
        assert!(!path.exists());
    }
}
