//! The GUID partition table, by the crate `gpt`.

use std::{collections::BTreeMap, path::Path};

use gpt::{
    GptConfig, GptError, disk::LogicalBlockSize, mbr::ProtectiveMBR, partition, partition_types,
};
use uuid::Uuid;

use crate::ALIGNMENT;

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// A partition of a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its name in the table.
    pub name: String,
    /// Its identity.
    pub guid: Uuid,
    /// Its first byte.
    pub start: u64,
    /// In bytes.
    pub length: u64,
}

/// An identity made from a name: the same for the same name, as everything else of
/// an image. Version 8 is for such (RFC 9562, 5.8).
fn identity(kind: &str, name: &str) -> Uuid {
    /// FNV-1a, 128 bits.
    const BASIS: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013B;
    let hash = [kind, "/", name]
        .concat()
        .bytes()
        .fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}

/// Writes a table with partitions of one size, one behind the other.
pub fn write(path: &Path, names: &[String], size: u64) -> Result<Vec<Partition>, GptError> {
    let mut file = std::fs::File::options().read(true).write(true).open(path)?;
    let sectors = file.metadata()?.len() / SECTOR;
    ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1).unwrap_or(u32::MAX))
        .overwrite_lba0(&mut file)
        .map_err(|e| std::io::Error::other(e.to_string()))?;
    let mut disk = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(identity("disk", &names.join("/"))))?;
    let mut table = BTreeMap::new();
    let mut made = Vec::new();
    for (ordinal, name) in names.iter().enumerate() {
        let start = ALIGNMENT + ordinal as u64 * size;
        let guid = identity("partition", name);
        table.insert(
            ordinal as u32 + 1,
            partition::Partition {
                part_type_guid: partition_types::LINUX_FS,
                part_guid: guid,
                first_lba: start / SECTOR,
                last_lba: (start + size) / SECTOR - 1,
                flags: 0,
                name: name.clone(),
            },
        );
        made.push(Partition { name: name.clone(), guid, start, length: size });
    }
    disk.update_partitions(table)?;
    disk.write()?;
    Ok(made)
}

/// Reads the table of an image.
pub fn read(path: &Path) -> Result<Vec<Partition>, GptError> {
    let disk = GptConfig::new().writable(false).open(path)?;
    let all = disk.partitions().values().filter(|p| p.is_used());
    Ok(all
        .map(|p| Partition {
            name: p.name.clone(),
            guid: p.part_guid,
            start: p.first_lba * SECTOR,
            length: (p.last_lba + 1 - p.first_lba) * SECTOR,
        })
        .collect())
}
