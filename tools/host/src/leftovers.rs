//! What a command that was killed in the middle leaves in the build folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Endings and beginnings of the names that only unfinished files and folders
/// have: [`crate::replace`]'s, downloads and boot images in the making. A kernel in
/// the making is not among them: its builder tidies up, and knows by a lock of its
/// own whether another one still works there.
pub const TEMPORARY: [(&str, &str); 5] =
    [("", ".new"), ("", ".part"), ("", ".tmp"), (".image-", ""), ("", ".unpacking")];

/// How far down they are.
const DEPTH_MAX: u32 = 8;

/// Folders that cargo keeps in order by itself.
const CARGOS: &str = "CACHEDIR.TAG";

/// A folder whose folders hold packages' files, named by others.
const PACKAGES: &str = "unpacked";

/// Removes unfinished files and folders. Whoever calls it holds the build
/// folder's lock: nobody else has any.
///
/// # Errors
/// One cannot be removed; the others are.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    let mut outcome = Ok(());
    let mut pending: Vec<(PathBuf, u32)> = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_temporary(&entry.file_name().to_string_lossy()) {
                let removed =
                    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                outcome = outcome.and(removed);
            } else if is_folder
                && depth < DEPTH_MAX
                && !folder.ends_with(PACKAGES)
                && !path.join(CARGOS).exists()
            {
                pending.push((path, depth + 1));
            }
        }
    }
    outcome
}

fn is_temporary(name: &str) -> bool {
    TEMPORARY.iter().any(|(start, end)| name.starts_with(start) && name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_go_and_all_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("guest/packages/busybox.part")).unwrap();
        fs::create_dir_all(at("release/systems/x/.image-abc/tree")).unwrap();
        fs::create_dir_all(at("guest/programs-build/deep")).unwrap();
        fs::create_dir_all(at("guest/unpacked/kernel")).unwrap();
        for name in [
            "release/systems/x/system.iso",
            "release/systems/x/payload.tmp",
            "guest/packages/busybox.part/half.deb",
            "linux.elf.new",
            "linux.elf",
            "guest/programs-build/CACHEDIR.TAG",
            "guest/programs-build/deep/cargo.tmp",
            "guest/unpacked/kernel/a.new",
        ] {
            fs::write(at(name), "").unwrap();
        }
        remove_leftovers(folder.path()).unwrap();
        let there = |name: &str| at(name).exists();
        assert!(there("linux.elf") && there("release/systems/x/system.iso"));
        assert!(there("guest/programs-build/deep/cargo.tmp"), "cargo's own");
        assert!(there("guest/unpacked/kernel/a.new"), "a package's own");
        for gone in [
            "linux.elf.new",
            "guest/packages/busybox.part",
            "release/systems/x/payload.tmp",
            "release/systems/x/.image-abc",
        ] {
            assert!(!there(gone), "{gone}");
        }
    }
}
