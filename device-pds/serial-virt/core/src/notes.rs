//! What the virtualiser itself has to say on the terminal.

use core::fmt::{self, Write};

use heapless::Vec;

/// Room for what was not shown yet; more is dropped.
pub const NOTES_MAX: usize = 384;

/// Longest single note.
const NOTE_MAX: usize = 160;

/// Notes that were not shown yet, a line each.
#[derive(Debug, Default)]
pub struct Notes(Vec<u8, NOTES_MAX>);

/// Text cut off where it is full.
struct Text(Vec<u8, NOTE_MAX>);

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let count = s.len().min(NOTE_MAX - self.0.len());
        let (kept, _) = s.as_bytes().split_at(count);
        self.0.extend_from_slice(kept).map_err(|_| fmt::Error)
    }
}

impl Notes {
    /// Adds a note of printable ASCII, as `[console: TEXT]` on a line.
    pub fn add(&mut self, text: fmt::Arguments<'_>) {
        let mut note = Text(Vec::new());
        // Text that is cut off is not an error.
        let _ = note.write_fmt(text);
        let parts: [&[u8]; 3] = [b"[console: ", &note.0, b"]\r\n"];
        if parts.iter().map(|p| p.len()).sum::<usize>() <= NOTES_MAX - self.0.len() {
            for part in parts {
                crate::filter::add(&mut self.0, part);
            }
        }
    }

    /// What is to be shown.
    pub fn text(&self) -> &[u8] {
        &self.0
    }

    /// It was shown.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
