//! Numbers of the block device (virtio 1.2, 5.2).

/// Device type (5).
pub const TYPE: u16 = 2;

/// Feature bits (5.2.3).
pub mod feature {
    /// `size_max` says how long a buffer may be.
    pub const SIZE_MAX: u64 = 1 << 1;
    /// `seg_max` says how many buffers a request may have.
    pub const SEG_MAX: u64 = 1 << 2;
    /// Writes are refused.
    pub const RO: u64 = 1 << 5;
    /// `blk_size` says how long a logical block is.
    pub const BLK_SIZE: u64 = 1 << 6;
    /// There is a volatile cache, and a request to flush it.
    pub const FLUSH: u64 = 1 << 9;
    /// `topology` says what is done best.
    pub const TOPOLOGY: u64 = 1 << 10;
    /// The driver can turn the cache off.
    pub const CONFIG_WCE: u64 = 1 << 11;
    /// There are several queues.
    pub const MQ: u64 = 1 << 12;
    /// There is a request to write zeroes.
    pub const WRITE_ZEROES: u64 = 1 << 14;
}

/// Request types (5.2.6).
pub mod kind {
    /// Read.
    pub const IN: u32 = 0;
    /// Write.
    pub const OUT: u32 = 1;
    /// Flush.
    pub const FLUSH: u32 = 4;
    /// The serial number.
    pub const GET_ID: u32 = 8;
    /// Write zeroes.
    pub const WRITE_ZEROES: u32 = 13;
}

/// Status bytes (5.2.6).
pub mod status {
    /// Done.
    pub const OK: u8 = 0;
    /// The disk failed, or the request makes no sense.
    pub const IOERR: u8 = 1;
    /// There is no such request.
    pub const UNSUPP: u8 = 2;
}

/// Bytes of a sector, the unit of every position (5.2.4).
pub const SECTOR: u64 = 512;
/// Bytes of a request's header (5.2.6, `struct virtio_blk_req`).
pub const HEADER: u32 = 16;
/// Bytes of the answer to `GET_ID`.
pub const ID: usize = 20;
/// Bytes of a range to be zeroed (5.2.6, `struct virtio_blk_discard_write_zeroes`).
pub const RANGE: usize = 16;
/// Its flag that allows to deallocate; we never do, as `write_zeroes_may_unmap` says.
pub const UNMAP: u32 = 1;

/// Bytes of the configuration space (5.2.4, `struct virtio_blk_config`).
pub const CONFIG: usize = 72;
/// Offsets there.
pub mod config {
    /// Sectors of the disk, u64.
    pub const CAPACITY: usize = 0;
    /// Longest buffer, u32.
    pub const SIZE_MAX: usize = 8;
    /// Most buffers of a request, u32.
    pub const SEG_MAX: usize = 12;
    /// Bytes of a logical block, u32.
    pub const BLK_SIZE: usize = 20;
    /// Logical blocks of a physical one, as an exponent of two, u8.
    pub const PHYSICAL_BLOCK_EXP: usize = 24;
    /// Smallest transfer without read-modify-write, in logical blocks, u16.
    pub const MIN_IO_SIZE: usize = 26;
    /// Best transfer, in logical blocks, u32.
    pub const OPT_IO_SIZE: usize = 28;
    /// Whether the cache is on, u8; the driver's to write.
    pub const WRITEBACK: usize = 32;
    /// Queues, u16.
    pub const NUM_QUEUES: usize = 34;
    /// Most sectors to be zeroed by one request, u32.
    pub const MAX_WRITE_ZEROES_SECTORS: usize = 48;
    /// Most ranges to be zeroed by one request, u32.
    pub const MAX_WRITE_ZEROES_SEG: usize = 52;
}
