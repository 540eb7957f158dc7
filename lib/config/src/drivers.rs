//! What drivers that use DMA are granted.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::IoRegion;

/// Most data regions that a driver serves.
pub const DATA_REGIONS_MAX: usize = 8;

/// A driver of a PIIX's IDE channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ide {
    /// Its own region, for the table of what to transfer.
    pub table: IoRegion,
    /// Where buffers of requests may lie: clients' data regions.
    pub data: Vec<IoRegion, DATA_REGIONS_MAX>,
}

/// A driver of an 82540EM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct E1000 {
    /// Its own region, for the rings of descriptors.
    pub rings: IoRegion,
    /// Where empty buffers lie: the virtualiser's.
    pub receive: IoRegion,
    /// Where frames to send lie: the virtualiser's.
    pub transmit: IoRegion,
}

/// A driver of a virtio disk. It copies: the device reaches its own region only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VirtioBlk {
    /// The device's registers.
    pub registers: IoRegion,
    /// Its own region, which the device reads and writes.
    pub dma: IoRegion,
    /// Where buffers of requests may lie: clients' data regions, mapped in this
    /// order.
    pub data: Vec<IoRegion, DATA_REGIONS_MAX>,
}

/// A driver of a virtio network card. It copies: the device reaches its own region
/// only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VirtioNet {
    /// The device's registers.
    pub registers: IoRegion,
    /// Its own region, which the device reads and writes.
    pub dma: IoRegion,
    /// Where empty buffers lie: the virtualiser's.
    pub receive: IoRegion,
    /// Where frames to send lie: the virtualiser's.
    pub transmit: IoRegion,
}
