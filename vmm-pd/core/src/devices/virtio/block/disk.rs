//! What disk the guest sees: what the block domain says, made safe, and what the
//! configuration adds.

use sddf::block::{StorageInfo, TRANSFER_SIZE};

use super::bits::{self, CONFIG, SECTOR, config, feature};
use super::{PARTS, PIECE_CELLS, QUEUES};

/// Longest serial number that a guest can ask for.
pub const SERIAL_MAX: usize = bits::ID;

/// What the system's configuration says about a disk.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// The guest may not write, whatever the disk allows.
    pub read_only: bool,
    /// Serial number, filled up with zeroes; the disk's own if it begins with one.
    pub serial: [u8; SERIAL_MAX],
}

/// The disk as the guest sees it. Whatever the block domain wrote, it is one that
/// nothing overflows on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Sectors of 512 bytes; zero while there is no disk.
    pub sectors: u64,
    /// Writes are refused.
    pub read_only: bool,
    /// Serial number, filled up with zeroes.
    pub serial: [u8; SERIAL_MAX],
    /// Bytes of a logical block: 512 to 4096.
    logical: u32,
    /// Best transfer in blocks of the path, at least one.
    best: u32,
}

/// Sectors of a block of the path.
const SECTORS: u64 = TRANSFER_SIZE / SECTOR;

/// Sectors that a guest may zero by one request: 8 MiB.
pub const ZEROES_MAX: u32 = 8 << 11;

impl Disk {
    /// What `info` says, which is whatever its writer wanted.
    pub fn new(info: Option<&StorageInfo>, options: &Options) -> Self {
        let mut serial = options.serial;
        if serial.starts_with(&[0])
            && let Some(info) = info
        {
            for (to, from) in serial.iter_mut().zip(info.serial()) {
                *to = *from;
            }
        }
        let logical = info.map_or(0, |info| u32::from(info.sector_size));
        let known = logical.is_power_of_two() && (512..=4096).contains(&logical);
        Disk {
            // A byte on the disk has a number of 64 bits.
            sectors: info.map_or(0, |info| info.capacity.min(u64::MAX / TRANSFER_SIZE) * SECTORS),
            read_only: options.read_only || info.is_some_and(|info| info.read_only),
            serial,
            logical: if known { logical } else { 512 },
            best: info.map_or(1, |info| u32::from(info.block_size).max(1)),
        }
    }

    /// Whether `length` bytes from a sector on are whole sectors of the disk.
    pub fn holds(&self, sector: u64, length: u64) -> bool {
        let sectors = length / SECTOR;
        length.is_multiple_of(SECTOR)
            && sector.checked_add(sectors).is_some_and(|end| end <= self.sectors)
    }

    /// The features that it makes.
    pub fn features(&self) -> u64 {
        let all = feature::SIZE_MAX
            | feature::SEG_MAX
            | feature::BLK_SIZE
            | feature::FLUSH
            | feature::TOPOLOGY
            | feature::CONFIG_WCE
            | feature::MQ
            | feature::WRITE_ZEROES;
        all | if self.read_only { feature::RO } else { 0 }
    }

    /// The configuration space.
    pub fn config(&self, writeback: bool) -> [u8; CONFIG] {
        let mut space = [0; CONFIG];
        let mut set = |at: usize, bytes: &[u8]| {
            for (to, from) in space.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        };
        let whole = TRANSFER_SIZE as u32;
        // Header and status take a buffer each.
        let segments = (PARTS - 2) as u32;
        set(config::CAPACITY, &self.sectors.to_le_bytes());
        set(config::SIZE_MAX, &(PIECE_CELLS * whole).to_le_bytes());
        set(config::SEG_MAX, &segments.to_le_bytes());
        set(config::BLK_SIZE, &self.logical.to_le_bytes());
        let in_whole = whole / self.logical;
        set(config::PHYSICAL_BLOCK_EXP, &[in_whole.trailing_zeros() as u8]);
        set(config::MIN_IO_SIZE, &(in_whole as u16).to_le_bytes());
        set(config::OPT_IO_SIZE, &(in_whole * self.best).to_le_bytes());
        set(config::WRITEBACK, &[u8::from(writeback)]);
        set(config::NUM_QUEUES, &(QUEUES as u16).to_le_bytes());
        set(config::MAX_WRITE_ZEROES_SECTORS, &ZEROES_MAX.to_le_bytes());
        set(config::MAX_WRITE_ZEROES_SEG, &1_u32.to_le_bytes());
        space
    }
}
