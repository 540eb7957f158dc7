//! A memory region as a device sees it.

use heapless::String;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name of a memory region that a configuration can name, in bytes.
pub const REGION_NAME_MAX: usize = 64;

/// A memory region of the description that a device or a driver addresses: in
/// the file its name, compiled also where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IoRegion {
    /// Its name.
    pub name: String<REGION_NAME_MAX>,
    /// The I/O address of its first byte: its `phys_addr`. For a region without
    /// one a number that is its own and no address, which drivers that copy can
    /// serve.
    pub base: u64,
    /// Its size in bytes; 0 until the description is looked at.
    pub size: u64,
}

impl Serialize for IoRegion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.name)
        } else {
            (&self.name, self.base, self.size).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for IoRegion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let name = String::deserialize(deserializer)?;
            if name.is_empty() {
                return Err(de::Error::custom("the name of a memory region is empty"));
            }
            Ok(IoRegion { name, base: 0, size: 0 })
        } else {
            let (name, base, size) = Deserialize::deserialize(deserializer)?;
            Ok(IoRegion { name, base, size })
        }
    }
}
