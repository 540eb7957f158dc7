//! MSI-X: interrupts as messages, from a table that software fills (PCI Local
//! Bus 3.0, 6.8.2).
//!
//! Not here: where table and pending bits lie, and who takes a message.

use crate::types::Width;

/// Capability identity.
pub const CAPABILITY: u8 = 0x11;
/// Bytes of a table entry.
pub const ENTRY: u32 = 16;
/// Most vectors of a function here.
pub const VECTORS_MAX: usize = 16;

/// Message control: messages instead of lines.
const ENABLE: u16 = 1 << 15;
/// Message control: all vectors are masked.
const MASK_ALL: u16 = 1 << 14;
/// Vector control: this one is masked; the other bits are reserved.
const MASKED: u32 = 1;

/// A memory write that is an interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsiMessage {
    /// Where it is written.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// Address low, address high, data, vector control.
    words: [u32; 4],
}

/// After reset every vector is masked.
const FRESH: Entry = Entry { words: [0, 0, 0, MASKED] };

/// The table, and what waits behind masks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MsiX {
    table: [Entry; VECTORS_MAX],
    vectors: u8,
    pending: u32,
    enabled: bool,
    masked: bool,
}

impl MsiX {
    /// A table of `vectors` entries, at least one and at most [`VECTORS_MAX`].
    pub fn new(vectors: usize) -> Self {
        let vectors = vectors.clamp(1, VECTORS_MAX) as u8;
        MsiX { table: [FRESH; VECTORS_MAX], vectors, pending: 0, enabled: false, masked: false }
    }

    /// Body of the capability: table and pending bits at these offsets, which
    /// are multiples of 8, in the memory of base address register `bar`.
    pub fn capability(&self, bar: u8, table: u32, pending: u32) -> [u8; 10] {
        let mut body = [0; 10];
        body[0] = self.vectors - 1;
        body[2..6].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        body[6..10].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        body
    }

    /// What of that body software may write: two bits of message control.
    pub const WRITABLE: [u8; 2] = [0, ((ENABLE | MASK_ALL) >> 8) as u8];

    /// Takes over message control.
    ///
    /// # Returns
    /// Messages that were waiting and may go now.
    pub fn set_control(&mut self, control: u16) -> Released {
        self.enabled = control & ENABLE != 0;
        self.masked = control & MASK_ALL != 0;
        self.release()
    }

    /// Whether messages replace the interrupt line.
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How many vectors there are.
    pub const fn vectors(&self) -> u16 {
        self.vectors as u16
    }

    /// A vector's event happened.
    ///
    /// # Returns
    /// The message to send, if MSI-X is on and the vector not masked; a masked one
    /// waits, one that does not exist is no event.
    pub fn raise(&mut self, vector: u16) -> Option<MsiMessage> {
        if vector >= self.vectors() || !self.enabled {
            return None;
        }
        let entry = self.table[usize::from(vector)];
        if self.masked || entry.words[3] & MASKED != 0 {
            self.pending |= 1 << vector;
            return None;
        }
        Some(entry.message())
    }

    /// Reads the table: aligned dwords and qwords (6.8.2); else zero.
    pub fn read_table(&self, offset: u32, width: Width) -> u64 {
        match (width, offset % 8) {
            (Width::Dword, 0 | 4) => self.word(offset).into(),
            (Width::Qword, 0) => {
                u64::from(self.word(offset)) | u64::from(self.word(offset + 4)) << 32
            }
            _ => 0,
        }
    }

    fn word(&self, offset: u32) -> u32 {
        match self.place(offset) {
            Some((entry, word)) => self.table[entry].words[word],
            None => 0,
        }
    }

    fn place(&self, offset: u32) -> Option<(usize, usize)> {
        let entry = (offset / ENTRY) as usize;
        (entry < usize::from(self.vectors)).then_some((entry, (offset % ENTRY / 4) as usize))
    }

    /// Writes the table: aligned dwords and qwords; else nothing.
    ///
    /// # Returns
    /// Messages that were waiting and may go now.
    pub fn write_table(&mut self, offset: u32, width: Width, value: u64) -> Released {
        match (width, offset % 8) {
            (Width::Dword, 0 | 4) => self.set_word(offset, value as u32),
            (Width::Qword, 0) => {
                self.set_word(offset, value as u32);
                self.set_word(offset + 4, (value >> 32) as u32);
            }
            _ => {}
        }
        self.release()
    }

    fn set_word(&mut self, offset: u32, value: u32) {
        let Some((entry, word)) = self.place(offset) else { return };
        let mask = match word {
            // Messages are dwords, at addresses of dwords.
            0 => !3,
            3 => MASKED,
            _ => !0,
        };
        self.table[entry].words[word] = value & mask;
    }

    /// Reads the pending bits.
    pub fn read_pending(&self, offset: u32, width: Width) -> u64 {
        match offset {
            0 => u64::from(self.pending) & width.mask(),
            _ => 0,
        }
    }

    fn release(&mut self) -> Released {
        if self.pending == 0 || !self.enabled || self.masked {
            return Released::default();
        }
        let mut released = Released::default();
        for (vector, entry) in self.table.iter().enumerate().take(usize::from(self.vectors)) {
            if self.pending & 1 << vector != 0 && entry.words[3] & MASKED == 0 {
                self.pending &= !(1 << vector);
                // There is room for each.
                let _ = released.push(entry.message());
            }
        }
        released
    }
}

impl Entry {
    fn message(&self) -> MsiMessage {
        let [low, high, data, _] = self.words;
        MsiMessage { address: u64::from(high) << 32 | u64::from(low), data }
    }
}

/// Messages to send.
pub type Released = heapless::Vec<MsiMessage, VECTORS_MAX>;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(msix: &mut MsiX, vector: u32, data: u32, masked: bool) -> Released {
        for (word, value) in [0xFEE0_0000, 0, data].into_iter().enumerate() {
            let _ = msix.write_table(vector * ENTRY + word as u32 * 4, Width::Dword, value.into());
        }
        msix.write_table(vector * ENTRY + 12, Width::Dword, masked.into())
    }

    fn message(data: u32) -> MsiMessage {
        MsiMessage { address: 0xFEE0_0000, data }
    }

    #[test]
    fn nothing_is_sent_while_it_is_off_and_nothing_is_remembered() {
        let mut msix = MsiX::new(2);
        set(&mut msix, 0, 0x41, false);
        assert_eq!(msix.raise(0), None);
        assert!(msix.set_control(ENABLE).is_empty());
        assert_eq!(msix.raise(0), Some(message(0x41)));
    }

    #[test]
    fn a_masked_vector_waits_and_is_sent_once() {
        let mut msix = MsiX::new(2);
        let _ = msix.set_control(ENABLE);
        set(&mut msix, 1, 0x42, true);
        assert_eq!((msix.raise(1), msix.raise(1)), (None, None));
        assert_eq!(msix.read_pending(0, Width::Dword), 2);
        assert_eq!(set(&mut msix, 1, 0x42, false).as_slice(), [message(0x42)]);
        assert_eq!(msix.read_pending(0, Width::Qword), 0);
        let _ = msix.set_control(ENABLE | MASK_ALL);
        assert_eq!(msix.raise(1), None);
        assert_eq!(msix.set_control(ENABLE).as_slice(), [message(0x42)]);
    }

    #[test]
    fn a_vector_that_is_not_there_is_nothing() {
        let mut msix = MsiX::new(2);
        let _ = msix.set_control(ENABLE);
        for vector in [2, 15, 16, u16::MAX] {
            assert_eq!(msix.raise(vector), None);
        }
        assert!(set(&mut msix, 2, 0x42, false).is_empty());
        assert_eq!(msix.read_table(2 * ENTRY, Width::Qword), 0);
        assert_eq!(msix.read_table(u32::MAX - 7, Width::Qword), 0);
    }

    #[test]
    fn the_table_keeps_what_is_written_but_reserved_bits() {
        let mut msix = MsiX::new(1);
        let _ = msix.write_table(0, Width::Qword, u64::MAX);
        let _ = msix.write_table(8, Width::Qword, u64::MAX);
        assert_eq!(msix.read_table(0, Width::Qword), !3);
        assert_eq!(msix.read_table(8, Width::Qword), 0x1_FFFF_FFFF);
        // Accesses that the specification leaves undefined.
        let _ = msix.write_table(1, Width::Byte, 0);
        assert_eq!(msix.read_table(0, Width::Qword), !3);
        assert_eq!(msix.read_table(4, Width::Qword), 0);
    }

    #[test]
    fn the_capability_says_size_and_places() {
        let body = MsiX::new(5).capability(1, 0x1000, 0x1800);
        assert_eq!(body, [4, 0, 1, 0x10, 0, 0, 1, 0x18, 0, 0]);
    }
}
