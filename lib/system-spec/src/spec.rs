//! The reader.

use core::{fmt, marker::PhantomData};

use postcard::take_from_bytes;
use serde::Deserialize;

use crate::{MAGIC, PAGE_SIZE, records::*};

/// Why a stream is not a compiled description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpecError {
    /// It does not begin with [`MAGIC`]: not a description, or of another version.
    Magic,
    /// It ends in the middle, or a record does not decode. Holds the table.
    Malformed(&'static str),
    /// A record names a protection domain or region that does not exist.
    /// Holds the table and the record's position.
    Dangling(&'static str, usize),
    /// A payload is unaligned or leaves the payload area.
    Payload(&'static str, usize),
    /// An address, size or port range wraps or is not a whole number of pages.
    Range(&'static str, usize),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::Magic => write!(
                f,
                "not a compiled system description of this version; rebuild the boot image"
            ),
            SpecError::Malformed(t) => write!(f, "table of {t} does not decode"),
            SpecError::Dangling(t, i) => {
                write!(f, "{t} {i} names a domain or region that does not exist")
            }
            SpecError::Payload(t, i) => write!(f, "payload of {t} {i} leaves the payload area"),
            SpecError::Range(t, i) => write!(f, "address range of {t} {i} is not valid"),
        }
    }
}

/// Records of one kind, not yet decoded: in the stream a count, a length in
/// bytes and that many bytes of records.
#[derive(Debug)]
pub(crate) struct Table<'a, T> {
    count: usize,
    bytes: &'a [u8],
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Table<'_, T> {}

impl<'a, T: Deserialize<'a>> Table<'a, T> {
    /// Decodes every record once, so that [`Table::iter`] cannot stop early.
    fn parse(stream: &mut &'a [u8], name: &'static str) -> Result<Self, SpecError> {
        let malformed = SpecError::Malformed(name);
        let (count, rest) = take_from_bytes::<u32>(stream).map_err(|_| malformed)?;
        let (length, rest) = take_from_bytes::<u32>(rest).map_err(|_| malformed)?;
        let (bytes, rest) = rest.split_at_checked(length as usize).ok_or(malformed)?;
        *stream = rest;
        let mut left = bytes;
        for _ in 0..count {
            let (_, next) = take_from_bytes::<T>(left).map_err(|_| malformed)?;
            if next.len() == left.len() {
                return Err(malformed);
            }
            left = next;
        }
        if !left.is_empty() {
            return Err(malformed);
        }
        Ok(Table { count: count as usize, bytes, kind: PhantomData })
    }

    fn iter(self) -> impl Iterator<Item = T> + Clone + 'a
    where
        T: 'a,
    {
        let mut bytes = self.bytes;
        (0..self.count).map_while(move |_| {
            let (record, rest) = take_from_bytes::<T>(bytes).ok()?;
            bytes = rest;
            Some(record)
        })
    }
}

/// A compiled description whose every record decodes and refers to something.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    domains: Table<'a, ProtectionDomain<'a>>,
    segments: Table<'a, Segment>,
    regions: Table<'a, Region<'a>>,
    maps: Table<'a, Map>,
    machines: Table<'a, VirtualMachine<'a>>,
    guest_maps: Table<'a, GuestMap>,
    irqs: Table<'a, Irq>,
    io_ports: Table<'a, IoPort>,
    channels: Table<'a, Channel>,
}

impl<'a> Spec<'a> {
    /// Reads a description whose payload area has `payload_size` bytes.
    ///
    /// # Errors
    /// The first record that does not decode or refers to nothing.
    pub fn parse(stream: &'a [u8], payload_size: u64) -> Result<Self, SpecError> {
        let mut rest = stream.strip_prefix(&MAGIC[..]).ok_or(SpecError::Magic)?;
        let spec = Spec {
            domains: Table::parse(&mut rest, "protection domain")?,
            segments: Table::parse(&mut rest, "segment")?,
            regions: Table::parse(&mut rest, "memory region")?,
            maps: Table::parse(&mut rest, "map")?,
            machines: Table::parse(&mut rest, "virtual machine")?,
            guest_maps: Table::parse(&mut rest, "guest map")?,
            irqs: Table::parse(&mut rest, "interrupt")?,
            io_ports: Table::parse(&mut rest, "I/O port range")?,
            channels: Table::parse(&mut rest, "channel")?,
        };
        spec.check(payload_size)?;
        Ok(spec)
    }

    fn check(&self, payload_size: u64) -> Result<(), SpecError> {
        let payload_ok = |p: Option<Payload>, size: u64| {
            p.is_none_or(|p| {
                p.offset.is_multiple_of(PAGE_SIZE)
                    && p.length <= size
                    && p.length
                        .checked_next_multiple_of(PAGE_SIZE)
                        .and_then(|l| l.checked_add(p.offset))
                        .is_some_and(|end| end <= payload_size)
            })
        };
        let range_ok = |start: u64, size: u64, unit: u64| {
            start.is_multiple_of(unit)
                && size.is_multiple_of(unit)
                && size > 0
                && start.checked_add(size).is_some()
        };
        let pd_ok = |pd: PdIndex| usize::from(pd.0) < self.domains.count;
        for (i, d) in self.protection_domains().enumerate() {
            let t = "protection domain";
            if d.parent.is_some_and(|(p, _)| !pd_ok(p) || usize::from(p.0) == i) {
                return Err(SpecError::Dangling(t, i));
            }
            if !range_ok(0, d.stack_size, PAGE_SIZE) {
                return Err(SpecError::Range(t, i));
            }
        }
        for (i, s) in self.segments().enumerate() {
            let t = "segment";
            if !pd_ok(s.pd) {
                return Err(SpecError::Dangling(t, i));
            }
            if !range_ok(s.vaddr, s.size, PAGE_SIZE) {
                return Err(SpecError::Range(t, i));
            }
            if !payload_ok(s.payload, s.size) {
                return Err(SpecError::Payload(t, i));
            }
        }
        for (i, r) in self.regions().enumerate() {
            let t = "memory region";
            if !range_ok(r.phys_addr.unwrap_or(0), r.size, r.page_size.bytes()) {
                return Err(SpecError::Range(t, i));
            }
            if !payload_ok(r.prefill, r.size) {
                return Err(SpecError::Payload(t, i));
            }
        }
        let map = |t, i, pd, region: RegionIndex, at| {
            let Some(r) = self.region(region) else { return Err(SpecError::Dangling(t, i)) };
            if !pd_ok(pd) {
                return Err(SpecError::Dangling(t, i));
            }
            if !range_ok(at, r.size, r.page_size.bytes()) {
                return Err(SpecError::Range(t, i));
            }
            Ok(())
        };
        for (i, m) in self.maps().enumerate() {
            map("map", i, m.pd, m.region, m.vaddr)?;
        }
        for (i, m) in self.guest_maps().enumerate() {
            map("guest map", i, m.pd, m.region, m.gpa)?;
        }
        let named = |t, mut pds: &mut dyn Iterator<Item = PdIndex>| match (&mut pds)
            .position(|pd| !pd_ok(pd))
        {
            Some(i) => Err(SpecError::Dangling(t, i)),
            None => Ok(()),
        };
        named("virtual machine", &mut self.virtual_machines().map(|m| m.pd))?;
        named("interrupt", &mut self.irqs().map(|i| i.pd))?;
        named("I/O port range", &mut self.io_ports().map(|p| p.pd))?;
        named("channel", &mut self.channels().map(|c| c.a.pd))?;
        named("channel", &mut self.channels().map(|c| c.b.pd))?;
        for (i, p) in self.io_ports().enumerate() {
            if p.size == 0 || u32::from(p.base) + p.size.min(0x1_0001) > 0x1_0000 {
                return Err(SpecError::Range("I/O port range", i));
            }
        }
        Ok(())
    }

    /// Every protection domain.
    pub fn protection_domains(&self) -> impl Iterator<Item = ProtectionDomain<'a>> + Clone + 'a {
        self.domains.iter()
    }

    /// Every part of a program.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + Clone + 'a {
        self.segments.iter()
    }

    /// Every memory region.
    pub fn regions(&self) -> impl Iterator<Item = Region<'a>> + Clone + 'a {
        self.regions.iter()
    }

    /// One memory region. Decodes those before it: for a table of dozens.
    pub fn region(&self, index: RegionIndex) -> Option<Region<'a>> {
        self.regions.iter().nth(index.0.into())
    }

    /// Every region mapped by a protection domain.
    pub fn maps(&self) -> impl Iterator<Item = Map> + Clone + 'a {
        self.maps.iter()
    }

    /// Every virtual machine.
    pub fn virtual_machines(&self) -> impl Iterator<Item = VirtualMachine<'a>> + Clone + 'a {
        self.machines.iter()
    }

    /// Every region in a guest's physical address space.
    pub fn guest_maps(&self) -> impl Iterator<Item = GuestMap> + Clone + 'a {
        self.guest_maps.iter()
    }

    /// Every interrupt line.
    pub fn irqs(&self) -> impl Iterator<Item = Irq> + Clone + 'a {
        self.irqs.iter()
    }

    /// Every range of I/O ports.
    pub fn io_ports(&self) -> impl Iterator<Item = IoPort> + Clone + 'a {
        self.io_ports.iter()
    }

    /// Every channel.
    pub fn channels(&self) -> impl Iterator<Item = Channel> + Clone + 'a {
        self.channels.iter()
    }
}
