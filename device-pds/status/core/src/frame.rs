//! Frames on the wire.

use core::fmt::{self, Write};

use bulkhead_config::NAME_MAX;
use heapless::Vec;

use crate::line::LINE_MAX;

/// ASCII start of text: begins a frame.
const STX: u8 = 0x02;
/// ASCII end of text: ends a frame; a line feed follows for people's eyes.
const ETX: u8 = 0x03;

/// Longest frame: STX, `pd `, name, ` report : `, line, ETX, LF.
pub const FRAME_MAX: usize = 1 + 3 + NAME_MAX + 10 + LINE_MAX + 2;

/// A frame being put together. Text that does not fit, or is not printable
/// ASCII, is dropped: the parts are bounded by [`FRAME_MAX`] and sanitised
/// already, and the frame holds whatever they are.
#[derive(Clone, Debug)]
pub struct Frame(Vec<u8, FRAME_MAX>);

impl Frame {
    /// A frame of this text.
    pub fn new(text: fmt::Arguments<'_>) -> Frame {
        let mut frame = Frame(Vec::new());
        let _ = frame.0.push(STX);
        // Dropping cannot fail.
        let _ = frame.write_fmt(text);
        let _ = frame.0.extend_from_slice(&[ETX, b'\n']);
        frame
    }

    /// What goes on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Write for Frame {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes().filter(|b| (b' '..=b'~').contains(b)) {
            if self.0.len() < FRAME_MAX - 2 {
                let _ = self.0.push(byte);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_closed_whatever_it_holds() {
        assert_eq!(Frame::new(format_args!("system - ready")).bytes(), b"\x02system - ready\x03\n");
        assert_eq!(Frame::new(format_args!("a\x03\x02\nb")).bytes(), b"\x02ab\x03\n");
        let long =
            core::str::from_utf8(&[b'x'; 2 * FRAME_MAX]).map(|x| Frame::new(format_args!("{x}")));
        let long = long.expect("ASCII");
        assert_eq!(long.bytes().len(), FRAME_MAX);
        assert!(long.bytes().ends_with(b"x\x03\n"));
    }
}
