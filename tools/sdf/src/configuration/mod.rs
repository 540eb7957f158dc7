//! What a description has no place for: the typed file beside it
//! (`system.toml` beside `system.xml`), one section a protection domain.
//!
//! Each section becomes `NAME.config`, which the description maps into its
//! protection domain by a prefilled region. Sections are read by serde, so a
//! key that `lib/config` gains is known here at once.

mod block;
mod consistency;
mod devices;
mod net;
mod passthrough;
mod regions;
mod virtio;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_config::{
    BlkVirt, E1000, Entropy, Ide, IoRegion, NetVirt, Pci, Ramdisk, SerialVirt, Status, VirtioBlk,
    VirtioNet, Vmm,
};
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use self::consistency::check;
use crate::{
    model::System,
    problem::{Problem, Problems},
    rule::Rule,
    source::{At, Source, Span},
};

const KINDS: &str = "vmm, status, entropy, pci, ramdisk, ide, e1000, virtio-blk, virtio-net, serial-virt, blk-virt, net-virt";

/// What one section says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A guest and its VMM.
    Vmm(Box<Vmm>),
    /// A serial virtualiser.
    SerialVirt(SerialVirt),
    /// A status domain.
    Status(Status),
    /// An entropy domain.
    Entropy(Entropy),
    /// The PCI domain.
    Pci(Pci),
    /// A driver of an IDE channel.
    Ide(Ide),
    /// A driver of an 82540EM.
    E1000(E1000),
    /// A driver of a virtio disk.
    VirtioBlk(VirtioBlk),
    /// A driver of a virtio network card.
    VirtioNet(VirtioNet),
    /// A block virtualiser.
    BlkVirt(Box<BlkVirt>),
    /// A RAM disk.
    Ramdisk(Ramdisk),
    /// A network virtualiser.
    NetVirt(Box<NetVirt>),
}

impl Content {
    /// The memory regions that it names, with the key that names each and who must
    /// reach it.
    fn regions_mut(&mut self) -> Vec<(&'static str, Reach, &mut IoRegion)> {
        use Reach::{Device, Device32, Driver};
        match self {
            Content::Vmm(_)
            | Content::SerialVirt(_)
            | Content::Status(_)
            | Content::Entropy(_)
            | Content::Pci(_) => Vec::new(),
            Content::Ide(c) => {
                let data = c.data.iter_mut().map(|region| ("data", Device32, region));
                [("table", Device32, &mut c.table)].into_iter().chain(data).collect()
            }
            Content::E1000(c) => vec![
                ("rings", Device32, &mut c.rings),
                ("receive", Device32, &mut c.receive),
                ("transmit", Device32, &mut c.transmit),
            ],
            Content::VirtioBlk(c) => {
                let data = c.data.iter_mut().map(|region| ("data", Driver, region));
                [("registers", Device, &mut c.registers), ("dma", Device, &mut c.dma)]
                    .into_iter()
                    .chain(data)
                    .collect()
            }
            Content::VirtioNet(c) => vec![
                ("registers", Device, &mut c.registers),
                ("dma", Device, &mut c.dma),
                ("receive", Driver, &mut c.receive),
                ("transmit", Driver, &mut c.transmit),
            ],
            Content::BlkVirt(c) => {
                let clients =
                    c.clients.iter_mut().map(|client| ("clients", Driver, &mut client.data));
                c.table.iter_mut().map(|table| ("table", Driver, table)).chain(clients).collect()
            }
            Content::Ramdisk(c) => {
                c.data.iter_mut().map(|region| ("data", Driver, region)).collect()
            }
            Content::NetVirt(c) => c
                .uplink
                .iter_mut()
                .flat_map(|uplink| {
                    [
                        ("uplink", Driver, &mut uplink.receive),
                        ("uplink", Driver, &mut uplink.transmit),
                    ]
                })
                .collect(),
        }
    }
}

/// Who must reach a region at the address that a configuration is given for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// Domains only, which map it.
    Driver,
    /// A device, or it is one.
    Device,
    /// A device that knows addresses of 32 bits.
    Device32,
}

/// One section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Where its name stands.
    pub name: At<String>,
    /// What it says.
    pub content: Content,
    /// Where its keys' values stand.
    values: BTreeMap<String, ValueSpan>,
}

/// Where a value stands; how it is written does not matter for equality.
#[derive(Clone, Debug)]
struct ValueSpan(Span);

impl PartialEq for ValueSpan {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for ValueSpan {}

/// A configuration whose every section is of a known kind and complete.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Its text.
    pub source: Source,
    /// Sections by name.
    pub sections: BTreeMap<String, Section>,
}

impl Section {
    /// The contents of its `NAME.config`.
    ///
    /// # Errors
    /// An encoding of 2^32 bytes.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        match &self.content {
            Content::Vmm(c) => bulkhead_config::write(&**c),
            Content::SerialVirt(c) => bulkhead_config::write(c),
            Content::Status(c) => bulkhead_config::write(c),
            Content::Entropy(c) => bulkhead_config::write(c),
            Content::Pci(c) => bulkhead_config::write(c),
            Content::Ide(c) => bulkhead_config::write(c),
            Content::E1000(c) => bulkhead_config::write(c),
            Content::VirtioBlk(c) => bulkhead_config::write(c),
            Content::VirtioNet(c) => bulkhead_config::write(c),
            Content::BlkVirt(c) => bulkhead_config::write(&**c),
            Content::Ramdisk(c) => bulkhead_config::write(c),
            Content::NetVirt(c) => bulkhead_config::write(&**c),
        }
        .map_err(std::io::Error::other)
    }

    fn value_span(&self, key: &str) -> Span {
        self.values.get(key).map_or(self.name.span.clone(), |v| v.0.clone())
    }
}

/// Where [`Section::values`] has the place of an element of a list.
fn element_key(key: &str, index: usize) -> String {
    format!("{key}[{index}]")
}

/// Name of the file that a section is compiled to.
pub fn file_name(section: &str) -> String {
    format!("{section}.config")
}

/// The configuration that belongs to a description: the same name, `.toml`.
pub fn path_beside(description: &Path) -> PathBuf {
    description.with_extension("toml")
}

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong with it, as far as one look can find it.
pub fn parse(source: &Source) -> Result<Configuration, Problems> {
    let mut reader = Reader { source, problems: Vec::new() };
    let sections = reader.document();
    if reader.problems.is_empty() {
        Ok(Configuration { source: source.clone(), sections })
    } else {
        Err(Problems::new(reader.problems))
    }
}

/// Reads the configuration beside a description and holds it to it. None is
/// needed for a description that names none.
///
/// # Errors
/// As [`load`] and [`check`].
pub fn beside(description: &Path, system: &System) -> Result<Configuration, Problems> {
    let path = path_beside(description);
    let mut configuration = if path.exists() || consistency::is_named(system) {
        load(&path)?
    } else {
        let source = Source::new(path.display().to_string(), "");
        Configuration { source, sections: BTreeMap::new() }
    };
    check(system, &mut configuration)?;
    Ok(configuration)
}

/// Reads a configuration file.
///
/// # Errors
/// As [`parse`], or the file cannot be read.
pub fn load(path: &Path) -> Result<Configuration, Problems> {
    match Source::read(path) {
        Ok(source) => parse(&source),
        Err(why) => {
            let source = Source::new(path.display().to_string(), "");
            let message = format!("the configuration cannot be read: {why}");
            let p = Problem::new(&source, Rule::ConfigFile, 0..0, message)
                .cure("copy the one beside system.xml and change it");
            Err(Problems::new(vec![p]))
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn report(&mut self, rule: Rule, at: Span, message: impl Into<String>, cure: Option<String>) {
        let p = Problem::new(self.source, rule, at, message);
        self.problems.push(match cure {
            Some(cure) => p.cure(cure),
            None => p,
        });
    }

    fn document(&mut self) -> BTreeMap<String, Section> {
        let (document, errors) = DeTable::parse_recoverable(self.source.text());
        for e in &errors {
            self.report(Rule::ConfigSyntax, e.span().unwrap_or(0..0), e.message(), None);
        }
        let mut sections = BTreeMap::new();
        if !errors.is_empty() {
            return sections;
        }
        for (name, value) in document.into_inner() {
            let at = At::new(name.get_ref().to_string(), name.span());
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    if let Some(section) = self.section(at.clone(), span, table) {
                        sections.insert(at.value, section);
                    }
                }
                other => {
                    let message = format!("`{}` is a {}", at.value, other.type_str());
                    let cure = "put it under a section: [NAME] on a line of its own".to_owned();
                    self.report(Rule::ConfigSection, at.span, message, Some(cure));
                }
            }
        }
        sections
    }

    fn section(&mut self, name: At<String>, span: Span, mut table: DeTable<'_>) -> Option<Section> {
        let mut values: BTreeMap<_, _> =
            table.iter().map(|(k, v)| (k.get_ref().to_string(), ValueSpan(v.span()))).collect();
        for (key, value) in table.iter() {
            for (index, element) in value.get_ref().as_array().into_iter().flatten().enumerate() {
                values.insert(element_key(key.get_ref(), index), ValueSpan(element.span()));
            }
        }
        let kind = table.iter().find(|(k, _)| k.get_ref() == "kind").map(|(k, _)| k.clone());
        let kind = kind.and_then(|k| table.remove(&k));
        let cure = || Some(format!("kinds: {KINDS}"));
        let Some(kind) = kind else {
            let message = format!("section `{}` does not say its kind", name.value);
            self.report(Rule::ConfigKind, name.span, message, cure());
            return None;
        };
        let at = kind.span();
        let content = match kind.get_ref().as_str() {
            Some("vmm") => self.typed(&name, span, table).map(|c| Content::Vmm(Box::new(c))),
            Some("serial-virt") => self.typed(&name, span, table).map(Content::SerialVirt),
            Some("status") => self.typed(&name, span, table).map(Content::Status),
            Some("entropy") => self.typed(&name, span, table).map(Content::Entropy),
            Some("pci") => self.typed(&name, span, table).map(Content::Pci),
            Some("ide") => self.typed(&name, span, table).map(Content::Ide),
            Some("e1000") => self.typed(&name, span, table).map(Content::E1000),
            Some("virtio-blk") => self.typed(&name, span, table).map(Content::VirtioBlk),
            Some("virtio-net") => self.typed(&name, span, table).map(Content::VirtioNet),
            Some("blk-virt") => {
                self.typed(&name, span, table).map(|c| Content::BlkVirt(Box::new(c)))
            }
            Some("ramdisk") => self.typed(&name, span, table).map(Content::Ramdisk),
            Some("net-virt") => {
                self.typed(&name, span, table).map(|c| Content::NetVirt(Box::new(c)))
            }
            _ => {
                self.report(Rule::ConfigKind, at, "a section of an unknown kind", cure());
                None
            }
        };
        let section = Section { name, content: content?, values };
        self.texts(&section);
        Some(section)
    }

    /// Reads what is left of a section as a type. A key that the type does not
    /// have is taken out, so that the rest is read as well.
    fn typed<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &At<String>,
        span: Span,
        mut table: DeTable<'_>,
    ) -> Option<T> {
        let mut complete = true;
        loop {
            let tried = Spanned::new(span.clone(), table.clone());
            let error = match T::deserialize(toml::Deserializer::from(tried)) {
                Ok(value) => return complete.then_some(value),
                Err(error) => error,
            };
            complete = false;
            let at = error.span().filter(|at| *at != span).unwrap_or(name.span.clone());
            let unknown = table.iter().map(|(k, _)| k).find(|k| k.span() == at).cloned();
            match unknown {
                Some(key) if error.message().starts_with("unknown field") => {
                    self.report(Rule::ConfigKey, at, error.message(), None);
                    table.remove(&key);
                }
                _ => {
                    let message = format!("section `{}`: {}", name.value, error.message());
                    self.report(Rule::ConfigValue, at, message, None);
                    return None;
                }
            }
        }
    }

    /// Checks what becomes part of a status line or of a guest's memory.
    fn texts(&mut self, section: &Section) {
        let graphic = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic());
        let mut bad = |key: &str, what: &str| {
            self.report(Rule::ConfigText, section.value_span(key), what, None);
        };
        match &section.content {
            Content::Vmm(c) => {
                if !graphic(&c.name) {
                    bad("name", "a name that cannot be reported");
                }
                if !c.command_line.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                    bad("command-line", "a command line that a kernel cannot read");
                }
                if !c
                    .block
                    .iter()
                    .flat_map(|d| d.serial_number.bytes())
                    .all(|b| b.is_ascii_graphic())
                {
                    bad("block", "a serial number that cannot be shown");
                }
                if !c.passthrough.iter().all(|device| graphic(&device.name)) {
                    bad("passthrough", "a name that cannot be reported");
                }
            }
            Content::Status(Status { clients, domains }) => {
                for (key, names) in [("clients", clients), ("domains", domains)] {
                    if !names.iter().all(|name| graphic(name)) {
                        bad(key, "a name that cannot be reported");
                    }
                }
            }
            Content::SerialVirt(SerialVirt { clients, .. })
            | Content::Entropy(Entropy { clients, .. }) => {
                if !clients.iter().all(|c| graphic(c)) {
                    bad("clients", "a name that cannot be reported");
                }
            }
            // Their names are those of the description, which is checked.
            Content::Pci(_)
            | Content::Ide(_)
            | Content::E1000(_)
            | Content::VirtioBlk(_)
            | Content::VirtioNet(_)
            | Content::BlkVirt(_)
            | Content::Ramdisk(_)
            | Content::NetVirt(_) => {}
        }
    }
}
