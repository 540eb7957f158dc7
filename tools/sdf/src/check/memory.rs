//! Physical memory: regions apart, nothing of the kernel's, and no more in
//! all than the machine has.

use std::collections::BTreeSet;

use system_spec::{PageSize, RegionIndex};

use super::{Draft, Report, Taken, overlaps};
use crate::{
    board::Board,
    model::{MemoryRegion, ProtectionDomain, region_index},
    rule::Rule,
};

/// Gives a region that leaves its page size open the largest that suits its
/// size and every address of it, as the Microkit's tool does.
pub(super) fn settle_page_sizes(draft: &mut Draft, board: &Board) {
    let in_io_space: BTreeSet<RegionIndex> =
        draft.io_spaces.iter().flat_map(|s| &s.maps).map(|m| m.region).collect();
    let large = PageSize::Large.bytes();
    let unaligned: BTreeSet<RegionIndex> = maps(draft)
        .filter(|(_, address)| !address.is_multiple_of(large))
        .map(|(region, _)| region)
        .collect();
    for (i, r) in draft.regions.iter_mut().enumerate() {
        let index = region_index(i);
        let fits = r.bytes().is_some_and(|n| n.is_multiple_of(large))
            && r.phys_addr.as_ref().is_none_or(|p| p.value.is_multiple_of(large))
            && !unaligned.contains(&index)
            && !in_io_space.contains(&index);
        let can = r.prefill.is_none() || board.promote_prefilled;
        if !r.page_size_given && fits && can {
            r.page_size = PageSize::Large;
        }
    }
}

/// Region and address of every map of a domain or guest.
fn maps(draft: &Draft) -> impl Iterator<Item = (RegionIndex, u64)> {
    draft.domains.iter().flat_map(|d| {
        let guest = d.domain.machine.iter().flat_map(|m| &m.maps);
        d.domain.maps.iter().chain(guest).map(|m| (m.region, m.address.value))
    })
}

pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    physical(&draft.regions, report);
    let used: BTreeSet<RegionIndex> = maps(draft)
        .map(|(region, _)| region)
        .chain(draft.io_spaces.iter().flat_map(|s| &s.maps).map(|m| m.region))
        .collect();
    for (i, r) in draft.regions.iter().enumerate() {
        if !used.contains(&region_index(i)) {
            let message = format!("nobody maps `{}`", r.name.value);
            report.add(Rule::UnusedRegion, &r.span, message, |p| p.cure("map it or remove it"));
        }
    }
    budget(&draft.regions, draft.domains.iter().map(|d| &d.domain), 0, report);
}

fn physical(regions: &[MemoryRegion], report: &mut Report<'_>) {
    let mut taken = Vec::new();
    for r in regions {
        let Some(start) = &r.phys_addr else { continue };
        let Some(end) = start.value.checked_add(r.least_bytes()).filter(|&e| e <= 1 << 47) else {
            let message = format!("`{}` ends beyond physical memory", r.name.value);
            report.add(Rule::PhysRange, &start.span, message, |p| p);
            continue;
        };
        for kept in &report.board.reserved_memory {
            if start.value < kept.range.end && kept.range.start < end {
                let message = format!(
                    "{:#x}..{:#x} belongs to {}",
                    kept.range.start, kept.range.end, kept.owner
                );
                report.add(Rule::ReservedMemory, &start.span, message, |p| p);
            }
        }
        taken.push(Taken { start: start.value, end, name: &r.name.value, span: &r.span });
    }
    for (later, earlier) in overlaps(&mut taken) {
        let message = format!(
            "`{}` at {:#x}..{:#x} overlaps `{}` at {:#x}..{:#x}",
            later.name, later.start, later.end, earlier.name, earlier.start, earlier.end
        );
        report.add(Rule::PhysOverlap, later.span, message, |p| {
            p.also(earlier.span, "the other region")
                .cure("map one region into both protection domains")
        });
    }
}

/// What a protection domain's thread takes besides its program and regions:
/// IPC buffer, page tables and CNodes, rounded up. Not a promise.
const DOMAIN_OVERHEAD: u64 = 128 << 10;

/// Compares what a system takes with what its machine has. `programs` is what
/// its program images take, as far as it is known.
pub(super) fn budget<'a>(
    regions: &[MemoryRegion],
    domains: impl Iterator<Item = &'a ProtectionDomain>,
    programs: u64,
    report: &mut Report<'_>,
) {
    let Some(memory) = report.board.memory else { return };
    let ram: Vec<&MemoryRegion> = regions.iter().filter(|r| r.is_ram(memory)).collect();
    let sizes = ram.iter().map(|r| r.least_bytes());
    let threads = domains.map(|d| d.stack_size.saturating_add(DOMAIN_OVERHEAD));
    // Page tables: an eight-byte entry for each 4 KiB page and the tables
    // above, for two maps of everything.
    let mapped: u64 = ram
        .iter()
        .map(|r| r.least_bytes() / r.page_size.bytes())
        .fold(0, u64::saturating_add)
        .saturating_mul(2 * 8);
    let fixed = report.board.memory_overhead.saturating_add(programs).saturating_add(mapped);
    let total = sizes.chain(threads).fold(fixed, u64::saturating_add);
    if total <= memory {
        return;
    }
    let Some(largest) = ram.iter().max_by_key(|r| r.least_bytes()) else { return };
    let board = report.board.name;
    let message = format!(
        "the system takes {} of memory, board {board} has {}",
        mebibytes(total),
        mebibytes(memory)
    );
    let cure = format!(
        "the largest region is `{}` with {}: make it smaller",
        largest.name.value,
        mebibytes(largest.least_bytes())
    );
    report.add(Rule::MemoryBudget, &largest.span, message, |p| p.cure(cure));
}

fn mebibytes(n: u64) -> String {
    format!("{} MiB", n.div_ceil(1 << 20))
}
