//! Interrupts, ports, channels, calls and children.

use super::{Draft, Report, Taken, overlaps};
use crate::{
    model::{End, IrqSource, pd_index},
    rule::Rule,
};

pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    interrupts(draft, report);
    channel_numbers(draft, report);
    calls(draft, report);
    children(draft, report);
    ports(draft, report);
}

fn interrupts(draft: &Draft, report: &mut Report<'_>) {
    let irqs = || draft.domains.iter().flat_map(|d| &d.domain.irqs);
    report.unique_number(
        Rule::IrqVectorUnique,
        irqs().map(|i| (i.vector.value, i.vector.span.clone())),
        |v| format!("two interrupts with vector {v}"),
    );
    let pins = irqs().filter_map(|i| match &i.source {
        IrqSource::IoApic { ioapic, pin, .. } => Some(((*ioapic, pin.value), pin.span.clone())),
        IrqSource::Msi { .. } => None,
    });
    report.unique(Rule::IrqPinUnique, pins, |(ioapic, pin)| {
        format!("two interrupts from pin {pin} of I/O APIC {ioapic}")
    });
}

fn channel_numbers(draft: &Draft, report: &mut Report<'_>) {
    for (i, d) in draft.domains.iter().enumerate() {
        let irqs = d.domain.irqs.iter().map(|i| &i.id);
        let ends = draft.channels.iter().flat_map(|c| &c.ends);
        let ends = ends.filter(|e| e.pd == pd_index(i)).map(|e| &e.id);
        let name = &d.domain.name.value;
        report.unique_number(
            Rule::ChannelIdUnique,
            irqs.chain(ends).map(|id| (id.value, id.span.clone())),
            |n| format!("`{name}` has two channels with the number {n}"),
        );
    }
}

fn calls(draft: &Draft, report: &mut Report<'_>) {
    for channel in &draft.channels {
        let [a, b] = &channel.ends;
        if a.pp && b.pp {
            // An error already; which of the two is meant nobody knows.
            continue;
        }
        for (caller_end, callee_end) in [(a, b), (b, a)] {
            if caller_end.pp {
                call(draft, report, caller_end, callee_end);
            }
        }
    }
}

fn call(draft: &Draft, report: &mut Report<'_>, from: &End, to: &End) {
    let at = |end: &End| draft.domains.get(usize::from(end.pd.0));
    let (Some(caller), Some(callee)) = (at(from), at(to)) else { return };
    let (a, b) = (&caller.domain, &callee.domain);
    if caller.sound && callee.sound && a.priority.value >= b.priority.value {
        let message = format!(
            "`{}` (priority {}) calls `{}` (priority {})",
            a.name.value, a.priority.value, b.name.value, b.priority.value
        );
        report.add(Rule::PpcPriority, &from.span, message, |p| {
            p.also(&b.priority.span, "the one that is called")
                .cure("raise it above its callers, or notify instead of calling")
        });
    }
    if let Some(machine) = &b.machine {
        let message = format!("`{}` calls `{}`", a.name.value, b.name.value);
        report.add(Rule::PpcToVmm, &from.span, message, |p| {
            p.also(&machine.span, "the called domain runs a guest")
                .cure("no call reaches a domain that is in its guest; notify it and share memory")
        });
    }
}

fn children(draft: &Draft, report: &mut Report<'_>) {
    for (i, d) in draft.domains.iter().enumerate() {
        let Some(machine) = &d.domain.machine else { continue };
        let is_child = |c: &&super::DraftDomain| {
            c.domain.parent.is_some_and(|(parent, _)| parent == pd_index(i))
        };
        if let Some(child) = draft.domains.iter().find(is_child) {
            let message =
                format!("`{}` is a child of `{}`", child.domain.name.value, d.domain.name.value);
            report.add(Rule::VmmWithoutChildren, &child.domain.span, message, |p| {
                p.also(&machine.span, "the parent runs a guest")
                    .cure("its faults could not reach a parent that is in its guest; give both another parent")
            });
        }
    }
}

fn ports(draft: &Draft, report: &mut Report<'_>) {
    let mut taken = Vec::new();
    for d in &draft.domains {
        let d = &d.domain;
        report.unique_number(
            Rule::IoportIdUnique,
            d.io_ports.iter().map(|p| (p.id.value, p.id.span.clone())),
            |n| format!("`{}` has two port ranges with the number {n}", d.name.value),
        );
        for port in &d.io_ports {
            let range = port.range();
            for kept in &report.board.reserved_ports {
                if range.start < kept.range.end && kept.range.start < range.end {
                    let message = format!(
                        "ports {:#x} to {:#x} belong to {}",
                        kept.range.start,
                        kept.range.end - 1,
                        kept.owner
                    );
                    report.add(Rule::ReservedPort, &port.base.span, message, |p| p);
                }
            }
            taken.push(Taken {
                start: range.start.into(),
                end: range.end.into(),
                name: &d.name.value,
                span: &port.span,
            });
        }
    }
    for (later, earlier) in overlaps(&mut taken) {
        let message = format!(
            "ports {:#x} to {:#x} of `{}` overlap {:#x} to {:#x} of `{}`",
            later.start,
            later.end - 1,
            later.name,
            earlier.start,
            earlier.end - 1,
            earlier.name
        );
        report.add(Rule::IoportOverlap, later.span, message, |p| p.also(earlier.span, "these"));
    }
}
