//! A partition table that whoever could write the disk wrote.

use arbitrary::Unstructured;
use blk_virt_core::{BLOCK, Progress, Reader};
use bulkhead_config::{BlkPartition, Guid};

use crate::Target;
use crate::targets::input::take;

pub(crate) const TARGET: Target = Target {
    words: &[b"EFI PART", b"\x00\x00\x01\x00", b"\x5c\x00\x00\x00", b"\x80\x00\x00\x00"],
    seeds: seed,
    ..Target::new("gpt", "a partition lies on its disk, and reading a table ends", check)
};

/// Where a header's own checksum, its size and that of the table are.
const CHECKSUM: usize = 16;
const TABLE_CHECKSUM: usize = 88;

/// A right table but for its checksums, which the target makes right.
fn seed() -> Vec<Vec<u8>> {
    let mut bytes = vec![40, 0, 1];
    let mut header = vec![0; 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[12] = 92;
    header[24] = 1;
    header[40] = 34;
    header[48] = 200;
    header[72] = 2;
    header[80] = 4;
    header[84] = 128;
    bytes.extend(header);
    let mut entry = [0u8; 128];
    entry[..32].fill(7);
    entry[32] = 40;
    entry[40] = 79;
    entry[56] = b'a';
    bytes.extend(entry);
    vec![bytes]
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let blocks = u64::from(take::<u8>(&mut bytes));
    let sector_size = 512u16 << (take::<u8>(&mut bytes) % 4);
    let sums: u8 = take(&mut bytes);
    let mut disk = vec![0; blocks as usize * BLOCK];
    let (sector, rest) = (usize::from(sector_size), bytes.take_rest());
    let (header, table) = rest.split_at(rest.len().min(92));
    for (at, part) in [(sector, header), (2 * sector, table)] {
        if let Some(place) = disk.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    }
    if sums & 1 != 0 {
        make_right(&mut disk, sector);
    }
    let wanted = [
        BlkPartition::Index(1.try_into().expect("not zero")),
        BlkPartition::Name("a".try_into().expect("short")),
        BlkPartition::Guid(Guid([7; 16])),
        BlkPartition::Whole,
    ];
    let Ok(mut reader) = Reader::new(blocks, sector_size) else { return };
    let mut progress = reader.begin();
    // Both headers, and what a table can be at most, twice.
    for _ in 0..2 * (1 + 512 * 1024 / BLOCK + 1) + 1 {
        let Progress::Read { block } = progress else { break };
        assert!(block < blocks, "a block beyond the disk");
        let at = block as usize * BLOCK;
        let found = disk.get(at..at + BLOCK).and_then(|block| block.first_chunk());
        progress = reader.feed(found, &wanted);
    }
    match progress {
        Progress::Read { .. } => panic!("reading does not end"),
        Progress::Failed(_) => {}
        Progress::Done => {
            for client in 0..wanted.len() + 1 {
                if let Ok((first, count)) = reader.partition(client) {
                    assert!(first + count <= blocks, "a partition beyond the disk");
                }
            }
            assert!(reader.partition(3).is_err(), "the whole disk is no partition");
        }
    }
}

/// Makes the checksums of the first header and its table right, as far as they
/// lie on the disk.
fn make_right(disk: &mut [u8], sector: usize) {
    let word = |disk: &[u8], at: usize| {
        disk.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b))
    };
    let (Some(table), Some(entries), Some(size)) =
        (word(disk, sector + 72), word(disk, sector + 80), word(disk, sector + 84))
    else {
        return;
    };
    let at = table as usize * sector;
    let length = (entries as usize).saturating_mul(size as usize);
    let Some(sum) = disk.get(at..at.saturating_add(length)).map(crc32fast::hash) else { return };
    disk[sector + TABLE_CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
    disk[sector + CHECKSUM..][..4].fill(0);
    let header = word(disk, sector + 12).unwrap_or(0) as usize;
    let Some(sum) = disk.get(sector..sector.saturating_add(header)).map(crc32fast::hash) else {
        return;
    };
    disk[sector + CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
}
