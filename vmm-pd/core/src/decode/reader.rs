//! The bytes of one instruction, taken one after the other. It is here that an
//! instruction turns out too long for the architecture, or for what there is.

use super::{MAX_LENGTH, Undecodable};
use crate::types::Width;

/// A place in the bytes of an instruction.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`, of which the first [`MAX_LENGTH`] count.
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes: bytes.get(..MAX_LENGTH).unwrap_or(bytes), at: 0 }
    }

    /// The next byte, which is not taken.
    pub(super) fn peek(&self) -> Result<u8, Undecodable> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None if self.bytes.len() < MAX_LENGTH => Err(Undecodable::Incomplete),
            // A sixteenth byte does not help.
            None => Err(Undecodable::Invalid),
        }
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, Undecodable> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }

    /// The next integer of this width, sign-extended.
    pub(super) fn integer(&mut self, width: Width) -> Result<u64, Undecodable> {
        let mut value = 0;
        for place in (0..width.bits()).step_by(8) {
            value |= u64::from(self.byte()?) << place;
        }
        let above = u64::BITS - width.bits();
        Ok(((value << above).cast_signed() >> above).cast_unsigned())
    }

    /// How many bytes were taken, at most [`MAX_LENGTH`].
    pub(super) fn taken(&self) -> u8 {
        self.at as u8
    }
}
