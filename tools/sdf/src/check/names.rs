//! What must differ from each other.

use super::{Draft, Report};
use crate::rule::Rule;

pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    // A name that could not be read is empty; that is an error already.
    let named = |name: &crate::source::At<String>| {
        (!name.value.is_empty()).then(|| (name.value.clone(), name.span.clone()))
    };
    report.unique(
        Rule::PdNameUnique,
        draft.domains.iter().filter_map(|d| named(&d.domain.name)),
        |n| format!("two protection domains are called `{n}`"),
    );
    report.unique(
        Rule::RegionNameUnique,
        draft.regions.iter().filter_map(|r| named(&r.name)),
        |n| format!("two memory regions are called `{n}`"),
    );
    report.unique(
        Rule::VmNameUnique,
        draft.domains.iter().filter_map(|d| named(&d.domain.machine.as_ref()?.name)),
        |n| format!("two virtual machines are called `{n}`"),
    );
    let spaces = &draft.io_spaces;
    report.unique(Rule::IoSpaceUnique, spaces.iter().filter_map(|s| named(&s.name)), |n| {
        format!("two I/O address spaces are called `{n}`")
    });
    report.unique(
        Rule::IoSpaceUnique,
        spaces.iter().map(|s| (s.domain_id.value, s.domain_id.span.clone())),
        |n| format!("two I/O address spaces have `domain_id` {n}"),
    );
    report.unique(
        Rule::IoSpaceUnique,
        spaces.iter().map(|s| (s.device.value, s.device.span.clone())),
        |n| format!("two I/O address spaces for device {n}"),
    );
}
