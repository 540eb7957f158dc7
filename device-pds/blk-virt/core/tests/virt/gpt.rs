//! Makes GUID partition tables, right and wrong.

use shmem::{ReadWrite, Region};

pub const SECTOR: usize = 512;

#[derive(Clone)]
pub struct Part {
    pub guid: [u8; 16],
    pub first: u64,
    pub last: u64,
    pub name: &'static str,
}

/// The fields of a header that tests change.
#[derive(Clone)]
pub struct Table {
    pub parts: Vec<Part>,
    pub sector: usize,
    pub entry_size: u32,
    pub entries: u32,
}

impl Table {
    pub fn new(parts: &[Part]) -> Self {
        Table { parts: parts.to_vec(), sector: SECTOR, entry_size: 128, entries: 128 }
    }

    fn bytes(&self) -> Vec<u8> {
        let size = self.entry_size as usize;
        let mut table = vec![0; size * self.entries as usize];
        for (entry, part) in table.chunks_exact_mut(size).zip(&self.parts) {
            entry[..16].fill(0xEE);
            entry[16..32].copy_from_slice(&part.guid);
            entry[32..40].copy_from_slice(&part.first.to_le_bytes());
            entry[40..48].copy_from_slice(&part.last.to_le_bytes());
            for (to, unit) in entry[56..].chunks_exact_mut(2).zip(part.name.encode_utf16()) {
                to.copy_from_slice(&unit.to_le_bytes());
            }
        }
        table
    }

    /// Writes header and table; `change` is applied to the header before its
    /// checksum is made.
    pub fn write(
        &self,
        disk: &Region<ReadWrite>,
        header_at: u64,
        table_at: u64,
        change: impl FnOnce(&mut [u8]),
    ) {
        let sectors = (disk.len() / self.sector) as u64;
        let table = self.bytes();
        let mut header = vec![0u8; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..12].copy_from_slice(&0x1_0000u32.to_le_bytes());
        header[12..16].copy_from_slice(&92u32.to_le_bytes());
        header[24..32].copy_from_slice(&header_at.to_le_bytes());
        header[40..48].copy_from_slice(&40u64.to_le_bytes());
        header[48..56].copy_from_slice(&(sectors - 40).to_le_bytes());
        header[72..80].copy_from_slice(&table_at.to_le_bytes());
        header[80..84].copy_from_slice(&self.entries.to_le_bytes());
        header[84..88].copy_from_slice(&self.entry_size.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&table).to_le_bytes());
        change(&mut header);
        let sum = crc32(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.write(table_at as usize * self.sector, &table).unwrap();
        disk.write(header_at as usize * self.sector, &header).unwrap();
    }

    /// The first header and table, where every tool puts them.
    pub fn write_first(&self, disk: &Region<ReadWrite>, change: impl FnOnce(&mut [u8])) {
        self.write(disk, 1, 2, change);
    }

    /// The last ones.
    pub fn write_last(&self, disk: &Region<ReadWrite>, change: impl FnOnce(&mut [u8])) {
        let sectors = (disk.len() / self.sector) as u64;
        self.write(disk, sectors - 1, sectors - 33, change);
    }
}

/// The checksum by its definition, bit by bit (ISO 3309), so that the tests do
/// not believe the library under test.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}
