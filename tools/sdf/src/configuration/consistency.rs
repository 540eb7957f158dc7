//! Whether a configuration and a description speak of the same things.

use std::ops::Range;

use bulkhead_config::{Entropy, FIRST_REPORTING, REPORT_CHANNEL, SerialVirt, Status};
use system_spec::PdIndex;

use super::{Configuration, Content, Section, passthrough, regions};
use crate::{
    model::{MemoryRegion, Prefill, ProtectionDomain, System, region_index},
    problem::{Problem, Problems},
    rule::Rule,
    source::At,
};

/// A server's channels to its clients.
const CLIENTS: Range<u8> = 1..REPORTS;
/// The status domain's to the first that reports for itself.
const FIRST: u8 = FIRST_REPORTING as u8;
/// Theirs to it.
const REPORTS: u8 = REPORT_CHANNEL as u8;

/// Holds a configuration to the description that it is for: each region filled
/// from `NAME.config` has its section, each section such a region, and names
/// of guests and clients are those of the description. Memory regions that it
/// names get their addresses from there.
///
/// # Errors
/// Everything that does not fit, in either file.
pub fn check(system: &System, configuration: &mut Configuration) -> Result<(), Problems> {
    let mut problems = regions::resolve(system, configuration);
    problems.extend(passthrough::resolve(system, configuration));
    let configuration = &*configuration;
    let mut c = Consistency { system, configuration, problems };
    let mut used = Vec::new();
    for (i, r) in system.regions.iter().enumerate() {
        let Some((path, name)) = section_of(r) else { continue };
        match configuration.sections.get(name) {
            Some(section) => {
                used.push(name);
                for (pd, d) in system.indexed_domains() {
                    if d.maps.iter().any(|m| m.region == region_index(i)) {
                        c.domain(pd, d, section);
                    }
                }
            }
            None => c.section_missing(path, name),
        }
    }
    for (name, section) in &configuration.sections {
        if !used.contains(&name.as_str()) {
            let message = format!("no region of {} takes `{name}.config`", system.source.name());
            let p = Problem::new(
                &configuration.source,
                Rule::ConfigRegion,
                section.name.span.clone(),
                message,
            );
            c.problems.push(p.cure("remove the section, or map a region prefilled from it"));
        }
    }
    if c.problems.is_empty() { Ok(()) } else { Err(Problems::new(c.problems)) }
}

/// Whether a description needs a configuration.
pub(super) fn is_named(system: &System) -> bool {
    system.regions.iter().any(|region| section_of(region).is_some())
}

/// The section that fills a region, if one does.
pub(super) fn section_of(region: &MemoryRegion) -> Option<(&At<String>, &str)> {
    match &region.prefill {
        Some(Prefill::File { path, .. }) => Some((path, path.value.strip_suffix(".config")?)),
        Some(Prefill::Bootinfo(_)) | None => None,
    }
}

pub(super) struct Consistency<'a> {
    pub(super) system: &'a System,
    pub(super) configuration: &'a Configuration,
    problems: Vec<Problem>,
}

impl Consistency<'_> {
    fn section_missing(&mut self, path: &At<String>, name: &str) {
        let message = format!("{} has no section `{name}`", self.configuration.source.name());
        let p = Problem::new(&self.system.source, Rule::ConfigRegion, path.span.clone(), message);
        self.problems.push(p.cure(format!("write [{name}] there")));
    }

    /// Checks a section against a domain that reads it.
    fn domain(&mut self, pd: PdIndex, d: &ProtectionDomain, section: &Section) {
        match &section.content {
            Content::Vmm(c) => match &d.machine {
                Some(machine) if machine.name.value == *c.name => {
                    self.virtio(d, section, c);
                    self.passthrough(pd, d, section, c);
                }
                Some(machine) => {
                    let message = format!(
                        "the guest is `{}` here and `{}` in {}",
                        c.name,
                        machine.name.value,
                        self.system.source.name()
                    );
                    self.report(section, "name", message);
                }
                None => {
                    let message = format!("`{}` runs no guest", d.name.value);
                    self.report(section, "kind", message);
                }
            },
            Content::SerialVirt(SerialVirt { clients, .. })
            | Content::Entropy(Entropy { clients, .. }) => {
                let have: Vec<&str> = clients.iter().map(|c| c.as_str()).collect();
                self.serves(pd, d, section, "clients", &have);
            }
            Content::Status(Status { clients, domains }) => {
                let guests: Vec<&str> = clients.iter().map(|c| c.as_str()).collect();
                self.serves_on(pd, d, section, "clients", &guests, 1..FIRST);
                let domains: Vec<&str> = domains.iter().map(|c| c.as_str()).collect();
                let on = FIRST..REPORTS;
                if self.serves_on(pd, d, section, "domains", &domains, on) {
                    self.reporting(pd, d, section);
                }
            }
            Content::Pci(pci) => self.pci(pd, d, section, pci),
            Content::Ide(c) => self.own(pd, section, "table", &c.table),
            Content::E1000(c) => self.own(pd, section, "rings", &c.rings),
            Content::VirtioBlk(c) => {
                self.reaches(d, section, "registers", [&c.registers]);
                self.reaches(d, section, "dma", [&c.dma]);
                self.own(pd, section, "dma", &c.dma);
                self.reaches(d, section, "data", &c.data);
            }
            Content::VirtioNet(c) => {
                self.reaches(d, section, "registers", [&c.registers]);
                self.reaches(d, section, "dma", [&c.dma]);
                self.own(pd, section, "dma", &c.dma);
                self.reaches(d, section, "receive", [&c.receive]);
                self.reaches(d, section, "transmit", [&c.transmit]);
            }
            Content::BlkVirt(c) => self.blk_virt(pd, d, section, c),
            Content::Ramdisk(c) => self.reaches(d, section, "data", &c.data),
            Content::NetVirt(c) => self.net_virt(pd, d, section, c),
        }
    }

    /// Checks the clients that a section names against the server's channels.
    ///
    /// # Returns
    /// Whether they are the same.
    pub(super) fn serves(
        &mut self,
        pd: PdIndex,
        d: &ProtectionDomain,
        section: &Section,
        key: &str,
        have: &[&str],
    ) -> bool {
        self.serves_on(pd, d, section, key, have, CLIENTS)
    }

    /// Whether a section's list is that of the domain's clients on these channels.
    fn serves_on(
        &mut self,
        pd: PdIndex,
        d: &ProtectionDomain,
        section: &Section,
        key: &str,
        have: &[&str],
        channels: Range<u8>,
    ) -> bool {
        let want = self.clients_on(pd, channels.clone());
        if have == want {
            return true;
        }
        let message = format!(
            "`{}` serves, on channels {} and up: {}",
            d.name.value,
            channels.start,
            if want.is_empty() { "nobody".to_owned() } else { want.join(", ") }
        );
        self.report(section, key, message);
        false
    }

    /// Domains that report for themselves do so on their last channel.
    fn reporting(&mut self, pd: PdIndex, d: &ProtectionDomain, section: &Section) {
        for c in &self.system.channels {
            let [a, b] = &c.ends;
            for (own, other) in [(a, b), (b, a)] {
                if own.pd == pd && own.id.value >= FIRST && other.id.value != REPORTS {
                    let message = format!(
                        "`{}` reports to `{}` on its channel {REPORTS}, not {}",
                        self.system.domain(other.pd).name.value,
                        d.name.value,
                        other.id.value
                    );
                    self.report(section, "domains", message);
                }
            }
        }
    }

    /// Names of a server's clients on these channels, in their order: a VMM counts by
    /// its guest's name.
    fn clients_on(&self, server: PdIndex, channels: Range<u8>) -> Vec<&str> {
        let name = |pd| {
            let d = self.system.domain(pd);
            d.machine.as_ref().map_or(&d.name, |m| &m.name).value.as_str()
        };
        self.served_on(server, channels).into_iter().map(name).collect()
    }

    /// A server's clients, in the order of its channels from 1 on.
    pub(super) fn served(&self, server: PdIndex) -> Vec<PdIndex> {
        self.served_on(server, CLIENTS)
    }

    fn served_on(&self, server: PdIndex, channels: Range<u8>) -> Vec<PdIndex> {
        let mut clients = Vec::new();
        for c in &self.system.channels {
            let [a, b] = &c.ends;
            for (own, other) in [(a, b), (b, a)] {
                if own.pd == server && channels.contains(&own.id.value) {
                    clients.push((own.id.value, other.pd));
                }
            }
        }
        clients.sort_unstable();
        clients.into_iter().map(|(_, client)| client).collect()
    }

    /// Reports against a rule of its own, with what helps.
    pub(super) fn refuse(
        &mut self,
        rule: Rule,
        section: &Section,
        key: &str,
        message: String,
        cure: &str,
    ) {
        let at = section.value_span(key);
        let p = Problem::new(&self.configuration.source, rule, at, message);
        self.problems.push(p.cure(cure));
    }

    pub(super) fn report(&mut self, section: &Section, key: &str, message: String) {
        let p = Problem::new(
            &self.configuration.source,
            Rule::ConfigNames,
            section.value_span(key),
            message,
        );
        self.problems.push(p);
    }
}
