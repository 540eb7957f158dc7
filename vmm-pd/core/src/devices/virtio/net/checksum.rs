//! The checksum of the Internet protocols (RFC 1071), for frames in a data region.

use shmem::{OutOfBounds, Region, Rights};

/// Bytes at a time; even, so that words do not straddle.
const PIECE: usize = 128;

/// The checksum of `length` bytes, ready to be stored big-endian.
///
/// # Errors
/// They leave the region.
pub fn of(region: &Region<impl Rights>, at: usize, length: usize) -> Result<u16, OutOfBounds> {
    // At most 2^16 words of 2^16: it fits with room.
    let mut sum = 0_u32;
    let mut done = 0;
    while done < length {
        let mut buffer = [0; PIECE];
        let (piece, _) = buffer.split_at_mut(PIECE.min(length - done));
        region.read(at.saturating_add(done), piece)?;
        done += piece.len();
        // An odd byte at the end has a zero behind it, as the buffer does.
        let words = buffer.as_chunks::<2>().0;
        sum = words.iter().fold(sum, |sum, word| {
            let sum = sum + u32::from(u16::from_be_bytes(*word));
            (sum & 0xffff) + (sum >> 16)
        });
    }
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    // Zero means none in UDP; the two zeroes of this arithmetic are one number
    // elsewhere (RFC 768; RFC 1624, 3).
    Ok(if folded == 0 { 0xffff } else { folded })
}
