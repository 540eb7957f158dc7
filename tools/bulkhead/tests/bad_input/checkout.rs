//! Copies of this checkout to try things in.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// What is not copied: what is built, and history.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// The parts of what was built that a copy gets.
const BUILT: [&str; 10] = [
    "kernel",
    "linux.elf",
    "linux.elf.stamp",
    "initramfs.cpio",
    "initramfs.cpio.stamp",
    "guest/packages",
    "guest/unpacked",
    "guest/manifest.txt",
    "ld",
    "release",
];

/// Stands for cargo: hands out what cargo has built in this checkout. What is
/// not about building goes to the real one.
const CARGO: &str = r#"#!/bin/sh
set -eu
[ "$1" = build ] || exec "@CARGO@" "$@"
target= profile=release
while [ $# -gt 0 ]; do
    case $1 in
        --target-dir) target=$2 ;;
        --profile) profile=$2 ;;
    esac
    shift
done
case $target in
    */pd/*) from=@REAL@/target/pd/${target##*/} ;;
    *) from=@REAL@/target/bulkhead/guest/programs-build ;;
esac
to=$target/x86_64-unknown-linux-gnu/$profile
mkdir -p "$to"
cd "$from/x86_64-unknown-linux-gnu/$profile"
for file in $(find . -maxdepth 1 -type f); do
    cmp -s "$file" "$to/$file" && continue
    # As cargo does: a name for what is whole only.
    cp -p "$file" "$to/$file.making" || { rm -f "$to/$file.making"; exit 101; }
    mv "$to/$file.making" "$to/$file"
done
"#;

/// This checkout, with the default system built.
pub fn real() -> &'static Path {
    static REAL: OnceLock<PathBuf> = OnceLock::new();
    REAL.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace");
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .arg("build")
            .env_remove("MICROKIT_SDK")
            .current_dir(root)
            .output()
            .expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        root.to_owned()
    })
}

/// A copy, removed when dropped.
pub struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// With everything built, but no boot image.
    pub fn new() -> Self {
        let checkout = Self::fresh();
        let (from, to) = (real().join("target/bulkhead"), checkout.out());
        for part in BUILT {
            link(&from.join(part), &to.join(part));
        }
        // Made anew in a second, and by the copy itself.
        fs::remove_dir_all(to.join("release/systems")).expect("systems were built");
        checkout
    }

    /// As cloned.
    pub fn fresh() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("checkout-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let checkout = Checkout { folder };
        fs::create_dir(checkout.root()).expect("a folder");
        for entry in fs::read_dir(real()).expect("the checkout can be read").flatten() {
            let name = entry.file_name();
            if LEFT_OUT.iter().all(|left_out| name != *left_out) {
                copy(&entry.path(), &checkout.root().join(name));
            }
        }
        fs::create_dir(checkout.tmp()).expect("a folder for temporary files");
        let cargo = std::env::var("CARGO").expect("cargo runs tests");
        let script =
            CARGO.replace("@CARGO@", &cargo).replace("@REAL@", &real().display().to_string());
        checkout.program("cargo", &script);
        checkout
    }

    /// Its top.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    /// Its build folder.
    pub fn out(&self) -> PathBuf {
        self.root().join("target/bulkhead")
    }

    /// What its commands have as TMPDIR.
    pub fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The folder of programs that its commands find first.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// A folder for a test's own files.
    pub fn scratch(&self) -> PathBuf {
        let folder = self.folder.path().join("scratch");
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Puts a script in the way of a program.
    pub fn program(&self, name: &str, script: &str) -> PathBuf {
        fs::create_dir_all(self.programs()).expect("a folder");
        let path = self.programs().join(name);
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its permissions");
        path
    }

    /// Takes a script out of the way again.
    pub fn remove_program(&self, name: &str) {
        fs::remove_file(self.programs().join(name)).expect("it was there");
    }

    /// Every file with what changes when it is written: where it lies on the
    /// disk, its length, its time. Logs and locks are to be written.
    pub fn state(&self) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
        self.state_as_seen(&|place| place.to_owned())
    }

    /// The same, seen from elsewhere.
    fn state_as_seen(
        &self,
        see: &dyn Fn(&Path) -> PathBuf,
    ) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
        let mut state = BTreeMap::new();
        let mut pending = vec![self.root()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(see(&folder)).expect("the copy can be read").flatten() {
                let metadata = entry.metadata().expect("its own file");
                let path = folder.join(entry.file_name());
                if path == self.out().join("logs") || path.ends_with("lock") {
                    continue;
                }
                if metadata.is_dir() {
                    pending.push(path);
                } else {
                    let written = (metadata.mtime(), metadata.mtime_nsec());
                    state.insert(path, (metadata.ino(), metadata.len(), written.0, written.1));
                }
            }
        }
        state
    }

    /// What only unfinished work leaves, in the build folder and in TMPDIR.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        self.leftovers_as_seen(&|place| place.to_owned())
    }

    /// The same where another file system is mounted over `target`.
    pub fn leftovers_as_seen(&self, see: &dyn Fn(&Path) -> PathBuf) -> Vec<PathBuf> {
        let is_temporary = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let like = |(start, end): &(&str, &str)| name.starts_with(start) && name.ends_with(end);
            bulkhead_host::TEMPORARY.iter().any(like)
        };
        let unpacked = self.out().join("guest/unpacked");
        let mut found: Vec<PathBuf> = self
            .state_as_seen(see)
            .into_keys()
            .filter(|path| !path.starts_with(&unpacked))
            .collect();
        found.retain(|path| {
            path.starts_with(self.out())
                && path.ancestors().take_while(|a| *a != self.out()).any(is_temporary)
        });
        found.extend(fs::read_dir(self.tmp()).expect("TMPDIR").flatten().map(|e| e.path()));
        found
    }
}

/// Copies a file or folder.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("the checkout can be read").flatten() {
            // Of the packages below, too: cargo's own folders.
            if entry.file_name() != "target" {
                copy(&entry.path(), &to.join(entry.file_name()));
            }
        }
    } else {
        fs::copy(from, to).expect("a copy");
    }
}

/// Copies without taking space: files that are replaced as a whole can be
/// shared.
fn link(from: &Path, to: &Path) {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).expect("a folder");
    }
    let copied = Command::new("cp").arg("-al").arg(from).arg(to).output().expect("cp starts");
    if !copied.status.success() {
        // Another file system, for example.
        let status = Command::new("cp").arg("-a").arg("-f").arg(from).arg(to).status();
        assert!(status.expect("cp starts").success(), "{}", from.display());
    }
}
