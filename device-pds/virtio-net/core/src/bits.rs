//! The device's features, configuration and frames: virtio 1.2, 5.1.

use virtio_drivers::config::ReadOnly;

bitflags::bitflags! {
    /// What is used of a device's features (5.1.3, 6). What is not here is declined:
    /// without it a frame is one buffer and whole.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Features: u64 {
        /// `VIRTIO_NET_F_MAC`: it says its address.
        const MAC = 1 << 5;
        /// `VIRTIO_NET_F_STATUS`: it says whether there is a link.
        const STATUS = 1 << 16;
        /// `VIRTIO_F_VERSION_1`.
        const VERSION_1 = virtio_hal::VERSION_1;
    }
}

/// Its configuration (5.1.4), as far as the features go.
#[repr(C)]
pub struct Config {
    /// Its address, with [`Features::MAC`].
    pub mac: ReadOnly<[u8; 6]>,
    /// Its status, with [`Features::STATUS`].
    pub status: ReadOnly<u16>,
}

/// In the status: there is a link.
pub const LINK_UP: u16 = 1;

/// The queue of empty buffers, and that of frames to send (5.1.2).
pub const RECEIVE: u16 = 0;
/// As above.
pub const TRANSMIT: u16 = 1;

/// Bytes before each frame (5.1.6): zeroes for a frame that wants nothing done. With
/// `num_buffers`, which is there since 1.0.
pub const HEADER: usize = 12;
