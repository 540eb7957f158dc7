//! Numbers of the network device (virtio 1.2, 5.1).

/// Device type (5).
pub const TYPE: u16 = 1;

/// Feature bits (5.1.3).
pub mod feature {
    /// The device finishes checksums of what the driver sends.
    pub const CSUM: u64 = 1 << 0;
    /// The device says how long packets may be.
    pub const MTU: u64 = 1 << 3;
    /// The device has an address.
    pub const MAC: u64 = 1 << 5;
    /// The device cuts TCP over IPv4 into frames; needs [`CSUM`].
    pub const HOST_TSO4: u64 = 1 << 11;
    /// A frame may be spread over several of the driver's buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The device says whether there is a link.
    pub const STATUS: u64 = 1 << 16;
}

/// Bytes of the header before each frame (5.1.6, `struct virtio_net_hdr`).
pub const HEADER: usize = 12;
/// Offset of the number of buffers that a received frame takes, u16.
pub const NUM_BUFFERS: u32 = 10;
/// Flag of the header: the checksum is to be finished.
pub const NEEDS_CSUM: u8 = 1;
/// Kind of segmentation: none, the only one without a feature of its own.
pub const GSO_NONE: u8 = 0;
/// TCP over IPv4.
pub const GSO_TCPV4: u8 = 1;

/// Bytes of the configuration space that we fill in (5.1.4): address, status, pairs of
/// queues, MTU.
pub const CONFIG: usize = 12;
/// `VIRTIO_NET_S_LINK_UP`.
pub const LINK_UP: u16 = 1;

/// Bytes of an Ethernet header (IEEE 802.3-2018, 3.1.1).
pub const ETHERNET: u32 = 14;
/// Bytes of a VLAN tag behind it (IEEE 802.1Q-2018, 9.3), which an MTU does not count.
pub const TAG: u32 = 4;
