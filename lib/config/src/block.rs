//! Block devices: who has what of a disk.

use core::fmt;
use core::num::{NonZeroU32, NonZeroU64};

use heapless::{String, Vec};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{CLIENTS_MAX, DATA_REGIONS_MAX, IoRegion, NAME_MAX};

/// Longest name of a partition, in bytes: thirty-six units of UTF-16 (UEFI
/// 2.10, table 5-6), of at most three bytes each.
pub const PARTITION_NAME_MAX: usize = 36 * 3;

/// A block virtualiser: its clients, in the order of their channels and queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlkVirt {
    /// A region of its own that the disk's partition table is read into; needed
    /// if a client's partition is found there.
    #[serde(default)]
    pub table: Option<IoRegion>,
    /// What each client has.
    pub clients: Vec<BlkClient, CLIENTS_MAX>,
}

/// A client of a block virtualiser.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlkClient {
    /// The client: a protection domain's name, or its guest's.
    pub name: String<NAME_MAX>,
    /// Its data region, where the buffers of its requests lie.
    pub data: IoRegion,
    /// What it has of the disk.
    pub partition: BlkPartition,
    /// Whether it may only read.
    #[serde(default)]
    pub read_only: bool,
}

/// What a client has of a disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlkPartition {
    /// All of it.
    Whole,
    /// So many blocks of 4 KiB.
    #[serde(rename_all = "kebab-case")]
    Range {
        /// From this one on.
        first: u64,
        /// How many.
        blocks: NonZeroU64,
    },
    /// The partition of this number in the disk's GUID partition table, counted
    /// from 1.
    Index(NonZeroU32),
    /// The partition of this name there.
    Name(String<PARTITION_NAME_MAX>),
    /// The partition with this GUID of its own there.
    Guid(Guid),
}

impl BlkPartition {
    /// Whether it must be looked up in the disk's partition table.
    pub const fn needs_table(&self) -> bool {
        match self {
            BlkPartition::Whole | BlkPartition::Range { .. } => false,
            BlkPartition::Index(_) | BlkPartition::Name(_) | BlkPartition::Guid(_) => true,
        }
    }
}

/// A RAM disk: a driver that copies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ramdisk {
    /// Where buffers of requests may lie: clients' data regions, mapped in this
    /// order.
    pub data: Vec<IoRegion, DATA_REGIONS_MAX>,
    /// Whether writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

/// A GUID as it lies on a disk: its first three fields little-endian. In the
/// file a text of 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

/// Which byte of a GUID each byte of its text is.
const PLACES: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// The bytes of the text that a dash precedes.
const DASHES: [usize; 4] = [4, 6, 8, 10];

impl Guid {
    /// The GUID of a text.
    pub fn parse(text: &str) -> Option<Guid> {
        let mut bytes = text.bytes();
        let mut guid = [0; 16];
        for (number, place) in PLACES.into_iter().enumerate() {
            if DASHES.contains(&number) && bytes.next()? != b'-' {
                return None;
            }
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            *guid.get_mut(place)? = value as u8;
        }
        bytes.next().is_none().then_some(Guid(guid))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, place) in PLACES.into_iter().enumerate() {
            let dash = if DASHES.contains(&number) { "-" } else { "" };
            write!(f, "{dash}{:02x}", self.0[place])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::<40>::deserialize(deserializer)?;
            Guid::parse(&text).ok_or_else(|| {
                de::Error::custom("a GUID is written as 8-4-4-4-12 hexadecimal digits")
            })
        } else {
            Ok(Guid(Deserialize::deserialize(deserializer)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_guid_is_read_as_it_is_written() {
        let text = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        let guid = Guid::parse(text).unwrap();
        assert_eq!(guid.0[..8], [0xAF, 0x3D, 0xC6, 0x0F, 0x83, 0x84, 0x72, 0x47]);
        assert_eq!(guid.0[8..], [0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4]);
        assert_eq!(guid.to_string(), text);
        assert_eq!(Guid::parse(&text.to_uppercase()), Some(guid));
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "0fc63daf-8483-4772-8e79-3d69d8477de",
            "0fc63daf-8483-4772-8e79-3d69d8477de44",
            "0fc63daf84834772-8e79-3d69d8477de4--",
            "0fc63daf-8483-4772-8e79-3d69d8477dg4",
            "+fc63daf-8483-4772-8e79-3d69d8477de4",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
