//! The device's features, configuration and requests: virtio 1.2, 5.2.

use sddf::block::TRANSFER_SIZE;
use virtio_drivers::config::ReadOnly;
use zerocopy::{Immutable, IntoBytes};

bitflags::bitflags! {
    /// What is used of a device's features (5.2.3, 6). What is not here is declined.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Features: u64 {
        /// `VIRTIO_BLK_F_RO`: it cannot be written.
        const READ_ONLY = 1 << 5;
        /// `VIRTIO_BLK_F_FLUSH`: it has a cache that must be flushed.
        const FLUSH = 1 << 9;
        /// `VIRTIO_F_VERSION_1`.
        const VERSION_1 = virtio_hal::VERSION_1;
    }
}

/// Its configuration (5.2.4): only what every device has. 64 bits go in two halves.
#[repr(C)]
pub struct Config {
    /// Sectors, the lower half.
    pub capacity_low: ReadOnly<u32>,
    /// The upper half.
    pub capacity_high: ReadOnly<u32>,
}

/// Bytes of a sector, whatever the device's own are (5.2.4).
pub const SECTOR: u64 = 512;

/// Sectors of one of sDDF's blocks.
pub const SECTORS_A_BLOCK: u64 = TRANSFER_SIZE / SECTOR;

/// Types of requests (5.2.6).
pub mod kind {
    /// `VIRTIO_BLK_T_IN`
    pub const READ: u32 = 0;
    /// `VIRTIO_BLK_T_OUT`
    pub const WRITE: u32 = 1;
    /// `VIRTIO_BLK_T_FLUSH`
    pub const FLUSH: u32 = 4;
    /// `VIRTIO_BLK_T_GET_ID`
    pub const GET_ID: u32 = 8;
}

/// Bytes of the answer to [`kind::GET_ID`]: a text, filled up with zeroes (5.2.6).
pub const ID: usize = 20;

/// What a request begins with (5.2.6).
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct Header {
    /// What is wanted.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// The first sector.
    pub sector: u64,
}

/// Bytes of that.
pub const HEADER: usize = size_of::<Header>();

/// What a request ends with: this, if it was done (5.2.6). Other values say why not.
pub const OK: u8 = 0;
/// `VIRTIO_BLK_S_UNSUPP`
pub const UNSUPPORTED: u8 = 2;
