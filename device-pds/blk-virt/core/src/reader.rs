//! Reads a partition table a block at a time, and finds in it what clients
//! want. It says which block it wants next; whoever reads it hands it in.

use bulkhead_config::{BlkPartition, CLIENTS_MAX};
use heapless::Vec;

use crate::complaint::Refusal;
use crate::gpt::{ENTRY_MIN, Entry, GptError, Header};

/// Bytes of a block.
pub const BLOCK: usize = sddf::block::TRANSFER_SIZE as usize;

/// Largest disk, in blocks: 2^60 bytes, so that no address on it leaves 64 bits.
pub const BLOCKS_MAX: u64 = 1 << 48;

/// Sector of the first header (UEFI 2.10, 5.3.2).
const PRIMARY: u64 = 1;

/// What there is to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Read this block.
    Read {
        /// Its number on the disk.
        block: u64,
    },
    /// Everything was found that can be.
    Done,
    /// There is no right table on this disk. (What was wrong with the first.)
    Failed(GptError),
}

/// A partition that a client wants, as far as it is found.
#[derive(Clone, Copy, Debug, Default)]
enum Found {
    #[default]
    Nothing,
    One {
        first: u64,
        last: u64,
    },
    Several,
}

/// Where the reader is.
#[derive(Debug)]
enum Step {
    Header { lba: u64 },
    Table { header: Header, at: u64, number: u32, sum: crc32fast::Hasher },
}

/// The reader.
#[derive(Debug)]
pub struct Reader {
    step: Step,
    /// What was wrong with the first table, while the last one is tried.
    first: Option<GptError>,
    sector: u64,
    sectors: u64,
    found: Vec<Found, CLIENTS_MAX>,
    usable: (u64, u64),
}

impl Reader {
    /// Begins with a disk of so many blocks and sectors of such a size.
    ///
    /// # Errors
    /// A block does not consist of such sectors, or the disk has no room for a
    /// table.
    pub fn new(blocks: u64, sector_size: u16) -> Result<Reader, GptError> {
        let sector = u64::from(sector_size);
        if !(512..=BLOCK as u64).contains(&sector) || !sector.is_power_of_two() {
            return Err(GptError::SectorSize { size: sector_size });
        }
        let sectors = blocks.min(BLOCKS_MAX) * (BLOCK as u64 / sector);
        if sectors <= PRIMARY {
            return Err(GptError::Signature);
        }
        Ok(Reader {
            step: Step::Header { lba: PRIMARY },
            first: None,
            sector,
            sectors,
            found: Vec::new(),
            usable: (0, 0),
        })
    }

    /// What there is to do, before the first block.
    pub fn begin(&self) -> Progress {
        let block = match &self.step {
            Step::Header { lba } => self.block_of(*lba),
            Step::Table { at, .. } => at / BLOCK as u64,
        };
        Progress::Read { block }
    }

    /// Takes the block that was wanted, or none if it could not be read.
    pub fn feed(&mut self, bytes: Option<&[u8; BLOCK]>, wanted: &[BlkPartition]) -> Progress {
        let result = match bytes {
            Some(bytes) => self.step(bytes, wanted),
            None => Err(GptError::Unreadable),
        };
        match result {
            Ok(true) => Progress::Done,
            Ok(false) => self.begin(),
            Err(error) => match self.first {
                Some(first) => Progress::Failed(first),
                None if self.sectors > PRIMARY + 1 => {
                    self.first = Some(error);
                    self.step = Step::Header { lba: self.sectors - 1 };
                    self.begin()
                }
                None => Progress::Failed(error),
            },
        }
    }

    /// The blocks of the partition that a client wants: the first, and how many.
    ///
    /// # Errors
    /// There is none, or none that can be used.
    pub fn partition(&self, client: usize) -> Result<(u64, u64), Refusal> {
        let (first, last) = match self.found.get(client) {
            None | Some(Found::Nothing) => return Err(Refusal::NotFound),
            Some(Found::Several) => return Err(Refusal::Ambiguous),
            Some(&Found::One { first, last }) => (first, last),
        };
        let (from, to) = self.usable;
        if first > last || first < from || last > to {
            return Err(Refusal::Bounds { first, last });
        }
        let per_block = BLOCK as u64 / self.sector;
        if !first.is_multiple_of(per_block) {
            return Err(Refusal::Misaligned { first });
        }
        // Both are sectors of the disk, so the sum is one.
        Ok((first / per_block, (last - first + 1) / per_block))
    }

    fn block_of(&self, lba: u64) -> u64 {
        lba / (BLOCK as u64 / self.sector)
    }

    /// Takes a block.
    ///
    /// # Returns
    /// Whether the table is complete.
    fn step(&mut self, bytes: &[u8; BLOCK], wanted: &[BlkPartition]) -> Result<bool, GptError> {
        match &mut self.step {
            &mut Step::Header { lba } => {
                let offset = (lba * self.sector) as usize % BLOCK;
                let sector = bytes.get(offset..offset + self.sector as usize).unwrap_or_default();
                let header = Header::parse(sector, lba, self.sectors)?;
                self.usable = (header.first_usable, header.last_usable);
                self.found.clear();
                self.found.extend(wanted.iter().map(|_| Found::Nothing));
                let at = header.table * self.sector;
                self.step = Step::Table { header, at, number: 0, sum: crc32fast::Hasher::new() };
                Ok(header.entries == 0)
            }
            Step::Table { header, at, number, sum } => {
                let size = u64::from(header.entry_size);
                let start = header.table * self.sector;
                let end = start + u64::from(header.entries) * size;
                let offset = *at as usize % BLOCK;
                let length = (BLOCK - offset).min((end - *at) as usize);
                let piece = bytes.get(offset..offset + length).unwrap_or_default();
                sum.update(piece);
                // A larger entry's first bytes are all that means anything, and
                // they lie in one block: both sizes are powers of two.
                let (places, _) = piece.as_chunks::<ENTRY_MIN>();
                for (i, place) in places.iter().enumerate() {
                    let within = *at - start + (i * ENTRY_MIN) as u64;
                    if within.is_multiple_of(size) {
                        *number += 1;
                        note(&mut self.found, wanted, *number, Entry::new(place));
                    }
                }
                *at += length as u64;
                if *at < end {
                    return Ok(false);
                }
                if sum.clone().finalize() != header.checksum {
                    return Err(GptError::TableChecksum);
                }
                Ok(true)
            }
        }
    }
}

/// Notes an entry for every client that wants it.
fn note(found: &mut [Found], wanted: &[BlkPartition], number: u32, entry: Entry<'_>) {
    if !entry.is_used() {
        return;
    }
    let (first, last) = entry.sectors();
    for (found, wanted) in found.iter_mut().zip(wanted) {
        let is_it = match wanted {
            BlkPartition::Whole | BlkPartition::Range { .. } => false,
            BlkPartition::Index(index) => index.get() == number,
            BlkPartition::Name(name) => entry.is_named(name),
            BlkPartition::Guid(guid) => *guid == entry.guid(),
        };
        if is_it {
            *found = match found {
                Found::Nothing => Found::One { first, last },
                Found::One { .. } | Found::Several => Found::Several,
            };
        }
    }
}
