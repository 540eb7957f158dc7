//! The buffers of a chain as one run of bytes.

use crate::memory::{Memory, Outside};

/// One buffer of a chain.
///
/// Within a [`Chain`](crate::Chain), holding one proves that it was RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Where it is, guest-physical.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// Consecutive buffers of a chain, seen as one run of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    parts: &'a [Part],
    length: u32,
}

impl<'a> Parts<'a> {
    /// Buffers whose lengths add up to `length`.
    pub(crate) fn new(parts: &'a [Part], length: u32) -> Self {
        Parts { parts, length }
    }

    /// Bytes in all.
    #[inline]
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The buffers.
    #[inline]
    pub fn buffers(&self) -> &'a [Part] {
        self.parts
    }

    /// The pieces that make up `length` bytes from `offset` on, in order; fewer if
    /// there are not as many.
    pub fn pieces(&self, offset: u32, length: u32) -> impl Iterator<Item = Part> + use<'a> {
        let mut skip = offset;
        let mut left = length;
        self.parts
            .iter()
            .map_while(move |part| {
                if left == 0 {
                    return None;
                }
                let skipped = skip.min(part.length);
                skip -= skipped;
                let taken = (part.length - skipped).min(left);
                left -= taken;
                Some(Part { address: part.address.wrapping_add(skipped.into()), length: taken })
            })
            .filter(|piece| piece.length > 0)
    }

    /// Copies the bytes from `offset` on out, as many as there are and fit.
    ///
    /// # Returns
    /// How many were copied.
    ///
    /// # Errors
    /// A buffer is not memory any more.
    pub fn read(
        &self,
        memory: &impl Memory,
        offset: u32,
        mut into: &mut [u8],
    ) -> Result<usize, Outside> {
        let mut copied = 0;
        for piece in self.pieces(offset, u32::try_from(into.len()).unwrap_or(u32::MAX)) {
            let (now, rest) = into.split_at_mut(piece.length as usize);
            memory.read(piece.address, now)?;
            copied += now.len();
            into = rest;
        }
        Ok(copied)
    }

    /// Copies bytes in from `offset` on, as many as have room.
    ///
    /// # Returns
    /// How many were copied.
    ///
    /// # Errors
    /// A buffer is not memory any more.
    pub fn write(
        &self,
        memory: &mut impl Memory,
        offset: u32,
        mut from: &[u8],
    ) -> Result<usize, Outside> {
        let mut copied = 0;
        for piece in self.pieces(offset, u32::try_from(from.len()).unwrap_or(u32::MAX)) {
            let (now, rest) = from.split_at(piece.length as usize);
            memory.write(piece.address, now)?;
            copied += now.len();
            from = rest;
        }
        Ok(copied)
    }
}
