//! Maps: aligned, inside their address space, apart from each other.

use super::{Draft, Report, Taken, overlaps};
use crate::{
    model::{Map, MemoryRegion, SetVarValue},
    parse::IO_TOP,
    rule::Rule,
};
use system_spec::{PageSize, RegionIndex};

pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    for d in &draft.domains {
        let d = &d.domain;
        let space = format!("protection domain `{}`", d.name.value);
        let limit = Limit {
            top: report.board.map_top(d.stack_size),
            why: "the stack and IPC buffer begin there",
        };
        address_space(&draft.regions, &d.maps, &space, &limit, report);
        if let Some(machine) = &d.machine {
            let space = format!("virtual machine `{}`", machine.name.value);
            let limit =
                Limit { top: report.board.guest_top, why: "guest-physical memory ends there" };
            address_space(&draft.regions, &machine.maps, &space, &limit, report);
        }
        variables(draft, d, report);
    }
    for s in &draft.io_spaces {
        for map in &s.maps {
            let region = &draft.regions[usize::from(map.region.0)];
            if region.page_size == PageSize::Large {
                let message = format!("`{}` has pages of 2 MiB", region.name.value);
                report.add(Rule::IoPageSize, &map.span, message, |p| {
                    p.also(&region.span, "the region").cure("give it page_size=\"0x1000\"")
                });
            }
        }
        let space = format!("I/O address space `{}`", s.name.value);
        let limit = Limit { top: IO_TOP, why: "I/O addresses end there" };
        address_space(&draft.regions, &s.maps, &space, &limit, report);
    }
}

/// Where an address space ends for maps.
struct Limit {
    top: u64,
    why: &'static str,
}

fn address_space(
    regions: &[MemoryRegion],
    maps: &[Map],
    space: &str,
    limit: &Limit,
    report: &mut Report<'_>,
) {
    let mut taken = Vec::new();
    for map in maps {
        let region = &regions[usize::from(map.region.0)];
        let name = &region.name.value;
        let page = region.page_size.bytes();
        let start = map.address.value;
        if !start.is_multiple_of(page) {
            let message = format!("`{name}` at {start:#x}, but its pages have {page:#x} bytes");
            report.add(Rule::MapAlignment, &map.address.span, message, |p| {
                p.cure(format!("the page that holds it begins at {:#x}", start & !(page - 1)))
            });
            continue;
        }
        let size = region.least_bytes();
        let end = start.checked_add(size).filter(|&end| end <= limit.top);
        let Some(end) = end else {
            let message = format!("`{name}`, {size:#x} bytes at {start:#x}, leaves the {space}");
            report.add(Rule::MapRange, &map.address.span, message, |p| {
                p.cure(format!("it must end at {:#x} or below: {}", limit.top, limit.why))
            });
            continue;
        };
        taken.push(Taken { start, end, name, span: &map.span });
    }
    for (later, earlier) in overlaps(&mut taken) {
        let message = format!(
            "`{}` at {:#x}..{:#x} overlaps `{}` at {:#x}..{:#x} in {space}",
            later.name, later.start, later.end, earlier.name, earlier.start, earlier.end
        );
        report.add(Rule::MapOverlap, later.span, message, |p| {
            p.also(earlier.span, "the other map")
                .cure(format!("`{}` ends at {:#x}", earlier.name, earlier.end))
        });
    }
}

/// Variables whose value is a property that not every region has.
fn variables(draft: &Draft, d: &crate::model::ProtectionDomain, report: &mut Report<'_>) {
    let region = |i: RegionIndex| &draft.regions[usize::from(i.0)];
    for v in &d.setvars {
        let at = &v.symbol.span;
        match v.value {
            SetVarValue::PrefillSize(i) => {
                let r = region(i);
                let from_file = matches!(r.prefill, Some(crate::model::Prefill::File { .. }));
                if !from_file {
                    let message = format!("`{}` has no prefill file", r.name.value);
                    report.add(Rule::PrefillSizeOfNothing, at, message, |p| {
                        p.also(&r.span, "the region").cure("use `setvar_size`")
                    });
                }
            }
            SetVarValue::RegionPhysAddr(i) => {
                let r = region(i);
                if r.phys_addr.is_none() {
                    let message = format!("`{}` has no fixed physical address", r.name.value);
                    report.add(Rule::SetvarPhysAddr, at, message, |p| {
                        p.also(&r.span, "the region").cure("give it a `phys_addr`")
                    });
                }
            }
            SetVarValue::Number(_) | SetVarValue::RegionSize(_) => {}
        }
    }
}
