//! What a disk says of itself: IDENTIFY DEVICE, ATA/ATAPI-6, 8.15 and table 27.

use sddf::block::{StorageInfo, TRANSFER_SIZE};

/// Bytes of a sector; devices with others are refused.
pub const SECTOR: u64 = 512;

/// Sectors of a block of sDDF's.
pub const SECTORS_A_BLOCK: u64 = TRANSFER_SIZE / SECTOR;

/// Words of the answer.
pub const WORDS: usize = 256;

/// Most sectors that 48 bits number.
const SECTORS_MAX: u64 = 1 << 48;

/// A disk that can be driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Its sectors.
    pub sectors: u64,
    /// Whether it knows commands with 48 bits of address.
    pub extended: bool,
    /// Its serial number, spaces and all.
    serial: [u8; 20],
}

impl Disk {
    /// Reads the answer; `None` for a device that is no disk with DMA, block
    /// addresses and sectors of 512 bytes.
    pub fn parse(words: &[u16; WORDS]) -> Option<Disk> {
        // Word 0, bit 15: not an ATA device. Word 49, bits 8 and 9: DMA, LBA.
        if words[0] >> 15 != 0 || words[49] >> 8 & 0b11 != 0b11 {
            return None;
        }
        // Word 106 is valid with bits 15:14 = 01; bit 12: sectors are longer.
        if words[106] >> 14 == 0b01 && words[106] >> 12 & 1 != 0 {
            return None;
        }
        let number = |from: usize, count: usize| {
            (0..count).fold(0, |n, i| n | u64::from(words[from + i]) << (16 * i))
        };
        // Word 83 is valid likewise; bit 10: 48 bits of address.
        let extended = words[83] >> 14 == 0b01 && words[83] >> 10 & 1 != 0;
        let sectors = if extended { number(100, 4) } else { number(60, 2) };
        if !(SECTORS_A_BLOCK..=SECTORS_MAX).contains(&sectors) {
            return None;
        }
        let mut serial = [0; 20];
        for (pair, word) in serial.chunks_exact_mut(2).zip(&words[10..20]) {
            pair.copy_from_slice(&word.to_be_bytes());
        }
        Some(Disk { sectors, extended, serial })
    }

    /// Its blocks; sectors that make no whole one are left out.
    pub fn blocks(&self) -> u64 {
        self.sectors / SECTORS_A_BLOCK
    }

    /// What clients are told.
    pub fn info(&self) -> StorageInfo {
        StorageInfo::of(self.blocks()).with_serial(self.serial.trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> [u16; WORDS] {
        let mut words = [0; WORDS];
        words[49] = 0b11 << 8;
        words[60] = 0x5678;
        words[61] = 0x0234;
        for (word, pair) in words[10..20].iter_mut().zip(b"  SERIAL 1          ".chunks_exact(2)) {
            *word = u16::from_be_bytes([pair[0], pair[1]]);
        }
        words
    }

    #[test]
    fn sectors_are_counted_with_28_bits_or_48() {
        let disk = Disk::parse(&answer()).unwrap();
        assert_eq!((disk.sectors, disk.extended), (0x0234_5678, false));
        assert_eq!(disk.blocks(), 0x0234_5678 / 8);
        assert_eq!(disk.info().serial(), b"SERIAL 1");
        let mut words = answer();
        words[83] = 0x4400;
        words[100..103].copy_from_slice(&[1, 2, 3]);
        let disk = Disk::parse(&words).unwrap();
        assert_eq!((disk.sectors, disk.extended), (0x3_0002_0001, true));
    }

    #[test]
    fn what_cannot_be_driven_is_no_disk() {
        let changes: [fn(&mut [u16; WORDS]); 6] = [
            |w| w[0] = 0x8580,
            |w| w[49] = 1 << 8,
            |w| w[49] = 1 << 9,
            |w| w[106] = 0x5000,
            |w| w[60..62].fill(0),
            |w| {
                w[83] = 0x4400;
                w[103] = 2;
            },
        ];
        for change in changes {
            let mut words = answer();
            change(&mut words);
            assert_eq!(Disk::parse(&words), None);
        }
    }
}
