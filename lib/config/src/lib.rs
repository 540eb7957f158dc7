//! What the system description has no place for: guest command lines, console
//! names, policies. One typed file beside the description (`system.toml`) is
//! checked on the host and compiled into a small read-only region for each
//! protection domain that wants one.
//!
//! Not here: authority. Nothing in a configuration can grant access to
//! anything; it only says how to use what the description granted.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod block;
mod clients;
mod drivers;
mod mac;
mod net;
mod passthrough;
mod pci;
mod region;
mod virtio;

use core::fmt;

use heapless::{String, Vec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shmem::{Read, Region};

pub use crate::block::{BlkClient, BlkPartition, BlkVirt, Guid, PARTITION_NAME_MAX, Ramdisk};
pub use crate::clients::ClientSet;
pub use crate::drivers::{DATA_REGIONS_MAX, E1000, Ide, VirtioBlk, VirtioNet};
pub use crate::mac::Mac;
pub use crate::net::{LEARNED_MAX, NetPort, NetUplink, NetVirt, PORT_MACS_MAX};
pub use crate::passthrough::{
    Dma, PASSED_MAX, PASSED_PARTS_MAX, PassThrough, PassedFunction, PassedInterrupt, PassedMemory,
    PassedPorts,
};
pub use crate::pci::{PCI_DEVICES_MAX, Pci, PciBar, PciDevice, PciSpace};
pub use crate::region::{IoRegion, REGION_NAME_MAX};
pub use crate::virtio::{
    DISKS_MAX, Disk, INTERFACES_MAX, Interface, Limit, MTU, SERIAL_NUMBER_MAX,
};

/// Longest kernel command line, in bytes, without its terminator: Linux's
/// COMMAND_LINE_SIZE on x86 less one.
pub const COMMAND_LINE_MAX: usize = 2047;

/// Longest name of a guest or console, in bytes.
pub const NAME_MAX: usize = 32;

/// Most clients that a serial virtualiser or status domain serves.
pub const CLIENTS_MAX: usize = 8;

/// First bytes of a configuration region; then the length of the encoding
/// (u32, little endian), then the encoding.
pub const MAGIC: [u8; 8] = *b"BHCONF\x00\x01";

/// What to do when a guest does this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Stop the guest for good and report.
    Stop,
    /// Start it again from the pristine images.
    Restart,
}

/// A guest and its VMM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vmm {
    /// Name in reports.
    pub name: String<NAME_MAX>,
    /// Kernel command line.
    pub command_line: String<COMMAND_LINE_MAX>,
    /// On a reset through the ACPI reset register, port 0xCF9, port 0x92 or
    /// the keyboard controller.
    pub on_reset: Action,
    /// On a triple fault.
    pub on_triple_fault: Action,
    /// Resets and triple faults after which a guest is stopped all the same;
    /// counted since the system started. 0: no limit.
    pub restart_limit: u32,
    /// What the guest's real-time clock starts from: seconds since 1970, UTC.
    pub epoch_seconds: u64,
    /// Its virtio disks, in order; one that is not here has no options.
    #[serde(default)]
    pub block: Vec<Disk, DISKS_MAX>,
    /// Its virtio network interfaces, in order.
    #[serde(default)]
    pub net: Vec<Interface, INTERFACES_MAX>,
    /// Real devices that it drives itself.
    #[serde(default)]
    pub passthrough: Vec<PassThrough, PASSED_MAX>,
}

/// A serial virtualiser: its clients' names, in the order of their channels
/// and queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SerialVirt {
    /// One name a client. With a single client its bytes pass unchanged; with
    /// several each line bears its client's name.
    pub clients: Vec<String<NAME_MAX>, CLIENTS_MAX>,
}

/// A status domain: its clients' names, in the order of their channels.
///
/// Guests' VMMs come first, from channel 1 on; then, from channel
/// [`FIRST_REPORTING`] on, domains that report for themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Status {
    /// One name a guest.
    pub clients: Vec<String<NAME_MAX>, CLIENTS_MAX>,
    /// One name a domain.
    #[serde(default)]
    pub domains: Vec<String<NAME_MAX>, CLIENTS_MAX>,
}

/// The status domain's channel to the first of the domains that report for themselves.
pub const FIRST_REPORTING: usize = 1 + CLIENTS_MAX;

/// The channel of every domain that reports for itself to the status domain.
pub const REPORT_CHANNEL: usize = 61;

/// The entropy domain: its clients' names, in the order of their channels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entropy {
    /// One name a client.
    pub clients: Vec<String<NAME_MAX>, CLIENTS_MAX>,
}

/// Why a region does not hold a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// It does not begin with [`MAGIC`].
    Magic,
    /// It does not decode as this kind of configuration.
    Malformed,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Magic => f.write_str("no configuration of this version in the region"),
            ConfigError::Malformed => f.write_str("the configuration is of another kind"),
        }
    }
}

/// Reads a configuration out of its region.
///
/// # Errors
/// The region holds none, or one of another kind.
pub fn read<T: DeserializeOwned>(region: &[u8]) -> Result<T, ConfigError> {
    let rest = region.strip_prefix(&MAGIC[..]).ok_or(ConfigError::Magic)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(ConfigError::Malformed)?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize).ok_or(ConfigError::Malformed)?;
    postcard::from_bytes(body).map_err(|_| ConfigError::Malformed)
}

/// Reads a configuration out of the region that the system description maps.
///
/// # Errors
/// As [`read`].
// Its frame is several times the configuration: nobody's who has it afterwards.
#[inline(never)]
pub fn load<T: DeserializeOwned>(region: &Region<Read>) -> Result<T, ConfigError> {
    /// A VMM's: its command line, its name, some numbers, and a hundred bytes at
    /// most for each of its virtio devices; of a device that is passed through the
    /// names and some numbers.
    const PASSED: usize = (1 + PASSED_PARTS_MAX) * (NAME_MAX + 1) + 64;
    const VMM: usize =
        COMMAND_LINE_MAX + 256 + 100 * (DISKS_MAX + INTERFACES_MAX) + PASSED * PASSED_MAX;
    /// A network virtualiser's: for each port its name and its peers', and a hundred
    /// bytes at most of addresses and numbers; and the uplink's two regions.
    const NET: usize =
        CLIENTS_MAX * ((1 + CLIENTS_MAX) * (NAME_MAX + 1) + 100) + 2 * (REGION_NAME_MAX + 64);
    const LARGEST: usize = if VMM > NET { VMM } else { NET };
    let mut bytes = [0; LARGEST];
    let (bytes, _) = bytes.split_at_mut(LARGEST.min(region.len()));
    region.read(0, bytes).map_err(|_| ConfigError::Malformed)?;
    read(bytes)
}

/// Encodes a configuration as [`read`] expects it.
///
/// # Errors
/// An encoding of 2^32 bytes.
#[cfg(feature = "std")]
pub fn write<T: Serialize>(config: &T) -> postcard::Result<std::vec::Vec<u8>> {
    let body = postcard::to_stdvec(config)?;
    let length = u32::try_from(body.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
    let mut out = MAGIC.to_vec();
    out.extend(length.to_le_bytes());
    out.extend(body);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let mut clients = Vec::new();
        clients.push(String::try_from("debian").unwrap()).unwrap();
        Status { domains: clients.clone(), clients }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut region = write(&status()).unwrap();
        region.resize(4096, 0);
        assert_eq!(read::<Status>(&region), Ok(status()));
    }

    /// The largest that can be written: every list full, every number long.
    #[test]
    fn the_largest_network_is_loaded_whole() {
        let name = |i: usize| String::try_from(std::format!("{i:032}").as_str()).unwrap();
        let limit = Limit {
            operations: u64::MAX,
            operations_burst: u64::MAX,
            bytes: u64::MAX,
            bytes_burst: u64::MAX,
        };
        let region = || IoRegion {
            name: String::try_from("r".repeat(REGION_NAME_MAX).as_str()).unwrap(),
            base: u64::MAX,
            size: u64::MAX,
        };
        let ports = (0..CLIENTS_MAX).map(|i| NetPort {
            name: name(i),
            macs: (0..PORT_MACS_MAX as u8)
                .map(|j| Mac::new([2, 0, 0, 0, i as u8, j]).unwrap())
                .collect(),
            learn: u8::MAX,
            peers: Some((0..CLIENTS_MAX).map(name).collect()),
            uplink: true,
            limit,
            group_frames: u64::MAX,
        });
        let uplink =
            NetUplink { receive: region(), transmit: region(), limit, group_frames: u64::MAX };
        let virt = NetVirt { uplink: Some(uplink), ports: ports.collect() };
        let mut bytes = write(&virt).unwrap();
        bytes.resize(4096, 0);
        assert_eq!(load::<NetVirt>(&Region::host_with_read_only(&bytes)), Ok(virt));
    }

    #[test]
    fn a_truncated_or_foreign_region_is_refused() {
        let bytes = write(&status()).unwrap();
        for length in 0..bytes.len() {
            assert!(read::<Status>(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(read::<Status>(&[0; 4096]), Err(ConfigError::Magic));
    }
}
