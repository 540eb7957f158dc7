//! A picture of a system: guests above, their VMMs, then each protection
//! domain as many steps below as it is away from a VMM, and under each the
//! devices it holds. A line is memory that one side writes and the other reads.
//!
//! The picture depends on the description only: no font is measured, nothing
//! is random, and positions are whole numbers.

mod draw;
mod layout;

use std::collections::VecDeque;

use bulkhead_config::REPORT_CHANNEL;
use system_spec::PdIndex;

use self::layout::{Link, Node, layout};
use crate::{
    authority::bytes,
    model::{End, IrqSource, ProtectionDomain, System, region_index},
};

/// Draws a system as a scalable picture (SVG) that is legible on light and
/// dark pages.
pub fn topology_svg(system: &System) -> String {
    let links = links(system);
    let ranks = ranks(system, &links);
    let nodes = system
        .indexed_domains()
        .map(|(i, d)| node(system, i, d, ranks[usize::from(i.0)]))
        .collect();
    draw::svg(&layout(nodes, links), &title(system))
}

fn title(system: &System) -> String {
    let name = system.source.name();
    format!("Protection domains of {}", name.rsplit('/').next().unwrap_or(name))
}

/// Pairs of domains between which information can flow, and how.
fn links(system: &System) -> Vec<Link> {
    let mut links = Vec::new();
    for (a, da) in system.indexed_domains() {
        for (b, db) in system.indexed_domains().filter(|(b, _)| *b > a) {
            let (mut regions, mut size) = (0, 0_u64);
            for (i, r) in system.regions.iter().enumerate() {
                let map = |d: &ProtectionDomain| {
                    d.maps.iter().find(|m| usize::from(m.region.0) == i).map(|m| m.perms)
                };
                if let (Some(pa), Some(pb)) = (map(da), map(db))
                    && (pa.write || pb.write)
                {
                    regions += 1;
                    size = size.saturating_add(r.least_bytes());
                }
            }
            // Every domain may have such a link to one: lines would hide all others.
            // It is written into the domain's box.
            if regions == 1
                && (reports_to(system, a) == Some(b) || reports_to(system, b) == Some(a))
            {
                continue;
            }
            let (forth, back) = signals(system, a, b);
            if regions == 0 && !forth && !back {
                continue;
            }
            let label = match regions {
                0 => "signals only".to_owned(),
                1 => format!("1 region, {}", bytes(size)),
                n => format!("{n} regions, {}", bytes(size)),
            };
            links.push(Link { a: a.0.into(), b: b.0.into(), label, forth, back });
        }
    }
    links
}

/// To whom a domain reports, on the channel that is for it.
fn reports_to(system: &System, pd: PdIndex) -> Option<PdIndex> {
    system.channels.iter().find_map(|c| {
        let [x, y] = &c.ends;
        let of = |own: &End, other: &End| {
            (own.pd == pd && usize::from(own.id.value) == REPORT_CHANNEL).then_some(other.pd)
        };
        of(x, y).or_else(|| of(y, x))
    })
}

/// Whether one domain may notify or call the other, each way.
fn signals(system: &System, a: PdIndex, b: PdIndex) -> (bool, bool) {
    let may = |from: PdIndex, to: PdIndex| {
        system.channels.iter().any(|c| {
            let [x, y] = &c.ends;
            [(x, y), (y, x)]
                .iter()
                .any(|(own, other)| own.pd == from && other.pd == to && (own.notify || own.pp))
        })
    };
    (may(a, b), may(b, a))
}

/// How many links each domain is away from a VMM; those that are not linked to
/// one come last.
fn ranks(system: &System, links: &[Link]) -> Vec<usize> {
    let mut ranks: Vec<Option<usize>> = vec![None; system.domains.len()];
    let mut queue = VecDeque::new();
    for (i, d) in system.domains.iter().enumerate() {
        if d.machine.is_some() {
            ranks[i] = Some(0);
            queue.push_back((i, 0));
        }
    }
    while let Some((i, rank)) = queue.pop_front() {
        for l in links {
            let other = match i {
                _ if l.a == i => l.b,
                _ if l.b == i => l.a,
                _ => continue,
            };
            if ranks[other].is_none() {
                ranks[other] = Some(rank + 1);
                queue.push_back((other, rank + 1));
            }
        }
    }
    let last = ranks.iter().flatten().max().map_or(0, |r| r + 1);
    ranks.into_iter().map(|r| r.unwrap_or(last)).collect()
}

fn node(system: &System, pd: PdIndex, d: &ProtectionDomain, rank: usize) -> Node {
    let mut lines = vec![format!("priority {}", d.priority.value)];
    if let Some(to) = reports_to(system, pd) {
        lines.push(format!("reports to {}", system.domain(to).name.value));
    }
    if let Some((parent, _)) = d.parent {
        lines.push(format!("child of {}", system.domain(parent).name.value));
    }
    let guest = d.machine.as_ref().map(|m| {
        let memory: u64 = m
            .maps
            .iter()
            .map(|map| system.region(map.region).least_bytes())
            .fold(0, u64::saturating_add);
        (m.name.value.clone(), format!("guest, {}", bytes(memory)))
    });
    let mut devices: Vec<String> = Vec::new();
    for (i, r) in system.regions.iter().enumerate() {
        if let Some(at) = &r.phys_addr
            && d.maps.iter().any(|m| m.region == region_index(i))
        {
            devices.push(format!("{} at {:#x}", r.name.value, at.value));
        }
    }
    devices.extend(d.io_ports.iter().map(|p| {
        let range = p.range();
        format!("ports {:#x} to {:#x}", range.start, range.end - 1)
    }));
    devices.extend(d.irqs.iter().map(|i| match &i.source {
        IrqSource::IoApic { pin, .. } => format!("interrupt pin {}", pin.value),
        IrqSource::Msi { device, .. } => format!("interrupts of {}", device.value),
    }));
    Node { name: d.name.value.clone(), lines, guest, devices, rank }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, NotBuilt, Source, parse};

    #[test]
    fn a_region_that_all_only_read_is_no_link() {
        let text = r#"<system>
            <memory_region name="image" size="0x1000" />
            <memory_region name="queue" size="0x1000" />
            <protection_domain name="a"><program_image path="a" />
                <map mr="image" vaddr="0x1000" perms="r" /><map mr="queue" vaddr="0x2000" /></protection_domain>
            <protection_domain name="b"><program_image path="b" />
                <map mr="image" vaddr="0x1000" perms="r" /></protection_domain>
            <protection_domain name="c"><program_image path="c" />
                <map mr="queue" vaddr="0x1000" perms="r" /></protection_domain>
            <channel><end pd="a" id="0" /><end pd="c" id="0" notify="false" /></channel>
        </system>"#;
        let system = parse(&Source::new("x", text), &Board::bochs(), &NotBuilt).unwrap().system;
        let links = links(&system);
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].a, links[0].b), (0, 2));
        assert!(links[0].forth && !links[0].back);
        assert_eq!(links[0].label, "1 region, 4 KiB");
    }

    #[test]
    fn who_reports_has_no_line_to_the_reader_but_its_name() {
        let text = r#"<system>
            <memory_region name="said" size="0x2000" />
            <protection_domain name="disk"><program_image path="a" /><map mr="said" vaddr="0x1000000" /></protection_domain>
            <protection_domain name="status"><program_image path="b" /><map mr="said" vaddr="0x1000000" /></protection_domain>
            <channel><end pd="disk" id="61" /><end pd="status" id="9" /></channel>
        </system>"#;
        let system = parse(&Source::new("x", text), &Board::bochs(), &NotBuilt).unwrap().system;
        assert!(links(&system).is_empty());
        let lines = |i: u16| {
            let pd = PdIndex(i);
            node(&system, pd, system.domain(pd), 0).lines
        };
        assert_eq!(lines(0), ["priority 0", "reports to status"]);
        assert_eq!(lines(1), ["priority 0"]);
    }
}
