//! Registers, their bits, and descriptors: Intel's PCI/PCI-X Family of Gigabit
//! Ethernet Controllers Software Developer's Manual (317453), chapters 3 and 13.

/// A register, by its offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Register(pub u32);

impl Register {
    /// Device control.
    pub const CTRL: Register = Register(0x0000);
    /// Device status.
    pub const STATUS: Register = Register(0x0008);
    /// EEPROM read.
    pub const EERD: Register = Register(0x0014);
    /// Interrupt causes; reading clears them and takes the interrupt back.
    pub const ICR: Register = Register(0x00c0);
    /// Interrupt throttle: least time between two, in 256 ns.
    pub const ITR: Register = Register(0x00c4);
    /// Interrupts to enable.
    pub const IMS: Register = Register(0x00d0);
    /// Interrupts to disable.
    pub const IMC: Register = Register(0x00d8);
    /// Receive control.
    pub const RCTL: Register = Register(0x0100);
    /// Transmit control.
    pub const TCTL: Register = Register(0x0400);
    /// Gaps between frames.
    pub const TIPG: Register = Register(0x0410);
    /// Receive ring: address, low half; the others follow it.
    pub const RDBAL: Register = Register(0x2800);
    /// Address, high half.
    pub const RDBAH: Register = Register(0x2804);
    /// Bytes.
    pub const RDLEN: Register = Register(0x2808);
    /// Head: where the device is.
    pub const RDH: Register = Register(0x2810);
    /// Tail: one after the last that it may use.
    pub const RDT: Register = Register(0x2818);
    /// Transmit ring, likewise.
    pub const TDBAL: Register = Register(0x3800);
    /// Address, high half.
    pub const TDBAH: Register = Register(0x3804);
    /// Bytes.
    pub const TDLEN: Register = Register(0x3808);
    /// Head.
    pub const TDH: Register = Register(0x3810);
    /// Tail.
    pub const TDT: Register = Register(0x3818);
    /// First address that it receives for, low four bytes.
    pub const RAL0: Register = Register(0x5400);
    /// High two bytes, and whether it is valid.
    pub const RAH0: Register = Register(0x5404);

    /// The nth word of the table of groups' addresses.
    pub const fn mta(n: u32) -> Register {
        Register(0x5200 + 4 * n)
    }
}

/// Words of that table.
pub const MTA_WORDS: u32 = 128;

/// CTRL: link reset, which 82540s have no use for.
pub const CTRL_LRST: u32 = 1 << 3;
/// CTRL: the speed is detected.
pub const CTRL_ASDE: u32 = 1 << 5;
/// CTRL: the link is to be up.
pub const CTRL_SLU: u32 = 1 << 6;
/// CTRL: loss of signal is inverted.
pub const CTRL_ILOS: u32 = 1 << 7;
/// CTRL: reset; clears itself.
pub const CTRL_RST: u32 = 1 << 26;
/// CTRL: the PHY is in reset.
pub const CTRL_PHY_RST: u32 = 1 << 31;

/// EERD: read the word whose number is in bits 15:8 (13.4.4, of the 82540EM).
pub const EERD_START: u32 = 1 << 0;
/// EERD: the word is in bits 31:16.
pub const EERD_DONE: u32 = 1 << 4;

/// RAH0: the address is valid.
pub const RAH_VALID: u32 = 1 << 31;

/// STATUS: the link is up.
pub const STATUS_LU: u32 = 1 << 1;

/// Causes: a frame was transmitted.
pub const TXDW: u32 = 1 << 0;
/// Causes: the link went up or down.
pub const LSC: u32 = 1 << 2;
/// Causes: few receive descriptors are left.
pub const RXDMT0: u32 = 1 << 4;
/// Causes: frames were lost for want of descriptors.
pub const RXO: u32 = 1 << 6;
/// Causes: a frame was received.
pub const RXT0: u32 = 1 << 7;

/// RCTL: receive.
pub const RCTL_EN: u32 = 1 << 1;
/// RCTL: frames for every station, for each client has an address of its own.
pub const RCTL_UPE: u32 = 1 << 3;
/// RCTL: frames for every group.
pub const RCTL_MPE: u32 = 1 << 4;
/// RCTL: frames for all.
pub const RCTL_BAM: u32 = 1 << 15;
/// RCTL: the checksum of a frame is left out. Buffers are of 2,048 bytes with
/// bits 17:16 clear.
pub const RCTL_SECRC: u32 = 1 << 26;

/// TCTL: transmit.
pub const TCTL_EN: u32 = 1 << 1;
/// TCTL: short frames are filled up.
pub const TCTL_PSP: u32 = 1 << 3;
/// TCTL: collision threshold (15) and distance (full duplex: 64), as 13.4.33 wants.
pub const TCTL_COLLISIONS: u32 = 15 << 4 | 64 << 12;

/// TIPG for copper (13.4.34).
pub const TIPG_COPPER: u32 = 10 | 8 << 10 | 6 << 20;

/// ITR: 32 us.
pub const ITR_32_US: u32 = 125;

/// Bytes of a descriptor, of either kind (3.2.3, 3.3.3).
pub const DESCRIPTOR: usize = 16;
/// Where its status is, in the second eight bytes.
pub const STATUS_SHIFT: u32 = 32;
/// Status: the device is done with it.
pub const DD: u8 = 1 << 0;
/// Status of a receive descriptor: the frame ends here.
pub const RECEIVED_EOP: u8 = 1 << 1;
/// Where the errors of a received frame are.
pub const ERRORS_SHIFT: u32 = 40;
/// Command of a transmit descriptor: end of frame, append the checksum, report.
pub const SEND: u64 = (1 | 1 << 1 | 1 << 3) << 24;
