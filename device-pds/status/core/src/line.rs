//! A line as it is put together from a client's bytes.

use heapless::Vec;

/// Longest line that is passed on, in bytes, its mark of having been cut
/// included.
pub const LINE_MAX: usize = 256;

/// Ends a line that was cut.
pub const CUT: &[u8] = b"...";

/// What is passed on in place of a byte that is not printable ASCII.
const UNPRINTABLE: u8 = b'?';

/// A line, of which the end may still be to come. Holds printable ASCII only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    text: Vec<u8, LINE_MAX>,
    cut: bool,
}

/// What a byte did to a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// There may be more.
    Open,
    /// It is complete.
    Complete,
}

impl Line {
    /// Adds a byte; LF completes the line.
    pub fn push(&mut self, byte: u8) -> Pushed {
        let printable = match byte {
            b'\n' => return Pushed::Complete,
            b'\t' => b' ',
            b' '..=b'~' => byte,
            _ => UNPRINTABLE,
        };
        if self.text.push(printable).is_err() && !self.cut {
            self.cut = true;
            self.text.truncate(LINE_MAX - CUT.len());
            // Room was just made for it.
            let _ = self.text.extend_from_slice(CUT);
        }
        Pushed::Open
    }

    /// Its text so far.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Starts over.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Line {
        let mut line = Line::default();
        for &byte in bytes {
            assert_eq!(line.push(byte), Pushed::Open);
        }
        line
    }

    #[test]
    fn only_printable_ascii_is_kept() {
        let every: heapless::Vec<u8, 256> = (0..=255).filter(|&b| b != b'\n').collect();
        let line = line(&every);
        assert!(line.text().iter().all(|b| (b' '..=b'~').contains(b)));
        assert_eq!(line.text().len(), 255);
        assert_eq!(&line.text()[..11], b"????????? ?");
    }

    #[test]
    fn a_line_that_fits_is_not_cut() {
        assert_eq!(line(&[b'x'; LINE_MAX]).text(), [b'x'; LINE_MAX]);
    }

    #[test]
    fn a_longer_line_is_cut_and_says_so() {
        let line = line(&[b'x'; LINE_MAX + 500]);
        assert_eq!(line.text().len(), LINE_MAX);
        assert!(line.text().ends_with(b"x..."));
    }
}
