//! Folders of built systems: one that is in use stays, old derived ones go.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Derived systems (other memory, other kernel, ...) that are kept.
const DERIVED_KEPT: usize = 8;

/// Holding it means that no later build removes the system's folder, in this
/// process or another.
#[derive(Debug)]
pub struct Lease {
    /// The folder; the lock goes with it.
    _folder: File,
}

impl Lease {
    pub(crate) fn of(folder: &Path) -> io::Result<Lease> {
        let open = File::open(folder)?;
        open.lock_shared()?;
        Ok(Lease { _folder: open })
    }

    /// Whether somebody has one.
    fn is_held(folder: &Path) -> bool {
        // One that cannot be asked is left alone.
        !File::open(folder).is_ok_and(|folder| folder.try_lock().is_ok())
    }
}

/// Removes the derived systems that were not used for longest, but none that
/// somebody runs.
pub(crate) fn forget_oldest(derived: &Path, keep: &Path) {
    let Ok(entries) = fs::read_dir(derived) else { return };
    let mut folders: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != keep && !Lease::is_held(path))
        .map(|path| (path.metadata().and_then(|m| m.modified()).ok(), path))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(DERIVED_KEPT - 1);
    for (_, path) in &folders[..surplus] {
        // It is only disk space; the next run tries again.
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_system_that_somebody_runs_stays_however_old_it_is() {
        let derived = tempfile::tempdir().unwrap();
        let folder = |n: usize| derived.path().join(format!("system-{n}"));
        for n in 0..=DERIVED_KEPT {
            fs::create_dir(folder(n)).unwrap();
            let times = fs::FileTimes::new()
                .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(n as u64));
            File::open(folder(n)).unwrap().set_times(times).unwrap();
        }
        let runs = Lease::of(&folder(0)).unwrap();
        let newest = folder(DERIVED_KEPT);
        forget_oldest(derived.path(), &newest);
        assert!(folder(0).exists() && newest.exists(), "one is in use, one is wanted");
        forget_oldest(derived.path(), &derived.path().join("another"));
        assert!(folder(0).exists() && !folder(1).exists(), "the oldest that nobody runs");
        drop(runs);
        fs::create_dir(derived.path().join("one-more")).unwrap();
        forget_oldest(derived.path(), &newest);
        assert!(!folder(0).exists(), "nobody runs it any more");
    }
}
