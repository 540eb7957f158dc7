//! The records of a compiled description. Indices count records of a kind from
//! zero, in the order of the stream.

use serde::{Deserialize, Serialize};

/// Which protection domain, in the order of [`Spec::protection_domains`](crate::Spec::protection_domains).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PdIndex(pub u16);

/// Which memory region, in the order of [`Spec::regions`](crate::Spec::regions).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RegionIndex(pub u16);

/// A page-aligned range of the payload area. `length` is in bytes and need not
/// be a whole number of pages; the rest of the last page is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// From the start of the payload area, in bytes; a multiple of 4 KiB.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
}

/// What a mapping permits. Read is implied on x86 page tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rights {
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
    /// Instruction fetches. The embedded kernel maps everything executable.
    pub execute: bool,
}

/// Frame size of a memory region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
}

impl PageSize {
    /// In bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.bits()
    }

    /// Log2 of the size in bytes.
    pub const fn bits(self) -> u8 {
        match self {
            PageSize::Small => 12,
            PageSize::Large => 21,
        }
    }
}

/// A protection domain: one thread, one address space, one capability space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProtectionDomain<'a> {
    /// At most 63 bytes, unique.
    pub name: &'a str,
    /// 0 to 254, higher runs first.
    pub priority: u8,
    /// In bytes; a multiple of 4 KiB.
    pub stack_size: u64,
    /// Entry point of its program.
    pub entry: u64,
    /// Parent and the child number under which the parent knows it. The
    /// parent receives its faults and holds its TCB.
    pub parent: Option<(PdIndex, u8)>,
}

/// A loadable part of a protection domain's program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Whose.
    pub pd: PdIndex,
    /// Page-aligned.
    pub vaddr: u64,
    /// In bytes, a multiple of 4 KiB; what exceeds the payload is zero.
    pub size: u64,
    /// How it is mapped.
    pub rights: Rights,
    /// This protection domain's own copy, or nothing for a segment of zeroes.
    pub payload: Option<Payload>,
}

/// A region of physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Region<'a> {
    /// Unique.
    pub name: &'a str,
    /// In bytes, a multiple of the page size.
    pub size: u64,
    /// Frame size.
    pub page_size: PageSize,
    /// Fixed physical address, a multiple of the page size.
    pub phys_addr: Option<u64>,
    /// Initial contents from its start; the rest is zero.
    pub prefill: Option<Payload>,
}

/// A region in a protection domain's address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Map {
    /// Into whose address space.
    pub pd: PdIndex,
    /// What.
    pub region: RegionIndex,
    /// Where; a multiple of the region's page size.
    pub vaddr: u64,
    /// How.
    pub rights: Rights,
    /// Whether accesses are cached. Device registers are not.
    pub cached: bool,
}

/// A virtual machine. On x86 it has one VCPU and shares its protection
/// domain's thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VirtualMachine<'a> {
    /// Unique.
    pub name: &'a str,
    /// The VMM.
    pub pd: PdIndex,
    /// Number under which the VMM names its VCPU.
    pub vcpu_id: u8,
}

/// A region in a guest's physical address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GuestMap {
    /// The virtual machine's VMM.
    pub pd: PdIndex,
    /// What.
    pub region: RegionIndex,
    /// Guest-physical address; a multiple of the region's page size.
    pub gpa: u64,
    /// How.
    pub rights: Rights,
    /// Whether accesses are cached.
    pub cached: bool,
}

/// An interrupt line of an I/O APIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Irq {
    /// Who handles it.
    pub pd: PdIndex,
    /// Its channel number there.
    pub id: u8,
    /// Which I/O APIC.
    pub ioapic: u16,
    /// Which input of it.
    pub pin: u16,
    /// Level-triggered, else edge.
    pub level: bool,
    /// Active low, else high.
    pub active_low: bool,
    /// Interrupt vector, 0 to 107, counted from the kernel's first user vector.
    pub vector: u8,
}

/// A range of I/O ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoPort {
    /// Who may access it.
    pub pd: PdIndex,
    /// Under which number.
    pub id: u8,
    /// First port.
    pub base: u16,
    /// Number of ports, at least 1; `base + size` is at most 0x10000.
    pub size: u32,
}

/// One side of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    /// Whose side.
    pub pd: PdIndex,
    /// The channel's number there, 0 to 61.
    pub id: u8,
    /// May notify the other side.
    pub notify: bool,
    /// May make protected procedure calls to the other side.
    pub pp: bool,
}

/// A channel between two protection domains.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// One side.
    pub a: End,
    /// The other.
    pub b: End,
}
