//! A kernel with something left out, so that a test can show what fails then.
//!
//! What is left out is a whole patch, named by its number, or one aspect of a
//! patch, which a file in `patches/undo` takes out and is named after. A whole
//! patch comes out by a three-way merge: the source after it is the ancestor of
//! both the source before it and the source after all patches. Where later
//! patches changed the same lines a merge cannot decide; a file in
//! `patches/undo` with the patch's number as its name then says how.
//!
//! Not here: which test fails. That is a table in `patches/README.md`, which
//! `tools/system-tests/tests/kernel_patches.rs` holds to the truth.
//!
//! What surprises: hunks of `patches/undo` may lie anywhere, if there is only
//! one place for them. Every new patch moves the lines of all undos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::KernelError;
use crate::error::FileContext;
use crate::patches::{FOLDER, Files, Patch, Place, Series};
use crate::program::Program;

/// Folder of the undos, below the patches.
const UNDO: &str = "undo";

/// Digits of a patch's number.
const NUMBER: usize = 4;

/// What is left out.
pub(crate) struct Omission {
    name: String,
    undo: Option<Patch>,
}

impl Omission {
    /// By its name: `NNNN` or `NNNN-ASPECT`.
    pub fn find(workspace: &Path, name: &str) -> Result<Self, KernelError> {
        let path = folder(workspace).join(name).with_extension("patch");
        let undo = if path.is_file() { Some(Patch::read(path, Place::Unique)?) } else { None };
        Ok(Self { name: name.to_owned(), undo })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What decides besides the patches.
    pub fn text(&self) -> &str {
        self.undo.as_ref().map_or("", Patch::text)
    }

    /// Takes it out of `files`, the texts after all patches. `tree` is the
    /// source without any patch, `scratch` a folder for a merge's files.
    pub fn apply(
        &self,
        series: &Series,
        tree: &Path,
        files: &mut Files,
        scratch: &Path,
    ) -> Result<(), KernelError> {
        let number = self.name.get(..NUMBER).unwrap_or(&self.name);
        let index = series.patches().iter().position(|patch| patch.name().starts_with(number));
        let Some(index) = index else {
            return Err(self.error(format!("there is no patch {number}")));
        };
        let patch = &series.patches()[index];
        let full = files.clone();
        match &self.undo {
            Some(undo) => undo.apply_all(tree, files)?,
            None if self.name == number => self.merge(series, index, tree, files, scratch)?,
            None => return Err(self.error(format!("there is no {UNDO}/{}.patch", self.name))),
        }
        match &self.undo {
            Some(undo) if undo.undoes(patch) => Ok(()),
            Some(_) => Err(self.error(format!("its undo removes nothing that {number} adds"))),
            None => self.check(patch, &full, files),
        }
    }

    /// Merges the way back over a patch into the texts after all patches.
    fn merge(
        &self,
        series: &Series,
        index: usize,
        tree: &Path,
        files: &mut Files,
        scratch: &Path,
    ) -> Result<(), KernelError> {
        let mut before = Files::new();
        for patch in &series.patches()[..index] {
            patch.apply_all(tree, &mut before)?;
        }
        let mut after = before.clone();
        let patch = &series.patches()[index];
        patch.apply_all(tree, &mut after)?;
        for file in patch.files() {
            let texts = [(files.get(file), "all"), (after.get(file), "after")];
            let mut paths = Vec::new();
            for (text, name) in texts {
                let text = text.ok_or_else(|| self.error(format!("no {}", file.display())))?;
                paths.push(put(scratch, name, text)?);
            }
            let original = match before.get(file) {
                Some(text) => put(scratch, "before", text)?,
                None => tree.join(file),
            };
            paths.push(original);
            let merged = Program::git()
                .args(["merge-file", "--stdout", "--quiet"])
                .args(&paths)
                .run("merging")
                .map_err(|_| self.error(format!("it is entangled in {}", file.display())))?;
            let text = String::from_utf8(merged).map_err(|e| self.error(e.to_string()))?;
            files.insert(file.to_owned(), text);
        }
        Ok(())
    }

    /// Whether what the patch added is gone: lines that it added and that are
    /// still there after all patches must be fewer now.
    fn check(&self, patch: &Patch, full: &Files, now: &Files) -> Result<(), KernelError> {
        for file in patch.files() {
            let count = |files: &Files| {
                let text = files.get(file).map(String::as_str).unwrap_or_default();
                let mut lines = BTreeMap::<String, usize>::new();
                for line in text.lines() {
                    *lines.entry(line.to_owned()).or_default() += 1;
                }
                lines
            };
            let (full, now) = (count(full), count(now));
            let number = |lines: &BTreeMap<String, usize>, line: &str| {
                lines.get(line).copied().unwrap_or_default()
            };
            for (line, added) in patch.added(file) {
                let (before, left) = (number(&full, line), number(&now, line));
                if left + added.min(before) > before {
                    let why = format!("`{}` stays in {}", line.trim(), file.display());
                    return Err(self.error(why));
                }
            }
        }
        Ok(())
    }

    fn error(&self, why: String) -> KernelError {
        KernelError::Omission { name: self.name.clone(), why }
    }
}

fn put(folder: &Path, name: &str, text: &str) -> Result<PathBuf, KernelError> {
    let path = folder.join(format!("merge-{name}"));
    std::fs::write(&path, text).context("cannot write", &path)?;
    Ok(path)
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join(FOLDER).join(UNDO)
}

/// The names of the files in `patches/undo`, in order.
pub(crate) fn undos(workspace: &Path) -> Result<Vec<String>, KernelError> {
    let folder = folder(workspace);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).context("cannot read", &folder)? {
        let path = entry.context("cannot read", &folder)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
