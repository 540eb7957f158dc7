//! Obtains seL4's source: the crate `sel4-sys` 0.0.28 carries it.
//!
//! Cargo downloads the crate and checks it against the checksum in
//! `source/Cargo.lock`. Surprise: cargo never looks at the unpacked files
//! again, so they are hashed here at every build.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulkhead_progress::Progress;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::KernelError;
use crate::error::FileContext;
use crate::program::tail;

/// The manifest that names the crate, from the root of the project.
const MANIFEST: &str = "tools/kernel/source/Cargo.toml";
const CRATE: &str = "sel4-sys";

/// SHA-256 over the files that a build uses; see [`hash`].
const EXPECTED: &str = "e3aa046feeda23e6662ca0ba472ebe505b41a02d4b10077844d61ab34b708ee3";

/// The parts of the crate that a build uses.
const USED: [&str; 9] = [
    "seL4/include",
    "seL4/libsel4/include/interfaces",
    "seL4/libsel4/arch_include/x86/interfaces",
    "seL4/libsel4/sel4_arch_include/x86_64/interfaces",
    "seL4/src",
    BITFIELD_GEN,
    "seL4/tools/lex.py",
    "seL4/tools/umm.py",
    YACC,
];

/// The kernel's generator of bit-field accessors.
pub(crate) const BITFIELD_GEN: &str = "seL4/tools/bitfield_gen.py";

/// The parser library for it, which stands outside seL4's tree.
pub(crate) const YACC: &str = "tools/yacc.py";

/// The unpacked source, known to be what this project was made for.
pub(crate) struct Source {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Source {
    /// Finds the source, downloading it if it is not there.
    pub fn obtain(workspace: &Path, progress: &dyn Progress) -> Result<Self, KernelError> {
        let manifest = workspace.join(MANIFEST);
        let offline = cargo(&manifest, "metadata", &["--offline", "--format-version", "1"])?;
        let answer = if offline.status.success() {
            offline
        } else {
            download(&manifest, progress)?;
            let answer = cargo(&manifest, "metadata", &["--offline", "--format-version", "1"])?;
            if !answer.status.success() {
                return Err(KernelError::Metadata { why: tail(&answer) });
            }
            answer
        };
        Self::open(&crate_root(&answer.stdout)?)
    }

    /// Checks an unpacked source.
    fn open(root: &Path) -> Result<Self, KernelError> {
        let files = files(root)?;
        let found = hash(root, &files)?;
        if found != EXPECTED {
            return Err(KernelError::Tampered { path: root.to_owned(), found, expected: EXPECTED });
        }
        Ok(Self { root: root.to_owned(), files })
    }

    /// Where cargo unpacked the crate.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A hash of the files that a build uses.
    pub fn hash(&self) -> &'static str {
        EXPECTED
    }

    /// The files that a build uses, relative to the root, in a fixed order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

fn download(manifest: &Path, progress: &dyn Progress) -> Result<(), KernelError> {
    progress.begin("downloading the seL4 source (sel4-sys 0.0.28)", None);
    let output = cargo(manifest, "fetch", &[])?;
    if output.status.success() {
        progress.end("downloaded");
        return Ok(());
    }
    progress.end("failed");
    let output = tail(&output);
    if output.contains("checksum") {
        Err(KernelError::Checksum { output })
    } else {
        Err(KernelError::Download { output })
    }
}

/// Calls the cargo that runs this program, or else the one in the path.
fn cargo(manifest: &Path, command: &str, args: &[&str]) -> Result<Output, KernelError> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut call = Command::new(program);
    call.args([command, "--locked", "--manifest-path"]).arg(manifest).args(args);
    bulkhead_host::output(&mut call).map_err(|source| match source.kind() {
        ErrorKind::NotFound => {
            KernelError::MissingProgram { program: "cargo", package: "cargo, or use rustup" }
        }
        _ => KernelError::Start { program: "cargo", source },
    })
}

/// The folder of the crate's manifest, out of the answer of `cargo metadata`.
fn crate_root(metadata: &[u8]) -> Result<PathBuf, KernelError> {
    let answer: Value = serde_json::from_slice(metadata)
        .map_err(|e| KernelError::Metadata { why: e.to_string() })?;
    let packages = answer.get("packages").and_then(Value::as_array);
    packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").and_then(Value::as_str) == Some(CRATE))
        .and_then(|package| package.get("manifest_path").and_then(Value::as_str))
        .and_then(|manifest| Some(Path::new(manifest).parent()?.to_owned()))
        .ok_or_else(|| KernelError::Metadata { why: format!("the package {CRATE} is not in it") })
}

/// All files under the used parts, sorted.
fn files(root: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let mut files = Vec::new();
    let mut pending: Vec<PathBuf> = USED.iter().map(PathBuf::from).collect();
    while let Some(path) = pending.pop() {
        let full = root.join(&path);
        if full.is_dir() {
            for entry in std::fs::read_dir(&full).context("cannot read", &full)? {
                let entry = entry.context("cannot read", &full)?;
                pending.push(path.join(entry.file_name()));
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One hash over names, lengths and contents.
fn hash(root: &Path, files: &[PathBuf]) -> Result<String, KernelError> {
    let mut hash = Sha256::new();
    for file in files {
        let full = root.join(file);
        let bytes = std::fs::read(&full).context("cannot read", &full)?;
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_is_found_in_cargo_s_answer() {
        let answer = br#"{"packages":[{"name":"rlibc","manifest_path":"/a/Cargo.toml"},
            {"name":"sel4-sys","manifest_path":"/r/sel4-sys-0.0.28/Cargo.toml"}]}"#;
        assert_eq!(crate_root(answer).unwrap(), Path::new("/r/sel4-sys-0.0.28"));
        for bad in [&b"{}"[..], b"no json", br#"{"packages":[{"name":"sel4-sys"}]}"#] {
            assert!(matches!(crate_root(bad), Err(KernelError::Metadata { .. })));
        }
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        for part in USED {
            let path = dir.path().join(part);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let before = hash(dir.path(), &files(dir.path()).unwrap()).unwrap();
        std::fs::write(dir.path().join(USED[0]), "y").unwrap();
        let after = hash(dir.path(), &files(dir.path()).unwrap()).unwrap();
        assert_ne!(before, after);
        assert!(matches!(Source::open(dir.path()), Err(KernelError::Tampered { .. })));
    }
}
