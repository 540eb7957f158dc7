//! Registers of the I/O APIC (Intel 82093AA data sheet, 290566-001, 3.1 and
//! 3.2; the EOI register: Intel I/O Controller Hub 5 data sheet, 252516-001,
//! 9.5.6).

/// Offsets in the page.
pub mod page {
    /// IOREGSEL: index of the register behind the window.
    pub const SELECT: u32 = 0x00;
    /// IOWIN: the window.
    pub const WINDOW: u32 = 0x10;
    /// EOI: a vector that ended.
    pub const EOI: u32 = 0x40;
}

/// Indices behind the window.
pub mod index {
    /// IOAPICID.
    pub const ID: u8 = 0x00;
    /// IOAPICVER.
    pub const VERSION: u8 = 0x01;
    /// IOAPICARB.
    pub const ARBITRATION: u8 = 0x02;
    /// IOREDTBL: two registers a pin from here, low half first.
    pub const REDIRECTION: u8 = 0x10;
}

/// Version 20h, which has the EOI register; the last entry is 23.
pub const VERSION: u32 = 0x20 | 23 << 16;

/// Where the identity is in its registers.
pub const ID_SHIFT: u32 = 24;

/// Its width.
pub const ID: u32 = 0xF;

/// Redirection table entries.
pub mod entry {
    /// Vector.
    pub const VECTOR: u64 = 0xFF;
    /// Where the delivery mode begins; three bits.
    pub const DELIVERY_MODE_SHIFT: u32 = 8;
    /// Logical destination.
    pub const LOGICAL: u64 = 1 << 11;
    /// Delivery status: a request waits to be taken. Read-only.
    pub const SEND_PENDING: u64 = 1 << 12;
    /// Active low. Kept, without effect: lines here are asserted or not.
    pub const POLARITY: u64 = 1 << 13;
    /// A level-triggered interrupt was taken and not ended yet. Read-only.
    pub const REMOTE_IRR: u64 = 1 << 14;
    /// Level-triggered.
    pub const LEVEL: u64 = 1 << 15;
    /// Masked.
    pub const MASKED: u64 = 1 << 16;
    /// Where the destination begins; eight bits.
    pub const DESTINATION_SHIFT: u32 = 56;
    /// What software may write of the low half.
    pub const WRITABLE_LOW: u64 = 0x0001_AFFF;
    /// What software may write of the high half.
    pub const WRITABLE_HIGH: u64 = 0xFF00_0000_0000_0000;
}
