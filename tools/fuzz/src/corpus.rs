//! The kept inputs: `corpus/TARGET/`, one file each, named by its content.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use crate::Target;

/// Where the corpora of this checkout are.
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// A file name for an input.
pub fn name(input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The inputs in a folder with their paths, in the order of their names; none
/// if there is no folder.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn read(folder: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut inputs = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            inputs.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(inputs)
}

/// What a target starts from: its seeds, then its corpus. Never empty.
///
/// # Errors
/// As [`read`].
pub fn start(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = vec![Vec::new()];
    inputs.extend((target.seeds)());
    inputs.extend(read(&folder(target))?.into_values());
    Ok(inputs)
}

/// Where everything that is made while fuzzing goes.
pub fn build_folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.unwrap_or(Path::new("")).join("target/bulkhead/fuzz")
}
