//! Where things are, and who may build there.

use std::{
    env,
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use bulkhead_host::{cure, remove_leftovers};
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
    #[error("cannot lock the build folder ({})", path.display())]
    #[diagnostic(help("{}", cure(source).unwrap_or("its file system must have locks (flock)")))]
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

    /// Waits until no other command builds in this checkout, and removes what a
    /// killed one left unfinished. The lock goes with the returned value, or
    /// with the process.
    ///
    /// # Errors
    /// The folder cannot be written, or its file system has no locks.
    pub fn lock(&self, progress: &dyn Progress) -> Result<BuildLock, WorkspaceError> {
        let file = self.exclusive("lock", "build", progress)?;
        BUILDING.store(true, Ordering::SeqCst);
        // What cannot be removed is in the way of nothing but disk space.
        let _ = remove_leftovers(&self.out);
        Ok(BuildLock { _file: file })
    }

    /// Removes what this process has left unfinished, if it is building. For
    /// the moment before it exits without having unwound.
    pub fn remove_own_leftovers(&self) {
        if BUILDING.load(Ordering::SeqCst) {
            // Nobody is there any more to hear of it.
            let _ = remove_leftovers(&self.out);
        }
    }

    /// Waits until no other command tests this checkout: their logs would mix.
    ///
    /// # Errors
    /// As for [`Workspace::lock`].
    pub fn lock_tests(&self, progress: &dyn Progress) -> Result<TestLock, WorkspaceError> {
        Ok(TestLock { _file: self.exclusive(TEST_LOCK, "test", progress)? })
    }

    /// A folder for the logs of a run, which no other run uses: `logs/KIND`,
    /// or `logs/KIND-2` and so on while others run.
    ///
    /// # Errors
    /// As for [`Workspace::lock`].
    pub fn run_folder(&self, kind: &str) -> Result<RunFolder, WorkspaceError> {
        let mut number = 1_u32;
        loop {
            let name = if number == 1 { kind.to_owned() } else { format!("{kind}-{number}") };
            let path = self.out.join("logs").join(name);
            let lock = path.join(RUN_LOCK);
            match Held::try_take(&lock) {
                Ok(Some(file)) => return Ok(RunFolder { path, _file: file }),
                Ok(None) => number = number.saturating_add(1),
                Err(source) => return Err(WorkspaceError::Lock { path: lock, source }),
            }
        }
    }

    /// The processes that run or test systems of this checkout.
    pub fn users(&self) -> Vec<String> {
        let mut locks = vec![self.out.join(TEST_LOCK)];
        let logs = fs::read_dir(self.out.join("logs")).into_iter().flatten().flatten();
        locks.extend(logs.map(|entry| entry.path().join(RUN_LOCK)));
        locks.iter().filter_map(|path| Held::holder(path)).collect()
    }

    fn exclusive(
        &self,
        name: &str,
        purpose: &str,
        progress: &dyn Progress,
    ) -> Result<File, WorkspaceError> {
        let path = self.out.join(name);
        let waiting = |holder: &str| {
            progress.begin(&format!("waiting for process {holder} to {purpose}"), None);
        };
        let (file, waited) = Held::take(&path, waiting)
            .map_err(|source| WorkspaceError::Lock { path: path.clone(), source })?;
        if waited {
            progress.end("done");
        }
        Ok(file)
    }
}

/// Whether this process holds the build lock.
static BUILDING: AtomicBool = AtomicBool::new(false);

/// Locks besides the build's, in the build folder and in folders of logs.
const TEST_LOCK: &str = "test.lock";
const RUN_LOCK: &str = "lock";

/// A locked file that names the process that holds it.
struct Held;

impl Held {
    /// Takes a lock; `waiting` hears who has it if somebody has. Returns also
    /// whether there was one.
    fn take(path: &Path, waiting: impl Fn(&str)) -> io::Result<(File, bool)> {
        let mut waited = false;
        loop {
            let file = Self::open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !waited {
                        waiting(&Self::named(&file));
                        waited = true;
                    }
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // `clean` may have removed the file meanwhile: the lock then keeps
            // out nobody who comes later.
            if Self::is_at(&file, path) {
                return Self::sign(file).map(|file| (file, waited));
            }
        }
    }

    /// Takes a lock unless somebody has it.
    fn try_take(path: &Path) -> io::Result<Option<File>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Self::sign(file).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Who holds a lock, if somebody does.
    fn holder(path: &Path) -> Option<String> {
        let file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(Self::named(&file)),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        File::options().create(true).truncate(false).read(true).write(true).open(path)
    }

    fn is_at(file: &File, path: &Path) -> bool {
        let same = |a: &Metadata, b: &Metadata| a.dev() == b.dev() && a.ino() == b.ino();
        matches!((file.metadata(), path.metadata()), (Ok(a), Ok(b)) if same(&a, &b))
    }

    /// The holder's name; only for messages.
    fn named(mut file: &File) -> String {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        holder.trim().to_owned()
    }

    fn sign(mut file: File) -> io::Result<File> {
        // A full disk must not keep anybody from working with what is there.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(file)
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

impl Drop for BuildLock {
    fn drop(&mut self) {
        BUILDING.store(false, Ordering::SeqCst);
    }
}

/// Holding it means that nobody else tests this checkout.
pub struct TestLock {
    _file: File,
}

/// Holding it means that no other run writes its logs there.
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
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

    fn workspace(folder: &tempfile::TempDir) -> Workspace {
        Workspace { root: folder.path().into(), out: folder.path().join("out") }
    }

    #[test]
    fn two_runs_have_folders_of_their_own_and_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(&folder);
        assert!(workspace.users().is_empty());
        let first = workspace.run_folder("run").unwrap();
        let second = workspace.run_folder("run").unwrap();
        assert!(first.path.ends_with("logs/run") && second.path.ends_with("logs/run-2"));
        let own = std::process::id().to_string();
        assert_eq!(workspace.users(), [own.clone(), own]);
        drop(first);
        assert!(workspace.run_folder("run").unwrap().path.ends_with("logs/run"));
    }

    #[test]
    fn a_lock_whose_file_was_removed_keeps_nobody_out_and_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(&folder);
        let held = workspace.lock(&Silent).unwrap();
        let path = workspace.out.join("lock");
        std::thread::scope(|scope| {
            // It waits for the lock of the file that goes.
            let waiting = scope.spawn(|| workspace.lock(&Silent).map(drop));
            std::thread::sleep(std::time::Duration::from_millis(200));
            fs::remove_dir_all(&workspace.out).unwrap();
            fs::create_dir(&workspace.out).unwrap();
            drop(held);
            waiting.join().unwrap().unwrap();
        });
        assert!(path.exists(), "the waiter has made a new file");
    }

    #[test]
    fn whoever_takes_the_lock_removes_what_a_killed_build_left() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(&folder);
        fs::create_dir_all(&workspace.out).unwrap();
        fs::write(workspace.out.join("linux.elf.new"), "half").unwrap();
        let _held = workspace.lock(&Silent).unwrap();
        assert!(!workspace.out.join("linux.elf.new").exists());
    }
}
