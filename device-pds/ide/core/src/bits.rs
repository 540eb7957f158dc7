//! Registers and their bits: ATA/ATAPI-6 (T13 1410D), clauses 7 to 9, and the
//! 82371SB's bus master (Intel 290550, 2.7; the Bus Master IDE programming
//! interface 1.0).

/// A register of the channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Command block, 0: data, 16 bits wide.
    Data,
    /// 1: error when read.
    Error,
    /// 2: sector count.
    Count,
    /// 3: bits 0 to 7 of the address.
    Low,
    /// 4: bits 8 to 15.
    Mid,
    /// 5: bits 16 to 23.
    High,
    /// 6: device, and bits 24 to 27 where the address has 28.
    Device,
    /// 7: status when read, which takes the interrupt back; command when written.
    StatusCommand,
    /// Control block: status when read, without taking the interrupt back; device
    /// control when written.
    AlternateControl,
    /// Bus master, 0: command.
    MasterCommand,
    /// Bus master, 2: status.
    MasterStatus,
    /// Bus master, 4: address of the table, 32 bits wide.
    MasterTable,
}

/// Status: busy; no other bit is valid.
pub const BUSY: u8 = 1 << 7;
/// Status: device fault.
pub const FAULT: u8 = 1 << 5;
/// Status: ready to transfer data by the data register.
pub const DATA_REQUEST: u8 = 1 << 3;
/// Status: error; the error register says which.
pub const ERROR: u8 = 1 << 0;
/// What is read where no device drives the lines.
pub const FLOATING: u8 = 0xff;

/// Device register: addresses are of blocks, not cylinders; device 0. Bits 7 and
/// 5 are obsolete and set by custom.
pub const DEVICE_0_LBA: u8 = 0xe0;

/// Device control: software reset.
pub const SOFTWARE_RESET: u8 = 1 << 2;

/// Commands.
pub mod command {
    /// READ DMA (8.25), 28 bits of address.
    pub const READ_DMA: u8 = 0xc8;
    /// READ DMA EXT (8.26), 48 bits.
    pub const READ_DMA_EXT: u8 = 0x25;
    /// WRITE DMA (8.45).
    pub const WRITE_DMA: u8 = 0xca;
    /// WRITE DMA EXT (8.46).
    pub const WRITE_DMA_EXT: u8 = 0x35;
    /// FLUSH CACHE (8.12).
    pub const FLUSH_CACHE: u8 = 0xe7;
    /// FLUSH CACHE EXT (8.13).
    pub const FLUSH_CACHE_EXT: u8 = 0xea;
    /// IDENTIFY DEVICE (8.15).
    pub const IDENTIFY_DEVICE: u8 = 0xec;
}

/// Master command: start.
pub const MASTER_START: u8 = 1 << 0;
/// Master command: into memory.
pub const MASTER_INTO_MEMORY: u8 = 1 << 3;
/// Master status: at work.
pub const MASTER_ACTIVE: u8 = 1 << 0;
/// Master status: a transfer failed on the bus; a 1 clears it.
pub const MASTER_ERROR: u8 = 1 << 1;
/// Master status: the channel's interrupt came; a 1 clears it.
pub const MASTER_INTERRUPT: u8 = 1 << 2;
/// Master status: what the firmware says of the devices' abilities, to be kept.
pub const MASTER_KEEP: u8 = 0b11 << 5;
