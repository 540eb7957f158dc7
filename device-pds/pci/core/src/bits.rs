//! Registers of configuration space: PCI Local Bus Specification 3.0, 6.1 and 6.2.

/// Vendor (low half) and device.
pub const IDENTITY: u8 = 0x00;
/// Command (low half) and status, whose bits a 1 clears.
pub const COMMAND: u8 = 0x04;
/// Revision (lowest byte) and class, whose highest byte says what it is.
pub const CLASS: u8 = 0x08;
/// Header type in the third byte.
pub const HEADER: u8 = 0x0c;
/// The first of six base address registers.
pub const BAR0: u8 = 0x10;
/// Where the first capability is (lowest byte; 6.7).
pub const CAPABILITIES: u8 = 0x34;
/// Interrupt line (lowest byte) and pin.
pub const INTERRUPT: u8 = 0x3c;

/// Vendor of a place where nothing is.
pub const NO_VENDOR: u16 = 0xffff;

/// In COMMAND: it answers to I/O ports.
pub const COMMAND_IO: u32 = 1 << 0;
/// In COMMAND: it answers to memory accesses.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// In COMMAND: it may start transfers.
pub const COMMAND_MASTER: u32 = 1 << 2;
/// In COMMAND: its interrupt pin is off.
pub const COMMAND_NO_INTERRUPT: u32 = 1 << 10;
/// In COMMAND's other half, the status: there is a list of capabilities.
pub const STATUS_CAPABILITIES: u32 = 1 << (16 + 4);
/// The command's half; writing zeros to the other changes nothing.
pub const COMMAND_MASK: u32 = 0xffff;

/// The class of bridges, which pass on what others start.
pub const CLASS_BRIDGE: u8 = 0x06;
/// In HEADER: what the registers from 0x10 on are; 0 for a device's.
pub const HEADER_KIND: u32 = 0x7f << 16;
/// In HEADER: there are functions besides the first.
pub const HEADER_SEVERAL: u32 = 0x80 << 16;

/// In a base address register: it is for I/O ports.
pub const BAR_IO: u32 = 1 << 0;
/// In one for memory: its type.
pub const BAR_TYPE: u32 = 3 << 1;
/// A type: 32 bits wide.
pub const BAR_TYPE_32: u32 = 0 << 1;
/// A type: 64 bits wide, the upper half in the next register.
pub const BAR_TYPE_64: u32 = 2 << 1;
/// What of a register for I/O ports is address.
pub const BAR_IO_MASK: u32 = !0x3;
/// What of a register for memory is address.
pub const BAR_MEMORY_MASK: u32 = !0xf;

/// The PIIX3's function 0: 82371SB. It routes pins.
pub const PIIX3_IDENTITY: u32 = 0x7000_8086;
/// Where its registers PIRQRC[A-D] are, a byte each (82371SB data sheet, 2.3.6).
pub const PIIX3_PIRQ: u8 = 0x60;
/// In PIRQRC: not routed. The lowest four bits are the line.
pub const PIRQ_DISABLED: u8 = 0x80;

/// First place where a capability can be, behind the registers that are fixed (6.7).
pub const CAPABILITY_MIN: u8 = 0x40;
/// A capability's first byte: it is of the maker's own (appendix H).
pub const CAPABILITY_VENDOR: u8 = 0x09;
