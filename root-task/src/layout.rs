//! Whether a description can be realised at all, before anything is made of
//! it: address ranges that do not meet, and numbers for which there are slots.
//!
//! `tools/sdf` holds a description to these rules and more, with better words.
//! They are held here once more where a broken rule would not fail by itself:
//! this kernel replaces a 4 KiB page that is mapped already without an error,
//! and a number too large would reach a neighbour's slot or badge bit.

use core::fmt;

use heapless::Vec;
use sel4::abi::{IPC_BUFFER, STACK_TOP};
use system_spec::{PAGE_SIZE, PdIndex, RegionIndex, Spec};

/// Address ranges of one protection domain or guest, at most.
const RANGES_MAX: usize = 512;
/// Channels, interrupts, children, port ranges and virtual CPUs are numbered
/// below this (Microkit 2.3: `MICROKIT_MAX_CHANNELS` and its like).
const NUMBERS: u8 = 62;
/// The initial task's own priority; those of domains are below it.
const HIGHEST_PRIORITY: u8 = u8::MAX;

/// What occupies a range of addresses.
#[derive(Clone, Copy, Debug)]
pub enum Occupant {
    /// A part of a domain's program.
    Program,
    /// A memory region.
    Region(&'static str),
    /// A domain's stack, with the guard page below.
    Stack,
    /// A domain's IPC buffer, with the guard page below.
    IpcBuffer,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Occupant::Program => f.write_str("its program"),
            Occupant::Region(name) => write!(f, "region {name}"),
            Occupant::Stack => f.write_str("its stack"),
            Occupant::IpcBuffer => f.write_str("its IPC buffer"),
        }
    }
}

/// From `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    start: u64,
    end: u64,
    occupant: Occupant,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}..{:#x}", self.occupant, self.start, self.end)
    }
}

/// Why a description cannot be realised. Each begins with whose fault it is.
#[derive(Clone, Copy, Debug)]
pub enum LayoutError {
    /// Two things at one address. Holds the domain, or `None` for physical
    /// memory.
    Overlap(Option<&'static str>, Range, Range),
    /// More ranges than this task sorts.
    Ranges(&'static str),
    /// A stack that leaves no address below it.
    Stack(&'static str, u64),
    /// A channel, interrupt, child, virtual CPU or port range.
    Number(&'static str, u8),
    /// A priority that is the initial task's own.
    Priority(&'static str),
    /// A second virtual machine.
    Machines(&'static str),
    /// A domain that is its own ancestor: nobody would hear of its faults.
    Ancestry(&'static str),
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::Overlap(Some(name), a, b) => write!(f, "{name}: {a} overlaps {b}"),
            LayoutError::Overlap(None, a, b) => write!(f, "physical memory: {a} overlaps {b}"),
            LayoutError::Ranges(name) => write!(f, "{name}: more than {RANGES_MAX} mappings"),
            LayoutError::Stack(name, size) => write!(f, "{name}: a stack of {size:#x} bytes"),
            LayoutError::Number(name, n) => {
                write!(f, "{name}: number {n}, and there are 0 to {}", NUMBERS - 1)
            }
            LayoutError::Priority(name) => {
                write!(f, "{name}: priority {HIGHEST_PRIORITY} is taken")
            }
            LayoutError::Machines(name) => write!(f, "{name}: more than one virtual machine"),
            LayoutError::Ancestry(name) => write!(f, "{name}: it is its own ancestor"),
        }
    }
}

/// Ranges of one address space.
#[derive(Default)]
struct Ranges(Vec<Range, RANGES_MAX>);

impl Ranges {
    fn add(&mut self, start: u64, end: u64, occupant: Occupant) -> Option<()> {
        self.0.push(Range { start, end, occupant }).ok()
    }

    /// Two that overlap, if any do.
    fn overlap(mut self) -> Option<(Range, Range)> {
        self.0.sort_unstable_by_key(|range| range.start);
        self.0.windows(2).find_map(|pair| match pair {
            [a, b] if a.end > b.start => Some((*a, *b)),
            _ => None,
        })
    }
}

/// Checks all of it.
///
/// # Errors
/// The first rule that is broken.
pub fn check(spec: &Spec<'static>) -> Result<(), LayoutError> {
    physical(spec)?;
    for (n, pd) in spec.protection_domains().enumerate() {
        let index = PdIndex(n as u16);
        if pd.priority == HIGHEST_PRIORITY {
            return Err(LayoutError::Priority(pd.name));
        }
        domain(spec, index, pd.name, pd.stack_size)?;
        guest(spec, index, pd.name)?;
        numbers(spec, index, pd.name)?;
        ancestry(spec, index, pd.name)?;
    }
    Ok(())
}

/// A region's name and size; `Spec::parse` proved that it exists.
fn region(spec: &Spec<'static>, index: RegionIndex) -> (&'static str, u64) {
    spec.region(index).map_or(("", 0), |r| (r.name, r.size))
}

fn physical(spec: &Spec<'static>) -> Result<(), LayoutError> {
    let mut ranges = Ranges::default();
    for r in spec.regions() {
        let Some(start) = r.phys_addr else { continue };
        ranges
            .add(start, start.saturating_add(r.size), Occupant::Region(r.name))
            .ok_or(LayoutError::Ranges(r.name))?;
    }
    ranges.overlap().map_or(Ok(()), |(a, b)| Err(LayoutError::Overlap(None, a, b)))
}

fn domain(
    spec: &Spec<'static>,
    pd: PdIndex,
    name: &'static str,
    stack_size: u64,
) -> Result<(), LayoutError> {
    let full = LayoutError::Ranges(name);
    let mut ranges = Ranges::default();
    let stack = stack_size
        .checked_add(PAGE_SIZE)
        .and_then(|size| STACK_TOP.checked_sub(size))
        .ok_or(LayoutError::Stack(name, stack_size))?;
    ranges.add(stack, STACK_TOP, Occupant::Stack).ok_or(full)?;
    ranges.add(STACK_TOP, IPC_BUFFER + PAGE_SIZE, Occupant::IpcBuffer).ok_or(full)?;
    for s in spec.segments().filter(|s| s.pd == pd) {
        ranges.add(s.vaddr, s.vaddr.saturating_add(s.size), Occupant::Program).ok_or(full)?;
    }
    for m in spec.maps().filter(|m| m.pd == pd) {
        let (region, size) = region(spec, m.region);
        ranges.add(m.vaddr, m.vaddr.saturating_add(size), Occupant::Region(region)).ok_or(full)?;
    }
    ranges.overlap().map_or(Ok(()), |(a, b)| Err(LayoutError::Overlap(Some(name), a, b)))
}

fn guest(spec: &Spec<'static>, pd: PdIndex, name: &'static str) -> Result<(), LayoutError> {
    let mut machines = spec.virtual_machines().filter(|m| m.pd == pd);
    let Some(machine) = machines.next() else { return Ok(()) };
    if machines.next().is_some() {
        return Err(LayoutError::Machines(name));
    }
    let mut ranges = Ranges::default();
    for m in spec.guest_maps().filter(|m| m.pd == pd) {
        let (region, size) = region(spec, m.region);
        ranges
            .add(m.gpa, m.gpa.saturating_add(size), Occupant::Region(region))
            .ok_or(LayoutError::Ranges(machine.name))?;
    }
    ranges.overlap().map_or(Ok(()), |(a, b)| Err(LayoutError::Overlap(Some(machine.name), a, b)))
}

fn numbers(spec: &Spec<'static>, pd: PdIndex, name: &'static str) -> Result<(), LayoutError> {
    let ends = spec.channels().flat_map(|c| [c.a, c.b]).filter(|e| e.pd == pd).map(|e| e.id);
    let irqs = spec.irqs().filter(|i| i.pd == pd).map(|i| i.id);
    let ports = spec.io_ports().filter(|p| p.pd == pd).map(|p| p.id);
    let vcpus = spec.virtual_machines().filter(|m| m.pd == pd).map(|m| m.vcpu_id);
    let children = spec.protection_domains().filter_map(|d| d.parent);
    let children = children.filter(|(parent, _)| *parent == pd).map(|(_, id)| id);
    match ends.chain(irqs).chain(ports).chain(vcpus).chain(children).find(|&n| n >= NUMBERS) {
        Some(n) => Err(LayoutError::Number(name, n)),
        None => Ok(()),
    }
}

fn ancestry(spec: &Spec<'static>, pd: PdIndex, name: &'static str) -> Result<(), LayoutError> {
    let parent = |of: PdIndex| spec.protection_domains().nth(of.0.into())?.parent;
    let mut at = pd;
    // As many steps as there are domains lead to the root, or round.
    for _ in spec.protection_domains() {
        match parent(at) {
            None => return Ok(()),
            Some((above, _)) => at = above,
        }
    }
    Err(LayoutError::Ancestry(name))
}
