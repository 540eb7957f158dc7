//! The build folder's part for guests. A file appears there whole or not at
//! all. A stamp beside it says what it was made of, so that it is made again
//! only when that changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::error::{GuestError, Result};

/// Hex digits of the SHA-256 of `parts`, each preceded by its length.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Hex digits of the SHA-256 of a file.
pub fn file_digest(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(GuestError::io("read", path))?;
    Ok(Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect())
}

fn stamp(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".stamp");
    name.into()
}

/// Whether `path` is there and was made of `made_of`.
pub fn is_current(path: &Path, made_of: &str) -> bool {
    path.exists() && fs::read_to_string(stamp(path)).is_ok_and(|s| s == made_of)
}

/// Writes a file whole and says what it was made of.
pub fn write(path: &Path, contents: &[u8], made_of: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(GuestError::io("create", folder))?;
    }
    // The stamp goes first: between the two steps it must not vouch for the
    // old file.
    let stamp = stamp(path);
    remove(&stamp)?;
    bulkhead_host::replace(path, contents)?;
    Ok(bulkhead_host::replace(&stamp, made_of.as_bytes())?)
}

/// Removes a file or a folder with everything in it, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(GuestError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_current_only_for_what_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/image");
        assert!(!is_current(&path, "a"));
        write(&path, b"one", "a").unwrap();
        assert!(is_current(&path, "a") && !is_current(&path, "b"));
        write(&path, b"two", "b").unwrap();
        assert!(is_current(&path, "b") && !is_current(&path, "a"));
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn moving_a_byte_between_parts_changes_the_digest() {
        assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    }
}
