//! The patch series: strict unified diffs.
//!
//! A hunk must fit exactly where it says, to the line. There is no searching
//! and no fuzz: a patch that lands somewhere else in a kernel is worse than
//! one that does not land. Only what tests take out again may move ([`Place`]).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::KernelError;
use crate::error::FileContext;

/// Folder of the series, from the root of the project.
pub(crate) const FOLDER: &str = "tools/kernel/patches";

/// The patches in the order of their names.
pub(crate) struct Series {
    patches: Vec<Patch>,
}

/// The texts of files, by their paths under the source tree.
pub(crate) type Files = BTreeMap<PathBuf, String>;

impl Series {
    /// Reads and parses every `*.patch` of the project.
    pub fn read(workspace: &Path) -> Result<Self, KernelError> {
        let folder = workspace.join(FOLDER);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).context("cannot read", &folder)? {
            let path = entry.context("cannot read", &folder)?.path();
            if path.extension().is_some_and(|extension| extension == "patch") {
                paths.push(path);
            }
        }
        paths.sort();
        let patches = paths
            .into_iter()
            .map(|path| Patch::read(path, Place::Exact))
            .collect::<Result<_, _>>()?;
        Ok(Self { patches })
    }

    /// Applies all patches, in order; returns the files that they change.
    pub fn apply(&self, tree: &Path) -> Result<Files, KernelError> {
        let mut files = Files::new();
        for patch in &self.patches {
            patch.apply_all(tree, &mut files)?;
        }
        Ok(files)
    }

    /// The patches' texts, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.patches.iter().map(|patch| patch.text.as_str())
    }

    /// The patches, in order.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }
}

/// Where a hunk may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Exactly where it says.
    Exact,
    /// In the one place of the file that has its lines, whatever line that is:
    /// for what is taken out again after later patches moved it.
    Unique,
}

/// One patch file.
#[derive(Debug)]
pub(crate) struct Patch {
    path: PathBuf,
    text: String,
    place: Place,
    changes: Vec<Change>,
}

/// What a patch does to one file.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    file: PathBuf,
    hunks: Vec<Hunk>,
}

#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    /// Line in the patch file at which the hunk's body starts.
    at: usize,
    /// First line of the source that the hunk covers, from 1.
    old_start: usize,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Keep(String),
    Remove(String),
    Add(String),
}

impl Patch {
    /// Reads and parses one file.
    pub fn read(path: PathBuf, place: Place) -> Result<Self, KernelError> {
        let text = std::fs::read_to_string(&path).context("cannot read", &path)?;
        Self::parse(path, &text, place)
    }

    /// Its file's name without the ending: number and topic.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The whole file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The files that it changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().map(|change| change.file.as_path())
    }

    /// For each line of a file how many more of it there are with the patch,
    /// where that is more than none.
    pub fn added(&self, file: &Path) -> BTreeMap<&str, usize> {
        let net = self.net(file).into_iter();
        let more = net.filter_map(|(line, n)| Some((line, usize::try_from(n).ok()?)));
        more.filter(|(_, n)| *n > 0).collect()
    }

    /// Whether it removes a line that the other patch adds.
    pub fn undoes(&self, other: &Patch) -> bool {
        self.files().any(|file| {
            let added = other.added(file);
            let net = self.net(file);
            net.iter().any(|(line, n)| *n < 0 && !line.is_empty() && added.contains_key(line))
        })
    }

    /// For each line of a file how many more, or fewer, of it there are.
    fn net(&self, file: &Path) -> BTreeMap<&str, isize> {
        let mut net = BTreeMap::<&str, isize>::new();
        let changes = self.changes.iter().filter(|change| change.file == file);
        for line in changes.flat_map(|change| &change.hunks).flat_map(|hunk| &hunk.lines) {
            match line {
                Line::Keep(_) => {}
                Line::Remove(text) => *net.entry(text).or_default() -= 1,
                Line::Add(text) => *net.entry(text).or_default() += 1,
            }
        }
        net
    }

    /// Applies it to `files`, which are read from `tree` where they are missing.
    pub fn apply_all(&self, tree: &Path, files: &mut Files) -> Result<(), KernelError> {
        for change in &self.changes {
            let text = match files.remove(&change.file) {
                Some(text) => text,
                None => {
                    let path = tree.join(&change.file);
                    std::fs::read_to_string(&path).context("cannot read", &path)?
                }
            };
            files.insert(change.file.clone(), self.apply(change, &text)?);
        }
        Ok(())
    }

    fn parse(path: PathBuf, text: &str, place: Place) -> Result<Self, KernelError> {
        let error =
            |line: usize, why: String| KernelError::Patch { patch: path.clone(), line, why };
        let mut changes: Vec<Change> = Vec::new();
        let mut lines = (1..).zip(text.lines()).peekable();
        while let Some((number, line)) = lines.next() {
            if let Some(old) = line.strip_prefix("--- ") {
                let new = lines
                    .next()
                    .and_then(|(_, line)| line.strip_prefix("+++ "))
                    .ok_or_else(|| error(number, "`---` without `+++` after it".into()))?;
                let file = target(old, new).map_err(|why| error(number, why))?;
                if changes.iter().any(|change| change.file == file) {
                    return Err(error(number, format!("{} appears twice", file.display())));
                }
                changes.push(Change { file, hunks: Vec::new() });
            } else if line.starts_with("@@") {
                let ranges = Ranges::parse(line)
                    .ok_or_else(|| error(number, format!("`{line}` is no hunk header")))?;
                let mut body = Vec::new();
                let (mut old, mut new) = (ranges.old_count, ranges.new_count);
                while old > 0 || new > 0 {
                    let (number, line) = lines
                        .next()
                        .ok_or_else(|| error(number, "the hunk is shorter than it says".into()))?;
                    let parsed = Line::parse(line)
                        .ok_or_else(|| error(number, format!("`{line}` is no line of a hunk")))?;
                    let fits = match &parsed {
                        Line::Keep(_) => take(&mut old) && take(&mut new),
                        Line::Remove(_) => take(&mut old),
                        Line::Add(_) => take(&mut new),
                    };
                    if !fits {
                        return Err(error(number, "the hunk is longer than it says".into()));
                    }
                    body.push(parsed);
                }
                let hunk = Hunk { at: number + 1, old_start: ranges.old_start, lines: body };
                match changes.last_mut() {
                    Some(change) => change.hunks.push(hunk),
                    None => return Err(error(number, "a hunk before any file name".into())),
                }
            } else if !changes.is_empty() && starts_like_a_hunk_line(line) {
                return Err(error(
                    number,
                    "the hunk before this line is longer than it says".into(),
                ));
            }
        }
        if let Some(empty) = changes.iter().find(|change| change.hunks.is_empty()) {
            return Err(error(1, format!("no hunk for {}", empty.file.display())));
        }
        if changes.is_empty() {
            return Err(error(1, "nothing to apply in it".into()));
        }
        Ok(Self { path, text: text.to_owned(), place, changes })
    }

    /// Makes the new text of one file.
    fn apply(&self, change: &Change, text: &str) -> Result<String, KernelError> {
        let source: Vec<&str> = text.lines().collect();
        let mut out: Vec<&str> = Vec::with_capacity(source.len());
        // Lines of the source that are in `out`, or were removed.
        let mut done = 0;
        for hunk in &change.hunks {
            let start = match self.place {
                Place::Exact => hunk.old_start.saturating_sub(1),
                Place::Unique => self.find(change, hunk, &source)?,
            };
            let between = source.get(done..start).ok_or_else(|| {
                self.misfit(
                    change,
                    hunk.at,
                    hunk.old_start,
                    "the hunk starts outside the file, or before the end of the last one",
                )
            })?;
            out.extend(between);
            done = start;
            for (at, line) in (hunk.at..).zip(&hunk.lines) {
                let (Line::Keep(expected) | Line::Remove(expected)) = line else {
                    if let Line::Add(added) = line {
                        out.push(added);
                    }
                    continue;
                };
                let found = source.get(done);
                if found != Some(&expected.as_str()) {
                    let found = found.map_or("the end of the file".into(), |f| format!("`{f}`"));
                    let why = format!("expected `{expected}`, found {found}");
                    return Err(self.misfit(change, at, done + 1, &why));
                }
                done += 1;
                if matches!(line, Line::Keep(_)) {
                    out.push(expected);
                }
            }
        }
        out.extend(source.get(done..).unwrap_or_default());
        let mut new = out.join("\n");
        new.push('\n');
        Ok(new)
    }

    /// The only place of a hunk's old lines, as an index into the source.
    fn find(&self, change: &Change, hunk: &Hunk, source: &[&str]) -> Result<usize, KernelError> {
        let old: Vec<&str> = hunk
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Keep(text) | Line::Remove(text) => Some(text.as_str()),
                Line::Add(_) => None,
            })
            .collect();
        let mut places = source.windows(old.len()).enumerate().filter(|(_, lines)| *lines == old);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (None, _) => Err(self.misfit(change, hunk.at, 1, "no place has the hunk's lines")),
            (Some(_), Some((place, _))) => {
                Err(self.misfit(change, hunk.at, place + 1, "a second place has the hunk's lines"))
            }
        }
    }

    fn misfit(&self, change: &Change, at: usize, line: usize, why: &str) -> KernelError {
        let why = format!("does not apply to {} line {line}: {why}", change.file.display());
        KernelError::Patch { patch: self.path.clone(), line: at, why }
    }
}

/// Takes one from what is left.
fn take(left: &mut usize) -> bool {
    match left.checked_sub(1) {
        Some(less) => {
            *left = less;
            true
        }
        None => false,
    }
}

fn starts_like_a_hunk_line(line: &str) -> bool {
    line.starts_with(['+', '-', ' '])
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut chars = line.chars();
        match chars.next() {
            Some(' ') => Some(Self::Keep(chars.as_str().into())),
            Some('-') => Some(Self::Remove(chars.as_str().into())),
            Some('+') => Some(Self::Add(chars.as_str().into())),
            Some(_) | None => None,
        }
    }
}

/// The file that `--- a/FILE` and `+++ b/FILE` name. It must stay inside the
/// tree, and creating or removing files is not supported.
fn target(old: &str, new: &str) -> Result<PathBuf, String> {
    let name = |side: &str, prefix: &str| {
        let name = side.split('\t').next().unwrap_or_default();
        name.strip_prefix(prefix)
            .map(str::to_owned)
            .ok_or(format!("`{name}` does not begin with `{prefix}`"))
    };
    let (old, new) = (name(old, "a/")?, name(new, "b/")?);
    if old != new {
        return Err(format!("`{old}` and `{new}` are two files"));
    }
    let path = PathBuf::from(new);
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(path)
    } else {
        Err(format!("`{old}` is outside the source"))
    }
}

/// `@@ -START,COUNT +START,COUNT @@`.
#[derive(Debug, PartialEq, Eq)]
struct Ranges {
    old_start: usize,
    old_count: usize,
    new_count: usize,
}

impl Ranges {
    fn parse(header: &str) -> Option<Self> {
        let (ranges, _) = header.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        let (old_start, old_count) = range(old)?;
        let (_, new_count) = range(new)?;
        // A hunk that covers no line of the source has nothing to fit to.
        (old_start > 0 && old_count > 0).then_some(Self { old_start, old_count, new_count })
    }
}

/// `START,COUNT`, or `START` for one line.
fn range(text: &str) -> Option<(usize, usize)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests;
