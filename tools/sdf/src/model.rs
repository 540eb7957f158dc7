//! A description that holds to every rule. Holding a [`System`] proves that
//! its names resolve, its numbers are in range and nothing overlaps that may
//! not; it does not prove that the files it names exist (see
//! [`Files`](crate::Files)) or that the programs fit their maps, which
//! [`compile`](crate::compile()) checks.

use system_spec::{PageSize, PdIndex, RegionIndex};

use crate::{
    board::Board,
    source::{At, Source, Span},
};

/// A whole description.
#[derive(Clone, Debug)]
pub struct System {
    /// Its text.
    pub source: Source,
    /// The board that it was checked for.
    pub board: Board,
    /// The comment at the top of `system`, with its lines.
    pub note: Option<String>,
    /// Protection domains; a parent comes before its children.
    pub domains: Vec<ProtectionDomain>,
    /// Memory regions.
    pub regions: Vec<MemoryRegion>,
    /// Channels.
    pub channels: Vec<Channel>,
    /// I/O address spaces.
    pub io_spaces: Vec<IoSpace>,
    /// The domain schedule, if there is one.
    pub schedule: Option<DomainSchedule>,
}

impl System {
    /// The region that a map names.
    ///
    /// # Panics
    /// The index is of another system.
    pub fn region(&self, index: RegionIndex) -> &MemoryRegion {
        &self.regions[usize::from(index.0)]
    }

    /// The protection domain that an end names.
    ///
    /// # Panics
    /// The index is of another system.
    pub fn domain(&self, index: PdIndex) -> &ProtectionDomain {
        &self.domains[usize::from(index.0)]
    }

    /// Protection domains with their indices.
    pub fn indexed_domains(&self) -> impl Iterator<Item = (PdIndex, &ProtectionDomain)> {
        self.domains.iter().enumerate().map(|(i, d)| (pd_index(i), d))
    }
}

/// A protection domain.
#[derive(Clone, Debug)]
pub struct ProtectionDomain {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it, or the first inside it.
    pub note: Option<String>,
    /// Its name.
    pub name: At<String>,
    /// Priority.
    pub priority: At<u8>,
    /// Microseconds of processor time in each period.
    pub budget: u64,
    /// In microseconds.
    pub period: u64,
    /// Runs only on its callers' time.
    pub passive: bool,
    /// In bytes.
    pub stack_size: u64,
    /// Which processor.
    pub cpu: u8,
    /// May use the FPU.
    pub fpu: bool,
    /// Which scheduling domain.
    pub scheduling_domain: Option<u16>,
    /// The domain that handles its faults, and its number there.
    pub parent: Option<(PdIndex, u8)>,
    /// Its program.
    pub program: Program,
    /// Regions in its address space.
    pub maps: Vec<Map>,
    /// Its interrupts.
    pub irqs: Vec<Irq>,
    /// Its I/O ports.
    pub io_ports: Vec<IoPort>,
    /// Variables of its program that are set when the image is built.
    pub setvars: Vec<SetVar>,
    /// The guest that it runs.
    pub machine: Option<VirtualMachine>,
    /// Capabilities it is given besides.
    pub caps: Vec<CapMap>,
}

/// A program image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// What is loaded.
    pub path: At<String>,
    /// Where symbols are looked up instead.
    pub path_for_symbols: Option<At<String>>,
}

/// Rights of a map, as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Perms {
    /// `r`
    pub read: bool,
    /// `w`
    pub write: bool,
    /// `x`
    pub execute: bool,
}

impl Perms {
    /// The default.
    pub const READ_WRITE: Perms = Perms { read: true, write: true, execute: false };
}

impl std::fmt::Display for Perms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (set, letter) in [(self.read, 'r'), (self.write, 'w'), (self.execute, 'x')] {
            if set {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// A region in an address space.
#[derive(Clone, Debug)]
pub struct Map {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// What.
    pub region: RegionIndex,
    /// Where: virtual for a protection domain, guest-physical for a guest.
    pub address: At<u64>,
    /// How.
    pub perms: Perms,
    /// Whether accesses are cached.
    pub cached: bool,
}

/// How large a region is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionSize {
    /// As written.
    Given(u64),
    /// Its file's, rounded up to whole pages.
    OfFile(u64),
    /// Its file's, which is not built yet.
    OfFileNotBuilt,
}

/// What fills a region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Prefill {
    /// A file.
    File {
        /// As written.
        path: At<String>,
        /// In bytes, if it is built.
        length: Option<u64>,
    },
    /// Something of the kernel's boot information; the word as written.
    Bootinfo(At<String>),
}

/// A memory region.
#[derive(Clone, Debug)]
pub struct MemoryRegion {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// Its name.
    pub name: At<String>,
    /// In bytes.
    pub size: RegionSize,
    /// Where the size is written, if it is.
    pub size_span: Option<Span>,
    /// Of its frames; the largest that fits all its addresses, unless written.
    pub page_size: PageSize,
    /// Whether the page size is written.
    pub page_size_given: bool,
    /// Fixed physical address.
    pub phys_addr: Option<At<u64>>,
    /// What fills it.
    pub prefill: Option<Prefill>,
}

impl MemoryRegion {
    /// Its size, if it is known; never 0.
    pub fn bytes(&self) -> Option<u64> {
        match self.size {
            RegionSize::Given(n) | RegionSize::OfFile(n) => Some(n),
            RegionSize::OfFileNotBuilt => None,
        }
    }

    /// Its size, or the least that it can be.
    pub fn least_bytes(&self) -> u64 {
        self.bytes().unwrap_or(self.page_size.bytes())
    }

    /// Whether it takes memory of a machine that has so many bytes: what has a
    /// fixed address above is a device's.
    pub fn is_ram(&self, memory: u64) -> bool {
        self.phys_addr.as_ref().is_none_or(|at| at.value < memory)
    }
}

/// An interrupt.
#[derive(Clone, Debug)]
pub struct Irq {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// Its channel number.
    pub id: At<u8>,
    /// Its vector, counted from the kernel's first user vector.
    pub vector: At<u8>,
    /// Where it comes from.
    pub source: IrqSource,
}

/// Where an interrupt comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IrqSource {
    /// An input of an I/O APIC.
    IoApic {
        /// Which I/O APIC.
        ioapic: u64,
        /// Which input.
        pin: At<u64>,
        /// Level-triggered, else edge.
        level: bool,
        /// Active low, else high.
        active_low: bool,
    },
    /// A message of a PCI device.
    Msi {
        /// Whose.
        device: At<PciAddress>,
        /// Data of the message.
        handle: u64,
    },
}

/// A function of a PCI device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PciAddress {
    /// 0 to 255.
    pub bus: u8,
    /// 0 to 31.
    pub device: u8,
    /// 0 to 7.
    pub function: u8,
}

impl std::fmt::Display for PciAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus, self.device, self.function)
    }
}

/// A range of I/O ports.
#[derive(Clone, Debug)]
pub struct IoPort {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// Its number in its protection domain.
    pub id: At<u8>,
    /// First port.
    pub base: At<u16>,
    /// Number of ports; `base + size` is at most 0x10000.
    pub size: u32,
}

impl IoPort {
    /// Its ports.
    pub fn range(&self) -> std::ops::Range<u32> {
        let base = u32::from(self.base.value);
        base..base + self.size
    }
}

/// A variable of a program, set when the image is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetVar {
    /// The variable's symbol.
    pub symbol: At<String>,
    /// What it is set to.
    pub value: SetVarValue,
}

/// What a variable is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetVarValue {
    /// A number from the description.
    Number(u64),
    /// A region's size.
    RegionSize(RegionIndex),
    /// The length of a region's prefill file.
    PrefillSize(RegionIndex),
    /// A region's physical address.
    RegionPhysAddr(RegionIndex),
}

/// A guest.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// Its name.
    pub name: At<String>,
    /// Number of its virtual CPU.
    pub vcpu: At<u8>,
    /// Regions in its physical address space.
    pub maps: Vec<Map>,
}

/// Which of a protection domain's capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapKind {
    /// Its thread.
    Tcb,
    /// Its scheduling context.
    SchedulingContext,
    /// Its address space.
    VSpace,
}

/// A capability that a protection domain is given.
#[derive(Clone, Debug)]
pub struct CapMap {
    /// Where its element begins.
    pub span: Span,
    /// Which.
    pub kind: CapKind,
    /// Whose.
    pub pd: PdIndex,
    /// Where: 1 to 127.
    pub slot: At<u8>,
}

/// One side of a channel.
#[derive(Clone, Debug)]
pub struct End {
    /// Where its element begins.
    pub span: Span,
    /// Whose.
    pub pd: PdIndex,
    /// The channel's number there.
    pub id: At<u8>,
    /// May notify the other side.
    pub notify: bool,
    /// May call the other side.
    pub pp: bool,
}

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Where its element begins.
    pub span: Span,
    /// The comment before it.
    pub note: Option<String>,
    /// Its two sides.
    pub ends: [End; 2],
}

/// What a device may reach by DMA.
#[derive(Clone, Debug)]
pub struct IoSpace {
    /// Where its element begins.
    pub span: Span,
    /// Its name.
    pub name: At<String>,
    /// The device.
    pub device: At<PciAddress>,
    /// The IOMMU's number for it.
    pub domain_id: At<u64>,
    /// Regions in it.
    pub maps: Vec<Map>,
}

/// An entry of a domain schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScheduleEntry {
    /// A domain runs.
    Run {
        /// Which.
        domain: u16,
        /// For how long.
        duration: Duration,
    },
    /// The schedule starts again.
    EndMarker,
}

/// How long a scheduling domain runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duration {
    /// Microseconds.
    Microseconds(u64),
    /// The kernel's own ticks.
    Ticks(u64),
}

/// A domain schedule.
#[derive(Clone, Debug)]
pub struct DomainSchedule {
    /// Where its element begins.
    pub span: Span,
    /// Names and numbers, in order of number.
    pub domains: Vec<(String, u16)>,
    /// Entries.
    pub entries: Vec<ScheduleEntry>,
    /// Entry to start with.
    pub start: u64,
    /// Where it lies in the kernel's own schedule.
    pub shift: u64,
}

pub(crate) fn pd_index(i: usize) -> PdIndex {
    PdIndex(u16::try_from(i).unwrap_or(u16::MAX))
}

pub(crate) fn region_index(i: usize) -> RegionIndex {
    RegionIndex(u16::try_from(i).unwrap_or(u16::MAX))
}
