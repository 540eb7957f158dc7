//! What a VMM takes besides its guest's RAM and images: computed from the
//! compiled system, by which the initial task makes every page and object.
//!
//! Counted: the program's pages, stack, IPC buffer, every other region that it
//! maps (queues and such, though their other end has them too), and the kernel's
//! objects that exist for it and its guest: thread, virtual CPU, capability space,
//! notification, endpoint, page tables of both address spaces, those that map RAM
//! and images included.

use std::{collections::BTreeSet, io};

use bulkhead_build::{Overrides, build_system};
use bulkhead_sdf::{Board, ProtectionDomain, SearchPath, SetVarValue, Source, compile, parse};
use miette::{IntoDiagnostic, Result, miette};
use sel4::{abi, cap::ObjectType};
use system_spec::{PAGE_SIZE, PageSize, PdIndex, RegionIndex, Spec};

use super::Request;

/// Variables of a VMM that hold where its guest's images are.
const IMAGES: [&str; 2] = ["kernel_vaddr", "initrd_vaddr"];

/// Log2 of the slots of a domain's capability space (`root-task/src/cspace.rs`).
const CSPACE_RADIX: u8 = 9;

/// Bytes, by what they are for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory {
    /// What, and how many.
    pub parts: Vec<(&'static str, u64)>,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Of the default system's VMM, on the embedded board: a SDK's tool makes objects
/// by rules of its own.
///
/// # Errors
/// The system cannot be built.
pub fn measure(request: &Request<'_>) -> Result<Memory> {
    let description = request.workspace.root.join("system.xml");
    let built = build_system(bulkhead_build::Request {
        workspace: request.workspace,
        description: Some(&description),
        platform: request.platform.clone(),
        overrides: Overrides::default(),
        bill: false,
        progress: &bulkhead_progress::Silent,
    })?;
    let folder = built.image.parent().unwrap_or(&request.workspace.out).to_owned();
    let files = SearchPath::new([folder, built.domains, request.workspace.out.clone()]);
    let board = Board { memory: None, ..Board::bochs() };
    let source = Source::read(&description).into_diagnostic()?;
    let system = parse(&source, &board, &files)?.system;
    let compiled = compile(&system, &files, &mut io::sink())?;
    let spec = Spec::parse(&compiled.spec, compiled.payload_size)
        .map_err(|error| miette!("the compiled system does not parse: {error:?}"))?;
    let machine = spec.virtual_machines().next();
    let machine = machine.ok_or_else(|| miette!("the default system has no guest"))?;
    let domain = system.domains.get(usize::from(machine.pd.0));
    let domain = domain.ok_or_else(|| miette!("the compiled system names no VMM"))?;
    Ok(memory(&spec, machine.pd, &guests_own(domain)))
}

/// Regions that hold the guest's RAM or images. The compiled system counts regions
/// as the description does.
fn guests_own(domain: &ProtectionDomain) -> BTreeSet<u16> {
    let ram = domain.machine.iter().flat_map(|machine| &machine.maps).map(|map| map.region);
    let addresses: Vec<u64> = domain
        .setvars
        .iter()
        .filter(|setvar| IMAGES.contains(&setvar.symbol.value.as_str()))
        .filter_map(|setvar| match setvar.value {
            SetVarValue::Number(address) => Some(address),
            SetVarValue::RegionSize(_)
            | SetVarValue::PrefillSize(_)
            | SetVarValue::RegionPhysAddr(_) => None,
        })
        .collect();
    let images = domain.maps.iter().filter(|map| addresses.contains(&map.address.value));
    ram.chain(images.map(|map| map.region)).map(|index| index.0).collect()
}

/// Adds up what belongs to `pd`.
fn memory(spec: &Spec<'_>, pd: PdIndex, guests_own: &BTreeSet<u16>) -> Memory {
    let program: u64 = spec.segments().filter(|s| s.pd == pd).map(|s| s.size).sum();
    let stack = stack(spec, pd);
    let regions: BTreeSet<u16> = spec
        .maps()
        .filter(|map| map.pd == pd && !guests_own.contains(&map.region.0))
        .map(|map| map.region.0)
        .collect();
    let size = |index: &u16| spec.region(RegionIndex(*index)).map_or(0, |region| region.size);
    let regions = regions.iter().map(size).sum();
    let bytes = |kind: ObjectType| 1u64 << kind.size_bits();
    let objects = bytes(ObjectType::Tcb)
        + bytes(ObjectType::Vcpu)
        + bytes(ObjectType::CNode(CSPACE_RADIX))
        + bytes(ObjectType::Notification)
        + bytes(ObjectType::Endpoint);
    Memory {
        parts: vec![
            ("program", program),
            ("stack and IPC buffer", stack + PAGE_SIZE),
            ("queues, configuration, counters", regions),
            ("kernel objects", objects),
            ("page tables", own_tables(spec, pd) * bytes(ObjectType::PageTable)),
            ("guest's page tables", guest_tables(spec, pd) * bytes(ObjectType::EptPageTable)),
        ],
    }
}

fn stack(spec: &Spec<'_>, pd: PdIndex) -> u64 {
    spec.protection_domains().nth(pd.0.into()).map_or(0, |domain| domain.stack_size)
}

/// Paging structures of the domain's address space.
fn own_tables(spec: &Spec<'_>, pd: PdIndex) -> u64 {
    let mut tables = Tables::default();
    for s in spec.segments().filter(|s| s.pd == pd) {
        tables.map(s.vaddr, s.size, PageSize::Small);
    }
    for map in spec.maps().filter(|map| map.pd == pd) {
        if let Some(region) = spec.region(map.region) {
            tables.map(map.vaddr, region.size, region.page_size);
        }
    }
    let stack = stack(spec, pd);
    tables.map(abi::STACK_TOP.saturating_sub(stack), stack, PageSize::Small);
    tables.map(abi::IPC_BUFFER, PAGE_SIZE, PageSize::Small);
    tables.count()
}

/// Paging structures of its guest's physical address space.
fn guest_tables(spec: &Spec<'_>, pd: PdIndex) -> u64 {
    let mut tables = Tables::default();
    for map in spec.guest_maps().filter(|map| map.pd == pd) {
        if let Some(region) = spec.region(map.region) {
            tables.map(map.gpa, region.size, region.page_size);
        }
    }
    tables.count()
}

/// Paging structures as mappings need them: the root, and what serves a range of
/// addresses on each level below (512 entries each; log2 of what one spans).
#[derive(Default)]
struct Tables(BTreeSet<(u32, u64)>);

const LEVELS: [u32; 3] = [21, 30, 39];

impl Tables {
    fn map(&mut self, address: u64, size: u64, page: PageSize) {
        if size == 0 {
            return;
        }
        let last = address.saturating_add(size - 1);
        for bits in LEVELS.into_iter().filter(|bits| *bits > u32::from(page.bits())) {
            self.0.extend((address >> bits..=last >> bits).map(|n| (bits, n)));
        }
    }

    fn count(&self) -> u64 {
        1 + self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_counted_once_however_many_mappings_they_serve() {
        let mut tables = Tables::default();
        tables.map(0x1000, 0x1000, PageSize::Small);
        tables.map(0x3000, 0x1000, PageSize::Small);
        assert_eq!(tables.count(), 4, "root, and one of each level");
        // 2 MiB pages need no table of the last level.
        tables.map(1 << 30, 256 << 20, PageSize::Large);
        assert_eq!(tables.count(), 5);
        // Two tables of the last level, for a range across their border.
        tables.map((2 << 30) - 0x1000, 0x2000, PageSize::Small);
        assert_eq!(tables.count(), 8);
    }
}
