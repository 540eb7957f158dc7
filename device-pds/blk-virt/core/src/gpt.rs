//! What a GUID partition table says (UEFI 2.10, 5.3). Every number in it was
//! written by whoever could write the disk.

use core::fmt;

use bulkhead_config::Guid;

/// "EFI PART" (UEFI 2.10, table 5-5).
const SIGNATURE: [u8; 8] = *b"EFI PART";

/// Smallest header (UEFI 2.10, table 5-5).
const HEADER_MIN: usize = 92;

/// Smallest entry, of which larger ones are multiples; also all of an entry
/// that means anything (UEFI 2.10, table 5-6).
pub const ENTRY_MIN: usize = 128;

/// Largest table that is read: 4,096 entries of the smallest size, thirty-two
/// times what every tool writes. It bounds the time to start.
pub const TABLE_MAX: u64 = 512 * 1024;

/// What is wrong with a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GptError {
    /// There is none.
    Signature,
    /// The header's size is not one.
    HeaderSize {
        /// What it says.
        size: u32,
    },
    /// The header was changed or damaged.
    HeaderChecksum,
    /// The header says that it lies elsewhere.
    Place {
        /// The sector that it names.
        says: u64,
        /// The sector that it was read from.
        lies: u64,
    },
    /// The usable sectors are none, or not all on the disk.
    Usable {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The table's entries have a size that is none.
    EntrySize {
        /// What it says.
        size: u32,
    },
    /// The table does not lie on the disk, or is larger than is read.
    Table {
        /// Its first sector.
        lba: u64,
        /// Its entries.
        entries: u32,
    },
    /// The table was changed or damaged.
    TableChecksum,
    /// The disk's sectors are of a size that does not divide a block.
    SectorSize {
        /// What the driver says.
        size: u16,
    },
    /// The disk could not be read.
    Unreadable,
}

impl fmt::Display for GptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GptError::Signature => f.write_str("there is no GUID partition table"),
            GptError::HeaderSize { size } => write!(f, "the table's header has {size} bytes"),
            GptError::HeaderChecksum => f.write_str("the checksum of the table's header is wrong"),
            GptError::Place { says, lies } => {
                write!(f, "the table's header in sector {lies} says that it is in {says}")
            }
            GptError::Usable { first, last } => {
                write!(f, "the table's usable sectors {first} to {last} are not on the disk")
            }
            GptError::EntrySize { size } => write!(f, "the table's entries have {size} bytes"),
            GptError::Table { lba, entries } => {
                write!(
                    f,
                    "the table of {entries} entries at sector {lba} is not on the disk, or too large"
                )
            }
            GptError::TableChecksum => f.write_str("the checksum of the table is wrong"),
            GptError::SectorSize { size } => {
                write!(f, "the disk has sectors of {size} bytes, with which no table can be read")
            }
            GptError::Unreadable => f.write_str("the disk could not be read"),
        }
    }
}

/// A header that was checked: its table lies on the disk, has a size that is
/// read, and entries of a size that is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// First sector of the table.
    pub table: u64,
    /// Its entries.
    pub entries: u32,
    /// Bytes of an entry: a power of two, [`ENTRY_MIN`] or more.
    pub entry_size: u32,
    /// Its checksum.
    pub checksum: u32,
    /// The first sector that a partition may have.
    pub first_usable: u64,
    /// The last.
    pub last_usable: u64,
}

impl Header {
    /// Reads a header out of the sector that it lies in, on a disk of so many
    /// sectors.
    ///
    /// # Errors
    /// It is none, or not a right one.
    pub fn parse(sector: &[u8], lba: u64, sectors: u64) -> Result<Header, GptError> {
        let half = |at: usize| word(sector, at);
        let long = |at: usize| quad(sector, at);
        if sector.get(..8) != Some(&SIGNATURE) {
            return Err(GptError::Signature);
        }
        let size = half(12);
        let bytes = usize::try_from(size).unwrap_or(usize::MAX);
        let header = sector.get(..bytes).filter(|_| bytes >= HEADER_MIN);
        let Some(header) = header else { return Err(GptError::HeaderSize { size }) };
        // The checksum is taken with its own field as zero.
        let mut sum = crc32fast::Hasher::new();
        sum.update(header.get(..16).unwrap_or_default());
        sum.update(&[0; 4]);
        sum.update(header.get(20..).unwrap_or_default());
        if sum.finalize() != half(16) {
            return Err(GptError::HeaderChecksum);
        }
        let says = long(24);
        if says != lba {
            return Err(GptError::Place { says, lies: lba });
        }
        let (first, last) = (long(40), long(48));
        if first > last || last >= sectors {
            return Err(GptError::Usable { first, last });
        }
        let (table, entries, entry_size) = (long(72), half(80), half(84));
        if !entry_size.is_power_of_two() || (entry_size as usize) < ENTRY_MIN {
            return Err(GptError::EntrySize { size: entry_size });
        }
        let table_bytes = u64::from(entries) * u64::from(entry_size);
        let end = table.checked_add(table_bytes.div_ceil(sector.len() as u64));
        if table_bytes > TABLE_MAX || end.is_none_or(|end| end > sectors) {
            return Err(GptError::Table { lba: table, entries });
        }
        let checksum = half(88);
        Ok(Header { table, entries, entry_size, checksum, first_usable: first, last_usable: last })
    }
}

/// An entry of a table.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a>(&'a [u8; ENTRY_MIN]);

impl<'a> Entry<'a> {
    /// Over its bytes.
    pub fn new(bytes: &'a [u8; ENTRY_MIN]) -> Self {
        Entry(bytes)
    }

    /// Whether there is a partition: its type is not zero.
    pub fn is_used(&self) -> bool {
        self.0.iter().take(16).any(|&byte| byte != 0)
    }

    /// The partition's own GUID.
    pub fn guid(&self) -> Guid {
        let mut guid = [0; 16];
        for (to, from) in guid.iter_mut().zip(self.0.iter().skip(16)) {
            *to = *from;
        }
        Guid(guid)
    }

    /// Its first and last sector.
    pub fn sectors(&self) -> (u64, u64) {
        (quad(self.0, 32), quad(self.0, 40))
    }

    /// Whether its name is this.
    pub fn is_named(&self, name: &str) -> bool {
        let units = self.0.iter().skip(56).step_by(2).zip(self.0.iter().skip(57).step_by(2));
        let units = units.map(|(&low, &high)| u16::from_le_bytes([low, high]));
        units.take_while(|&unit| unit != 0).eq(name.encode_utf16())
    }
}

/// The little-endian value of four bytes; zero where there are none.
fn word(bytes: &[u8], at: usize) -> u32 {
    let value = bytes.get(at..).and_then(|rest| rest.first_chunk());
    value.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The little-endian value of eight bytes; zero where there are none.
fn quad(bytes: &[u8], at: usize) -> u64 {
    let value = bytes.get(at..).and_then(|rest| rest.first_chunk());
    value.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
