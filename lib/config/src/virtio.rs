//! What a VMM is told about its guest's virtio devices. Which there are, the
//! description says: those whose regions it maps.

use heapless::String;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::mac::Mac;

/// Most disks of a guest.
pub const DISKS_MAX: usize = 2;

/// Most network interfaces of a guest.
pub const INTERFACES_MAX: usize = 2;

/// Longest serial number of a disk, in bytes (virtio 1.2, 5.2.6).
pub const SERIAL_NUMBER_MAX: usize = 20;

/// Smallest and greatest MTU of an interface: what any IPv6 link carries (RFC 8200, 5),
/// and an Ethernet frame without jumbo frames.
pub const MTU: core::ops::RangeInclusive<u16> = 1280..=1500;

/// A disk.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Disk {
    /// The guest may not write.
    pub read_only: bool,
    /// What the guest gets as serial number; empty: the disk's own.
    pub serial_number: String<SERIAL_NUMBER_MAX>,
    /// How fast.
    pub limit: Limit,
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interface {
    /// Its address; the virtualiser's configuration has the same for this client.
    pub mac: Mac,
    /// Longest packet behind the Ethernet header, in bytes.
    #[serde(default = "largest", deserialize_with = "mtu")]
    pub mtu: u16,
    /// How fast, each way.
    #[serde(default)]
    pub limit: Limit,
}

fn largest() -> u16 {
    *MTU.end()
}

fn mtu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let mtu = u16::deserialize(deserializer)?;
    if MTU.contains(&mtu) {
        Ok(mtu)
    } else {
        Err(de::Error::custom("an MTU is 1280 to 1500 bytes"))
    }
}

/// How fast a device may be. A rate of zero is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limit {
    /// Requests or frames a second.
    pub operations: u64,
    /// As many at once after a pause; 0: a tenth of a second's worth.
    pub operations_burst: u64,
    /// Bytes a second.
    pub bytes: u64,
    /// As many at once after a pause; 0: a tenth of a second's worth.
    pub bytes_burst: u64,
}
