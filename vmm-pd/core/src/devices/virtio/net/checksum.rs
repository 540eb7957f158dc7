//! The checksum of the Internet protocols (RFC 1071), for frames in a data region.
//!
//! The surprising fact: a sum of the words as this processor reads them, four bytes at a
//! time, is that of the protocols' words with its two bytes exchanged (2, B and C there).

use shmem::{OutOfBounds, Region, Rights};

/// Bytes at a time: whole words.
const PIECE: usize = 128;

/// The checksum of `length` bytes, ready to be stored big-endian.
///
/// # Errors
/// They leave the region.
pub fn of(region: &Region<impl Rights>, at: usize, length: usize) -> Result<u16, OutOfBounds> {
    let mut total = 0;
    let mut done = 0;
    while done < length {
        let mut buffer = [0; PIECE];
        let (piece, _) = buffer.split_at_mut(PIECE.min(length - done));
        region.read(at.saturating_add(done), piece)?;
        done += piece.len();
        // What is missing in the last word is zero, as in the buffer.
        total = sum(total, &buffer);
    }
    let checksum = !fold(total);
    // Zero means none in UDP; the two zeroes of this arithmetic are one number
    // elsewhere (RFC 768; RFC 1624, 3).
    Ok(if checksum == 0 { 0xffff } else { checksum })
}

/// Adds the whole words of four bytes to a sum. It has room for 2^32 of them.
pub fn sum(begin: u64, bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks::<4>().0.iter();
    words.fold(begin, |sum, word| sum.wrapping_add(u32::from_ne_bytes(*word).into()))
}

/// A sum as a word of the protocols'.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::from_be(sum as u16)
}
