//! The payload area, written as a stream: page after page, nothing kept.

use std::io::{self, Read, Write};

use system_spec::{PAGE_SIZE, Payload};

/// Writes page-aligned pieces one after another.
pub(super) struct PayloadWriter<'a> {
    out: &'a mut dyn Write,
    offset: u64,
}

impl<'a> PayloadWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        PayloadWriter { out, offset: 0 }
    }

    /// Bytes written so far; a multiple of the page size.
    pub(super) fn size(&self) -> u64 {
        self.offset
    }

    /// Writes bytes that are at hand.
    pub(super) fn bytes(&mut self, data: &[u8]) -> io::Result<Payload> {
        let length = data.len() as u64;
        self.stream(&mut &data[..], length)
    }

    /// Writes exactly `length` bytes of a file.
    ///
    /// # Errors
    /// It has fewer or more, cannot be read, or the area cannot be written.
    pub(super) fn stream(&mut self, from: &mut dyn Read, length: u64) -> io::Result<Payload> {
        let copied = io::copy(&mut from.take(length), &mut self.out)?;
        if copied < length || from.read(&mut [0])? > 0 {
            return Err(io::Error::other("the file has changed while it was read"));
        }
        let padding = length.next_multiple_of(PAGE_SIZE) - length;
        io::copy(&mut io::repeat(0).take(padding), &mut self.out)?;
        let piece = Payload { offset: self.offset, length };
        self.offset += length + padding;
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_page_aligned_and_padded_with_zeroes() {
        let mut out = Vec::new();
        let mut w = PayloadWriter::new(&mut out);
        assert_eq!(w.bytes(&[7; 3]).unwrap(), Payload { offset: 0, length: 3 });
        assert_eq!(w.bytes(&[8; 4096]).unwrap(), Payload { offset: 4096, length: 4096 });
        assert_eq!(w.stream(&mut &[9][..], 1).unwrap(), Payload { offset: 8192, length: 1 });
        assert_eq!(w.size(), 3 * 4096);
        assert_eq!(out.len(), 3 * 4096);
        assert_eq!(out.iter().map(|&b| u64::from(b)).sum::<u64>(), 21 + 8 * 4096 + 9);
    }

    #[test]
    fn a_file_that_shrank_or_grew_is_an_error() {
        let mut out = Vec::new();
        let mut w = PayloadWriter::new(&mut out);
        assert!(w.stream(&mut &[1, 2][..], 3).is_err());
        assert!(w.stream(&mut &[1, 2, 3, 4][..], 3).is_err());
    }
}
