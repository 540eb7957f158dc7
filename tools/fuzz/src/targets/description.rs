//! What the host and the initial task read: system descriptions, their compiled
//! form, configurations, status lines.

use std::{
    io::{self, Read},
    path::Path,
};

use bulkhead_config::{
    BlkVirt, E1000, Entropy, Ide, NetVirt, Pci, Ramdisk, SerialVirt, Status as StatusConfig, Vmm,
    read, write,
};
use bulkhead_machine::{FrameReader, Status};
use bulkhead_sdf::{
    Board, FileSize, Files, Problem, Source, authority_markdown, compile, configuration, parse,
    render, topology_svg,
};
use serde::{Serialize, de::DeserializeOwned};
use status_core::Frame;
use system_spec::Spec;

use crate::Target;

#[path = "../../../sdf/tests/rules/elf.rs"]
#[allow(dead_code, reason = "the rules' tests use more of it")]
mod elf;

pub(super) const SDF: Target = Target {
    runs: 4_000,
    longest: 8000,
    seeds: descriptions,
    words: &[
        b"<protection_domain name=\"",
        b"<memory_region name=\"",
        b"<map mr=\"",
        b"<channel>",
        b"<end pd=\"",
        b"<irq ",
        b"<ioport ",
        b"<virtual_machine ",
        b"<vcpu ",
        b"<setvar ",
        b" size=\"0x1000\"",
        b" vaddr=\"0x10000000\"",
        b" phys_addr=\"",
        b" prefill_path=\"",
        b" perms=\"rwx\"",
        b" setvar_vaddr=\"",
        b"/>",
        b"</protection_domain>",
        b"0xffffffffffffffff",
        b"<!--",
        b"]]>",
        b"&lt;",
    ],
    ..Target::new("sdf", "a description is refused with a place, or compiles", check_sdf)
};

pub(super) const SPEC: Target = Target {
    runs: 60_000,
    longest: 8000,
    seeds: specs,
    ..Target::new("spec", "a compiled description is refused, or cannot dangle", check_spec)
};

pub(super) const CONFIG: Target = Target {
    runs: 100_000,
    longest: 2600,
    seeds: encoded,
    words: &[b"BHCONF\x00\x01"],
    ..Target::new("config", "a domain's configuration is refused, or round", check_config)
};

pub(super) const TOML: Target = Target {
    runs: 6_000,
    longest: 3000,
    seeds: configurations,
    words: &[
        b"[vmm]",
        b"command-line = \"",
        b"on-reset = \"restart\"",
        b"clients = [",
        b"epoch-seconds = ",
        b"\"\"\"",
        b"\\u0000",
    ],
    ..Target::new("toml", "a configuration is refused with a place, or encodes", check_toml)
};

pub(super) const STATUS: Target = Target {
    runs: 100_000,
    longest: 2000,
    words: &[
        b"\x02",
        b"\x03\n",
        b"guest debian ",
        b"stopped result=0 : ",
        b"counts ",
        b"system - ready",
        b"pd vmm fault kind=",
    ],
    ..Target::new(
        "status",
        "status lines are read as written, and nothing else gets through",
        check_status,
    )
};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Files of this repository; what is missing is no seed.
fn files(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().filter_map(|name| std::fs::read(root().join(name)).ok()).collect()
}

fn descriptions() -> Vec<Vec<u8>> {
    files(&["system.xml", "systems/two-guests.system", "systems/unit.system"])
}

fn configurations() -> Vec<Vec<u8>> {
    files(&["system.toml", "systems/two-guests.toml", "systems/unit.toml"])
}

/// The compiled forms of our own descriptions.
fn specs() -> Vec<Vec<u8>> {
    let text = |bytes| String::from_utf8(bytes).ok();
    descriptions()
        .into_iter()
        .filter_map(text)
        .filter_map(|text| {
            let parsed = parse(&Source::new("seed", &text), &Board::bochs(), &Provided(&text));
            let system = parsed.ok()?.system;
            Some(compile(&system, &Provided(&text), &mut io::sink()).ok()?.spec)
        })
        .collect()
}

fn encoded() -> Vec<Vec<u8>> {
    let text = |bytes| String::from_utf8(bytes).ok();
    configurations()
        .into_iter()
        .filter_map(text)
        .filter_map(|text| configuration::parse(&Source::new("seed", text)).ok())
        .flat_map(|configuration| configuration.sections.into_values())
        .filter_map(|section| section.encode().ok())
        .collect()
}

/// Programs that have every symbol which the description asks for, and other
/// files of some bytes.
struct Provided<'a>(&'a str);

impl Provided<'_> {
    fn content(&self, path: &str) -> Vec<u8> {
        if !path.ends_with(".elf") {
            return vec![7; 5000];
        }
        // What stands in quotes behind `symbol=` or `setvar_...=`.
        let mut symbols: Vec<&str> = self
            .0
            .split(['<', ' ', '\n'])
            .filter(|word| word.starts_with("symbol=") || word.starts_with("setvar_"))
            .filter_map(|word| word.split('"').nth(1))
            .filter(|symbol| !elf::RUNTIME.iter().any(|(name, _)| name == symbol))
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        elf::Elf::good(&symbols).bytes()
    }
}

impl Files for Provided<'_> {
    fn size(&self, path: &str) -> io::Result<FileSize> {
        Ok(FileSize::Known(self.content(path).len() as u64))
    }
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(io::Cursor::new(self.content(path))))
    }
}

/// A problem has a rule, a place in the text, and something to say.
fn located<'a>(problems: impl Iterator<Item = &'a Problem>, text: &str) {
    let problems: Vec<&Problem> = problems.collect();
    for problem in &problems {
        assert!(text.get(problem.span().clone()).is_some(), "{problem:?}");
        assert!(!problem.line().is_empty());
    }
    render(problems, 80);
}

fn check_sdf(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let source = Source::new("fuzz.system", text.as_ref());
    let files = Provided(&text);
    for (board, ours) in [(Board::bochs(), true), (Board::x86_64_generic_vtx(), false)] {
        let parsed = match parse(&source, &board, &files) {
            Ok(parsed) => parsed,
            Err(problems) => {
                assert!(problems.iter().next().is_some(), "refused without a reason");
                located(problems.iter(), &text);
                continue;
            }
        };
        located(parsed.warnings.iter(), &text);
        assert!(!authority_markdown(&parsed.system).is_empty());
        assert!(topology_svg(&parsed.system).ends_with("</svg>\n"));
        match compile(&parsed.system, &files, &mut io::sink()) {
            Ok(compiled) if ours => {
                located(compiled.warnings.iter(), &text);
                let spec = Spec::parse(&compiled.spec, compiled.payload_size)
                    .unwrap_or_else(|e| panic!("what was compiled cannot be read: {e}"));
                assert_eq!(spec.protection_domains().count(), parsed.system.domains.len());
                assert_eq!(spec.regions().count(), parsed.system.regions.len());
            }
            Ok(_) => {}
            Err(problems) => {
                assert!(problems.iter().next().is_some(), "not compiled without a reason");
                located(problems.iter(), &text);
            }
        }
    }
}

fn check_spec(bytes: &[u8]) {
    /// Larger than any payload of a seed.
    const PAYLOAD: u64 = 1 << 24;
    let Ok(spec) = Spec::parse(bytes, PAYLOAD) else { return };
    let domains = spec.protection_domains().count();
    let there = |pd: system_spec::PdIndex| assert!(usize::from(pd.0) < domains);
    let within = |payload: Option<system_spec::Payload>| {
        if let Some(payload) = payload {
            let end = payload.offset.checked_add(payload.length);
            assert!(end.is_some_and(|end| end <= PAYLOAD), "{payload:?}");
        }
    };
    for segment in spec.segments() {
        there(segment.pd);
        within(segment.payload);
        assert!(segment.vaddr.checked_add(segment.size).is_some());
    }
    for region in spec.regions() {
        within(region.prefill);
        assert!(region.phys_addr.unwrap_or(0).checked_add(region.size).is_some());
    }
    for map in spec.maps() {
        there(map.pd);
        let region = spec.region(map.region).expect("a map's region exists");
        assert!(map.vaddr.checked_add(region.size).is_some());
    }
    for map in spec.guest_maps() {
        there(map.pd);
        let region = spec.region(map.region).expect("a guest map's region exists");
        assert!(map.gpa.checked_add(region.size).is_some());
    }
    spec.virtual_machines().for_each(|machine| there(machine.pd));
    spec.irqs().for_each(|irq| there(irq.pd));
    for ports in spec.io_ports() {
        there(ports.pd);
        assert!(u64::from(ports.base) + u64::from(ports.size) <= 0x1_0000);
    }
    for channel in spec.channels() {
        there(channel.a.pd);
        there(channel.b.pd);
    }
}

fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(config) = read::<T>(bytes) else { return };
    let again = write(&config).expect("a configuration is small");
    assert_eq!(read::<T>(&again), Ok(config));
}

fn check_config(bytes: &[u8]) {
    round::<Vmm>(bytes);
    round::<SerialVirt>(bytes);
    round::<StatusConfig>(bytes);
    round::<Entropy>(bytes);
    round::<Pci>(bytes);
    round::<Ide>(bytes);
    round::<E1000>(bytes);
    round::<BlkVirt>(bytes);
    round::<Ramdisk>(bytes);
    round::<NetVirt>(bytes);
}

/// Whether the domain that a section is for reads what the section says.
fn is_read(content: &configuration::Content, encoded: &[u8]) -> bool {
    fn same<T: DeserializeOwned + PartialEq>(content: &T, encoded: &[u8]) -> bool {
        read::<T>(encoded).as_ref() == Ok(content)
    }
    use configuration::Content;
    match content {
        Content::Vmm(c) => same(&**c, encoded),
        Content::SerialVirt(c) => same(c, encoded),
        Content::Status(c) => same(c, encoded),
        Content::Entropy(c) => same(c, encoded),
        Content::Pci(c) => same(c, encoded),
        Content::Ide(c) => same(c, encoded),
        Content::E1000(c) => same(c, encoded),
        Content::VirtioBlk(c) => same(c, encoded),
        Content::VirtioNet(c) => same(c, encoded),
        Content::BlkVirt(c) => same(&**c, encoded),
        Content::Ramdisk(c) => same(c, encoded),
        Content::NetVirt(c) => same(&**c, encoded),
    }
}

fn check_toml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match configuration::parse(&Source::new("fuzz.toml", text.as_ref())) {
        Ok(configuration) => {
            for section in configuration.sections.values() {
                let encoded = section.encode().expect("what was accepted can be written");
                let known = is_read(&section.content, &encoded);
                assert!(known, "{section:?} is not what its domain reads");
            }
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "refused without a reason");
            located(problems.iter(), &text);
        }
    }
}

fn check_status(bytes: &[u8]) {
    // However it arrives, it is the same.
    let at = bytes.first().map_or(0, |n| usize::from(*n) % bytes.len());
    let (first, rest) = bytes.split_at(at);
    let whole = FrameReader::new().push(bytes);
    let mut reader = FrameReader::new();
    let mut parts = reader.push(first);
    parts.extend(reader.push(rest));
    assert_eq!(parts, whole);
    for text in whole {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let _whatever_it_says = Status::parse(&text);
    }
    // What a domain writes is what the tool reads.
    let text = String::from_utf8_lossy(bytes);
    let frame = Frame::new(format_args!("{text}"));
    let read = FrameReader::new().push(frame.bytes());
    let mut expected: String = text.chars().filter(|c| matches!(c, ' '..='~')).collect();
    expected.truncate(frame.bytes().len() - 3);
    assert_eq!(read, [expected]);
}
