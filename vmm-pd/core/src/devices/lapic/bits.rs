//! Registers of the local APIC and their bits (Intel SDM vol. 3A, chapter 11;
//! tables 11-1 and 11-6 for the addresses).

/// Version register: version 14h, the last LVT entry is 5 (no CMCI), and EOI
/// broadcasts can be suppressed (figure 11-7).
pub const VERSION: u32 = 0x14 | 5 << 16 | 1 << 24;

/// A register, whatever way leads to it: offset in the page divided by 16, or
/// MSR number less 800h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// 02h: local APIC ID.
    Id,
    /// 03h: version.
    Version,
    /// 08h: task priority.
    TaskPriority,
    /// 09h: arbitration priority; only in the page, always zero.
    ArbitrationPriority,
    /// 0Ah: processor priority.
    ProcessorPriority,
    /// 0Bh: end of interrupt.
    Eoi,
    /// 0Ch: remote read; only in the page, always zero.
    RemoteRead,
    /// 0Dh: logical destination.
    LogicalDestination,
    /// 0Eh: destination format; only in the page.
    DestinationFormat,
    /// 0Fh: spurious-interrupt vector.
    SpuriousVector,
    /// 10h to 17h: in service.
    InService(u8),
    /// 18h to 1Fh: trigger mode.
    TriggerMode(u8),
    /// 20h to 27h: requested.
    Request(u8),
    /// 28h: error status.
    ErrorStatus,
    /// 30h: interrupt command; all 64 bits as an MSR.
    Command,
    /// 31h: its upper half; only in the page.
    CommandHigh,
    /// 32h to 37h: local vector table.
    Lvt(LvtEntry),
    /// 38h: initial count of the timer.
    InitialCount,
    /// 39h: current count.
    CurrentCount,
    /// 3Eh: divide configuration.
    Divide,
    /// 3Fh: self IPI; only an MSR.
    SelfIpi,
}

/// An entry of the local vector table, in the order of their registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LvtEntry {
    /// Timer.
    Timer,
    /// Thermal sensor: there is none.
    Thermal,
    /// Performance counters: there are none.
    Performance,
    /// Pin LINT0: the 8259 pair.
    Lint0,
    /// Pin LINT1: NMI.
    Lint1,
    /// APIC errors.
    Error,
}

impl LvtEntry {
    /// The bits that software may write.
    pub const fn writable(self) -> u32 {
        match self {
            LvtEntry::Timer => lvt::VECTOR | lvt::MASKED | lvt::TIMER_MODE,
            LvtEntry::Thermal | LvtEntry::Performance => {
                lvt::VECTOR | lvt::DELIVERY_MODE | lvt::MASKED
            }
            LvtEntry::Lint0 | LvtEntry::Lint1 => {
                lvt::VECTOR | lvt::DELIVERY_MODE | lvt::POLARITY | lvt::LEVEL | lvt::MASKED
            }
            LvtEntry::Error => lvt::VECTOR | lvt::MASKED,
        }
    }

    /// The bits that are defined but read-only.
    pub const fn read_only(self) -> u32 {
        match self {
            LvtEntry::Lint0 | LvtEntry::Lint1 => lvt::DELIVERY_STATUS | lvt::REMOTE_IRR,
            LvtEntry::Timer | LvtEntry::Thermal | LvtEntry::Performance | LvtEntry::Error => {
                lvt::DELIVERY_STATUS
            }
        }
    }
}

impl Register {
    /// The register of an index, if there is one.
    pub const fn from_index(index: u8) -> Option<Register> {
        Some(match index {
            0x02 => Register::Id,
            0x03 => Register::Version,
            0x08 => Register::TaskPriority,
            0x09 => Register::ArbitrationPriority,
            0x0A => Register::ProcessorPriority,
            0x0B => Register::Eoi,
            0x0C => Register::RemoteRead,
            0x0D => Register::LogicalDestination,
            0x0E => Register::DestinationFormat,
            0x0F => Register::SpuriousVector,
            0x10..=0x17 => Register::InService(index - 0x10),
            0x18..=0x1F => Register::TriggerMode(index - 0x18),
            0x20..=0x27 => Register::Request(index - 0x20),
            0x28 => Register::ErrorStatus,
            0x30 => Register::Command,
            0x31 => Register::CommandHigh,
            0x32 => Register::Lvt(LvtEntry::Timer),
            0x33 => Register::Lvt(LvtEntry::Thermal),
            0x34 => Register::Lvt(LvtEntry::Performance),
            0x35 => Register::Lvt(LvtEntry::Lint0),
            0x36 => Register::Lvt(LvtEntry::Lint1),
            0x37 => Register::Lvt(LvtEntry::Error),
            0x38 => Register::InitialCount,
            0x39 => Register::CurrentCount,
            0x3E => Register::Divide,
            0x3F => Register::SelfIpi,
            _ => return None,
        })
    }
}

/// IA32_APIC_BASE (figure 11-5; section 11.12.1).
pub mod base {
    /// BSP.
    pub const BSP: u64 = 1 << 8;
    /// EXTD: x2APIC mode.
    pub const EXTENDED: u64 = 1 << 10;
    /// EN: global enable.
    pub const ENABLE: u64 = 1 << 11;
    /// Where the address of the page begins.
    pub const PAGE_SHIFT: u32 = 12;
    /// The page after reset.
    pub const DEFAULT_PAGE: u64 = 0xFEE0_0000;
}

/// Local vector table entries (figure 11-8).
pub mod lvt {
    /// Vector.
    pub const VECTOR: u32 = 0xFF;
    /// Delivery mode, as in a message.
    pub const DELIVERY_MODE: u32 = 0b111 << 8;
    /// Where it begins.
    pub const DELIVERY_MODE_SHIFT: u32 = 8;
    /// Send pending; always clear here, delivery takes no time.
    pub const DELIVERY_STATUS: u32 = 1 << 12;
    /// Active low. Kept, without effect: lines here are asserted or not.
    pub const POLARITY: u32 = 1 << 13;
    /// A level-triggered interrupt was accepted and not ended yet.
    pub const REMOTE_IRR: u32 = 1 << 14;
    /// Level-triggered.
    pub const LEVEL: u32 = 1 << 15;
    /// Masked.
    pub const MASKED: u32 = 1 << 16;
    /// Timer mode.
    pub const TIMER_MODE: u32 = 0b11 << 17;
    /// Where it begins.
    pub const TIMER_MODE_SHIFT: u32 = 17;
}

/// Interrupt command register (figures 11-12 and 11-28).
pub mod icr {
    /// What the low half keeps of a write: vector, delivery mode, destination
    /// mode, level, trigger mode, shorthand.
    pub const WRITABLE: u32 = 0x000C_CFFF;
    /// What must be zero in the MSR: 13, 17:16, 31:20. Bit 12, the page's
    /// delivery status, is ignored.
    pub const X2APIC_RESERVED: u64 = 0xFFF3_2000;
    /// Where the delivery mode begins.
    pub const DELIVERY_MODE_SHIFT: u32 = 8;
    /// Logical destination.
    pub const LOGICAL: u32 = 1 << 11;
    /// Level: assert.
    pub const ASSERT: u32 = 1 << 14;
    /// Trigger mode: level.
    pub const LEVEL: u32 = 1 << 15;
    /// Where the shorthand begins; two bits.
    pub const SHORTHAND_SHIFT: u32 = 18;
}

/// Spurious-interrupt vector register (figure 11-23).
pub mod svr {
    /// Software enable.
    pub const ENABLE: u32 = 1 << 8;
    /// Suppress EOI broadcasts.
    pub const SUPPRESS_EOI_BROADCAST: u32 = 1 << 12;
    /// What a write keeps; bit 9, focus checking, included for old software.
    pub const WRITABLE: u32 = 0x13FF;
    /// After reset: disabled.
    pub const RESET: u32 = 0xFF;
}

/// Error status register (figure 11-9).
pub mod esr {
    /// Send illegal vector.
    pub const SEND_ILLEGAL_VECTOR: u8 = 1 << 5;
    /// Receive illegal vector.
    pub const RECEIVE_ILLEGAL_VECTOR: u8 = 1 << 6;
    /// Illegal register address.
    pub const ILLEGAL_REGISTER: u8 = 1 << 7;
}

/// Destination format register (figure 11-14): the model's four bits.
pub mod dfr {
    /// Every bit of the logical ID is a processor.
    pub const FLAT: u8 = 0xF;
    /// High nibble cluster, low nibble processors.
    pub const CLUSTER: u8 = 0;
}

/// Divide configuration: bits 0, 1 and 3 (figure 11-10).
pub const DIVIDE: u32 = 0b1011;
