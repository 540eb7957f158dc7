//! The text of a description, and places in it.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    path::Path,
    sync::Arc,
};

use miette::NamedSource;

/// A range of bytes of a description's text.
pub type Span = Range<usize>;

/// A value and where it was written.
///
/// Two are equal if their values are, wherever they stand.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it was written, without the quotes.
    pub span: Span,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        At { value, span }
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), span: self.span }
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for At<T> {}

/// A file's name and text, as errors show them. Cheap to clone.
#[derive(Clone)]
pub struct Source {
    named: Arc<NamedSource<String>>,
    /// No line is longer than [`LINE_MAX`].
    excerpts: bool,
}

/// Longest line that errors show an excerpt of, in bytes. Nobody reads longer
/// ones, and miette 7 panics on columns above 65,535.
const LINE_MAX: usize = 4096;

/// Larger files are not even read, in bytes: the rule on a description's size
/// is far stricter, and names the place.
const READ_MAX: u64 = 16 << 20;

impl Source {
    /// A text that errors call `name`.
    pub fn new(name: impl AsRef<str>, text: impl Into<String>) -> Self {
        let text = text.into();
        let excerpts = text.lines().all(|line| line.len() <= LINE_MAX);
        Source { named: Arc::new(NamedSource::new(name, text)), excerpts }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no file (a pipe could make us wait for ever), is
    /// far too large, or is not UTF-8.
    pub fn read(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if metadata.len() > READ_MAX {
            return Err(io::Error::other(format!("it has {} bytes", metadata.len())));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(READ_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            io::Error::other(format!("it is no text: byte {at} is not UTF-8"))
        })?;
        Ok(Source::new(path.display().to_string(), text))
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        self.named.name()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.named.inner()
    }

    pub(crate) fn code(&self) -> &dyn miette::SourceCode {
        &*self.named
    }

    /// Whether errors show an excerpt; else they name line and column.
    pub(crate) fn has_excerpts(&self) -> bool {
        self.excerpts
    }

    /// Line and column of a place, counted from 1; the column in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text().get(..offset).unwrap_or(self.text());
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let s = Source::new("x", "ab\nµc\n");
        assert_eq!(s.position(0), (1, 1));
        assert_eq!(s.position(3), (2, 1));
        assert_eq!(s.position(5), (2, 2));
        assert_eq!(s.position(99), (3, 1));
    }
}
