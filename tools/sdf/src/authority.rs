//! Who may touch what, as a page to read: `docs/authority.md`.
//!
//! Everything in it is from the description, in its order, with its comments,
//! so that the page changes exactly if the description does.

use std::fmt::Write;

use system_spec::{PdIndex, RegionIndex};

use crate::model::{
    Channel, End, IrqSource, Map, MemoryRegion, Prefill, ProtectionDomain, RegionSize, System,
};

/// The page for a description.
pub fn authority_markdown(system: &System) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = page(&mut out, system);
    out
}

fn page(out: &mut String, system: &System) -> std::fmt::Result {
    let name = system.source.name();
    let name = name.rsplit('/').next().unwrap_or(name);
    writeln!(out, "# Who may touch what: `{}`\n", escaped(name))?;
    writeln!(
        out,
        "Made from `{}` by `tools/sdf`; do not edit. A protection domain can \
         touch what its section lists and nothing else.",
        escaped(name)
    )?;
    if let Some(note) = &system.note {
        // Paragraphs and, indented, tables: as Markdown reads them.
        writeln!(out)?;
        for line in note.lines() {
            writeln!(out, "{}", escaped(line))?;
        }
    }
    writeln!(out, "\n| priority | protection domain | devices | shares memory with |")?;
    writeln!(out, "| ---: | --- | --- | --- |")?;
    let mut by_priority: Vec<_> = system.indexed_domains().collect();
    by_priority.sort_by_key(|(i, d)| (std::cmp::Reverse(d.priority.value), *i));
    for (i, d) in &by_priority {
        writeln!(
            out,
            "| {} | [{}](#{}) | {} | {} |",
            d.priority.value,
            escaped(&d.name.value),
            anchor(&d.name.value),
            or_none(devices(system, d)),
            or_none(partners(system, *i)),
        )?;
    }
    for (i, d) in &by_priority {
        domain(out, system, *i, d)?;
    }
    regions(out, system)
}

fn domain(
    out: &mut String,
    system: &System,
    index: PdIndex,
    d: &ProtectionDomain,
) -> std::fmt::Result {
    writeln!(out, "\n## {}\n", escaped(&d.name.value))?;
    if let Some(note) = &d.note {
        writeln!(out, "{}\n", escaped(note))?;
    }
    write!(out, "Runs `{}` at priority {}", escaped(&d.program.path.value), d.priority.value)?;
    match d.parent {
        Some((parent, id)) => writeln!(
            out,
            "; child {id} of `{}`, which handles its faults.",
            escaped(&system.domain(parent).name.value)
        )?,
        None => writeln!(out, "; the monitor handles its faults.")?,
    }
    if !d.maps.is_empty() {
        writeln!(out, "\n| memory | rights | size | at | also mapped by |")?;
        writeln!(out, "| --- | --- | ---: | ---: | --- |")?;
        for m in &d.maps {
            map(out, system, m, Some(index))?;
        }
    }
    if let Some(machine) = &d.machine {
        let guest = escaped(&machine.name.value);
        writeln!(out, "\nIts guest `{guest}` may touch, by guest-physical address:\n")?;
        writeln!(out, "| memory | rights | size | at | also mapped by |")?;
        writeln!(out, "| --- | --- | ---: | ---: | --- |")?;
        for m in &machine.maps {
            map(out, system, m, None)?;
        }
    }
    let mut lines = Vec::new();
    lines.extend(d.io_ports.iter().map(|p| {
        let range = p.range();
        format!("I/O ports {:#x} to {:#x}", range.start, range.end - 1)
    }));
    lines.extend(d.irqs.iter().map(|i| format!("Interrupt from {}", irq(&i.source))));
    lines.extend(d.caps.iter().map(|c| {
        format!("{:?} of `{}` in slot {}", c.kind, system.domain(c.pd).name.value, c.slot.value)
    }));
    for c in &system.channels {
        lines.extend(ends(system, index, c));
    }
    for (_, child) in system.indexed_domains() {
        if let Some((parent, id)) = child.parent
            && parent == index
        {
            lines.push(format!("Thread and faults of its child `{}` ({id})", child.name.value));
        }
    }
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for line in lines {
        writeln!(out, "- {}", escaped(&line))?;
    }
    Ok(())
}

fn map(out: &mut String, system: &System, m: &Map, own: Option<PdIndex>) -> std::fmt::Result {
    let region = system.region(m.region);
    let mut others: Vec<String> = Vec::new();
    for (i, d) in system.indexed_domains() {
        for other in d.maps.iter().filter(|o| o.region == m.region && own != Some(i)) {
            others.push(format!("{} ({})", escaped(&d.name.value), other.perms));
        }
        if let Some(machine) = &d.machine
            && own.is_some()
        {
            for other in machine.maps.iter().filter(|o| o.region == m.region) {
                others.push(format!("guest {} ({})", escaped(&machine.name.value), other.perms));
            }
        }
    }
    writeln!(
        out,
        "| {} | {}{} | {} | {:#x} | {} |",
        escaped(&region.name.value),
        m.perms,
        if m.cached { "" } else { ", uncached" },
        size(region),
        m.address.value,
        or_none(others.join(", ")),
    )
}

fn regions(out: &mut String, system: &System) -> std::fmt::Result {
    if system.regions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Memory regions\n")?;
    writeln!(out, "| region | size | holds | what for |")?;
    writeln!(out, "| --- | ---: | --- | --- |")?;
    for r in &system.regions {
        let holds = match (&r.phys_addr, &r.prefill) {
            (Some(at), _) => format!("physical memory from {:#x}", at.value),
            (None, Some(Prefill::File { path, .. })) => format!("`{}`", escaped(&path.value)),
            (None, Some(Prefill::Bootinfo(kind))) => {
                format!("boot information {}", escaped(&kind.value))
            }
            (None, None) => "zeroes".to_owned(),
        };
        let note = r.note.as_deref().unwrap_or_default();
        writeln!(
            out,
            "| {} | {} | {holds} | {} |",
            escaped(&r.name.value),
            size(r),
            escaped(note)
        )?;
    }
    Ok(())
}

/// What one domain may do over a channel.
fn ends(system: &System, index: PdIndex, c: &Channel) -> Vec<String> {
    let [a, b] = &c.ends;
    let side = |own: &End, other: &End| {
        let name = &system.domain(other.pd).name.value;
        let mut may = Vec::new();
        if own.notify {
            may.push("notify");
        }
        if own.pp {
            may.push("call");
        }
        if other.notify {
            may.push("be notified by");
        }
        if other.pp {
            may.push("be called by");
        }
        if may.is_empty() {
            may.push("nothing with");
        }
        format!("Channel {}: may {} `{name}`", own.id.value, may.join(", "))
    };
    let mut lines = Vec::new();
    if a.pd == index {
        lines.push(side(a, b));
    }
    if b.pd == index {
        lines.push(side(b, a));
    }
    lines
}

/// A domain's devices in a few words.
pub(crate) fn devices(system: &System, d: &ProtectionDomain) -> String {
    let mut found = Vec::new();
    for m in &d.maps {
        let r = system.region(m.region);
        if let Some(at) = &r.phys_addr {
            found.push(format!("{} ({:#x})", escaped(&r.name.value), at.value));
        }
    }
    found.extend(d.io_ports.iter().map(|p| {
        let range = p.range();
        format!("ports {:#x} to {:#x}", range.start, range.end - 1)
    }));
    found.extend(d.irqs.iter().map(|i| irq(&i.source)));
    found.join(", ")
}

fn irq(source: &IrqSource) -> String {
    match source {
        IrqSource::IoApic { ioapic: 0, pin, .. } => format!("pin {}", pin.value),
        IrqSource::IoApic { ioapic, pin, .. } => format!("pin {} of I/O APIC {ioapic}", pin.value),
        IrqSource::Msi { device, .. } => format!("PCI device {}", device.value),
    }
}

fn partners(system: &System, index: PdIndex) -> String {
    let regions: Vec<RegionIndex> = system.domain(index).maps.iter().map(|m| m.region).collect();
    let names: Vec<String> = system
        .indexed_domains()
        .filter(|(i, d)| *i != index && d.maps.iter().any(|m| regions.contains(&m.region)))
        .map(|(_, d)| escaped(&d.name.value))
        .collect();
    names.join(", ")
}

fn size(r: &MemoryRegion) -> String {
    match r.size {
        RegionSize::Given(n) => bytes(n),
        RegionSize::OfFile(_) | RegionSize::OfFileNotBuilt => "its file's".to_owned(),
    }
}

/// A size as people say it.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        n if n >= 1 << 30 && n.is_multiple_of(1 << 30) => format!("{} GiB", n >> 30),
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n => format!("{} KiB", n >> 10),
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' => out += "\\|",
            '<' => out += "&lt;",
            '&' => out += "&amp;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The name under which a heading can be linked to.
fn anchor(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
