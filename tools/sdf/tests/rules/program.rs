//! Rules about program images, and what a good system compiles to.

use std::io::{self, Read};

use bulkhead_sdf::{Board, Compiled, FileSize, Files, Problems, Source, System, compile, parse};
use system_spec::{PAGE_SIZE, PdIndex, RegionIndex, Rights, Spec};

use super::{
    assert_rendered,
    elf::{Elf, R, Segment, W, X},
};

/// Rules that are tested here.
pub const RULES: &[&str] = &[
    "program_missing",
    "program_format",
    "program_segments",
    "program_entry",
    "program_overlap",
    "program_write_execute",
    "symbol_missing",
    "symbol_ambiguous",
    "symbol_size",
    "runtime_symbol",
    "payload_write",
];

const SYSTEM: &str = r#"<system>
    <memory_region name="m" size="0x2000" />
    <protection_domain name="p">
        <program_image path="p.elf" />
        <map mr="m" vaddr="0x10000000" setvar_vaddr="m_vaddr" setvar_size="m_size" />
    </protection_domain>
</system>
"#;

fn good() -> Elf {
    Elf::good(&["m_vaddr", "m_size"])
}

/// Files at hand.
struct InMemory<'a>(&'a [(&'a str, &'a [u8])]);

impl Files for InMemory<'_> {
    fn size(&self, path: &str) -> io::Result<FileSize> {
        Ok(match self.0.iter().find(|(name, _)| *name == path) {
            Some((_, bytes)) => FileSize::Known(bytes.len() as u64),
            None => FileSize::Missing("memory".into()),
        })
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        let (_, bytes) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes.to_vec())))
    }
}

fn system(text: &str, files: &dyn Files) -> System {
    parse(&Source::new("program.system", text), &Board::bochs(), files)
        .unwrap_or_else(|p| panic!("{p:?}"))
        .system
}

/// Compiles a description with `p.elf` as given.
fn compiled(text: &str, program: &[u8]) -> Result<Compiled, Problems> {
    let files = InMemory(&[("p.elf", program)]);
    compile(&system(text, &files), &files, &mut io::sink())
}

/// Checks what is said of a program.
fn breaks(rule: &str, snapshot: &str, program: &[u8]) {
    let problems: Vec<_> = match compiled(SYSTEM, program) {
        Ok(c) => c.warnings,
        Err(p) => p.iter().cloned().collect(),
    };
    assert_rendered(rule, snapshot, &problems);
}

#[test]
fn program_missing() {
    let system = system(SYSTEM, &super::files());
    let problems = compile(&system, &super::files(), &mut io::sink()).unwrap_err();
    let problems: Vec<_> = problems.iter().cloned().collect();
    assert_rendered("program_missing", "program_missing", &problems);
}

#[test]
fn program_format_wants_an_elf_file() {
    breaks("program_format", "program_format_text", b"#!/bin/sh\n");
    breaks("program_format", "program_format_short", b"\x7fELF\x02\x01");
}

#[test]
fn program_format_wants_this_processor_and_fixed_addresses() {
    breaks("program_format", "program_format_machine", &Elf { machine: 183, ..good() }.bytes());
    breaks("program_format", "program_format_pie", &Elf { kind: 3, ..good() }.bytes());
    let mut dynamic = good();
    dynamic.segments.push(Segment { kind: 3, vaddr: 0, data: vec![], memory: 0, flags: R });
    breaks("program_format", "program_format_dynamic", &dynamic.bytes());
}

#[test]
fn program_segments_lie_in_user_memory() {
    let mut high = good();
    high.segments[1].vaddr = 0x7fff_ffff_a000;
    breaks("program_segments", "program_segments_high", &high.bytes());
    high.segments[1].vaddr = u64::MAX - 0xfff;
    high.segments[1].memory = u64::MAX;
    breaks("program_segments", "program_segments_wrap", &high.bytes());
}

#[test]
fn program_segments_share_no_page() {
    let mut near = good();
    near.segments[1].vaddr = 0x20_0800;
    breaks("program_segments", "program_segments_near", &near.bytes());
}

#[test]
fn program_segments_are_bounded_and_there() {
    let mut huge = good();
    huge.segments[1].memory = 1 << 40;
    breaks("program_segments", "program_segments_huge", &huge.bytes());
    breaks(
        "program_segments",
        "program_segments_none",
        &Elf { segments: vec![], ..good() }.bytes(),
    );
}

#[test]
fn program_entry() {
    breaks("program_entry", "program_entry", &Elf { entry: 0x30_0000, ..good() }.bytes());
}

#[test]
fn program_overlap() {
    let mut elf = good();
    elf.segments[0].vaddr = 0x1000_1000;
    elf.entry = 0x1000_1010;
    breaks("program_overlap", "program_overlap", &elf.bytes());
}

#[test]
fn program_write_execute() {
    let mut elf = good();
    elf.segments[1].flags = R | W | X;
    breaks("program_write_execute", "program_write_execute", &elf.bytes());
}

#[test]
fn symbol_missing() {
    breaks("symbol_missing", "symbol_missing", &Elf::good(&["m_vadr", "unlike"]).bytes());
}

#[test]
fn symbol_ambiguous() {
    let mut elf = good();
    elf.symbol("m_size", 8);
    breaks("symbol_ambiguous", "symbol_ambiguous", &elf.bytes());
}

#[test]
fn symbol_size() {
    let mut elf = Elf::good(&["m_vaddr"]);
    elf.symbol("m_size", 4);
    breaks("symbol_size", "symbol_size", &elf.bytes());
    let mut elf = Elf::good(&["m_vaddr"]);
    elf.symbols.push(("m_size".into(), 0x40_0000, 8));
    breaks("symbol_size", "symbol_size_outside", &elf.bytes());
}

#[test]
fn runtime_symbol() {
    let mut elf = good();
    elf.remove("microkit_irqs");
    elf.remove("microkit_name");
    elf.symbol("microkit_name", 0);
    breaks("runtime_symbol", "runtime_symbol", &elf.bytes());
}

#[test]
fn payload_write() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let program = good().bytes();
    let files = InMemory(&[("p.elf", &program)]);
    let system = system(SYSTEM, &files);
    let problems = compile(&system, &files, &mut Full).unwrap_err();
    let problems: Vec<_> = problems.iter().cloned().collect();
    assert_rendered("payload_write", "payload_write", &problems);
}

/// Two domains with one program, a parent with a child, a guest, a prefilled
/// region, and everything that is patched.
const WHOLE: &str = r#"<system>
    <memory_region name="file" prefill_path="file.bin" />
    <memory_region name="ram" size="0x400000" />
    <memory_region name="device" size="0x1000" phys_addr="0xfed00000" />
    <protection_domain name="parent" priority="9" stack_size="0x4000">
        <program_image path="p.elf" />
        <map mr="file" vaddr="0x10000000" perms="r" setvar_vaddr="a" setvar_size="b" setvar_prefill_size="c" />
        <map mr="device" vaddr="0x11000000" cached="false" />
        <setvar symbol="d" region_paddr="device" />
        <irq id="5" pin="4" vector="40" trigger="edge" polarity="low" />
        <ioport id="2" addr="0x3f8" size="8" setvar_addr="e" setvar_id="f" />
        <protection_domain name="child" id="7" priority="3" setvar_id="g">
            <program_image path="p.elf" />
        </protection_domain>
    </protection_domain>
    <protection_domain name="vmm">
        <program_image path="q.elf" path_for_symbols="p.elf" />
        <map mr="ram" vaddr="0x40000000" setvar_vaddr="a" />
        <virtual_machine name="guest">
            <vcpu id="3" />
            <map mr="ram" vaddr="0" perms="rwx" />
        </virtual_machine>
    </protection_domain>
    <channel>
        <end pd="parent" id="0" notify="false" setvar_id="h" />
        <end pd="vmm" id="61" pp="true" />
    </channel>
</system>
"#;

#[test]
fn a_good_system_compiles_to_what_it_says() {
    let elf = Elf::good(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    let program = elf.bytes();
    let mut stripped = Elf::good(&[]);
    stripped.symbols.clear();
    let stripped = stripped.bytes();
    let files = InMemory(&[("p.elf", &program), ("q.elf", &stripped), ("file.bin", &[0xaa; 5000])]);
    let mut payload = Vec::new();
    let result = compile(&system(WHOLE, &files), &files, &mut payload);
    let compiled = result.unwrap_or_else(|p| panic!("{p:?}"));
    assert!(compiled.warnings.is_empty());
    assert_eq!(compiled.payload_size, payload.len() as u64);

    let spec = Spec::parse(&compiled.spec, compiled.payload_size).unwrap();
    let domains: Vec<_> = spec.protection_domains().collect();
    let names: Vec<_> = domains.iter().map(|d| (d.name, d.priority, d.parent)).collect();
    assert_eq!(names, [("parent", 9, None), ("child", 3, Some((PdIndex(0), 7))), ("vmm", 0, None)]);
    assert_eq!(domains[0].stack_size, 0x4000);
    assert!(domains.iter().all(|d| d.entry == 0x20_0010));

    let regions: Vec<_> = spec.regions().collect();
    assert_eq!(regions[0].size, 0x2000);
    assert_eq!(regions[1].page_size, system_spec::PageSize::Large);
    assert_eq!(regions[2].phys_addr, Some(0xfed0_0000));
    let prefill = regions[0].prefill.unwrap();
    assert_eq!(prefill.length, 5000);
    let start = prefill.offset as usize;
    assert_eq!(payload[start..start + 5000], [0xaa; 5000]);
    assert_eq!(payload[start + 5000..start + 0x2000], [0; 0x2000 - 5000]);

    let maps: Vec<_> = spec.maps().collect();
    let read = Rights { read: true, ..Rights::default() };
    assert_eq!((maps[0].rights, maps[0].cached), (read, true));
    assert_eq!((maps[1].region, maps[1].cached), (RegionIndex(2), false));
    let guest: Vec<_> = spec.guest_maps().collect();
    assert_eq!((guest[0].pd, guest[0].gpa), (PdIndex(2), 0));
    assert!(guest[0].rights.execute);
    let machine = spec.virtual_machines().next().unwrap();
    assert_eq!((machine.name, machine.pd, machine.vcpu_id), ("guest", PdIndex(2), 3));
    let irq = spec.irqs().next().unwrap();
    assert_eq!((irq.pin, irq.vector, irq.level, irq.active_low), (4, 40, false, true));
    let ports = spec.io_ports().next().unwrap();
    assert_eq!((ports.id, ports.base, ports.size), (2, 0x3f8, 8));
    let channel = spec.channels().next().unwrap();
    assert_eq!((channel.a.id, channel.a.notify, channel.a.pp), (0, false, false));
    assert_eq!((channel.b.id, channel.b.notify, channel.b.pp), (61, true, true));

    // Each domain has a copy of its own, with its own variables.
    let segments: Vec<_> = spec.segments().collect();
    assert_eq!(segments.len(), 6);
    let mut offsets: Vec<_> = segments.iter().map(|s| s.payload.unwrap().offset).collect();
    assert!(offsets.iter().all(|o| o.is_multiple_of(PAGE_SIZE)));
    offsets.dedup();
    assert_eq!(offsets.len(), 6);
    let word = |pd: u16, symbol: &str| {
        let s = segments.iter().find(|s| s.pd == PdIndex(pd) && s.vaddr == 0x30_0000).unwrap();
        let at = (s.payload.unwrap().offset + elf.address(symbol) - s.vaddr) as usize;
        u64::from_le_bytes(payload[at..at + 8].try_into().unwrap())
    };
    let set: Vec<u64> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|s| word(0, s)).into();
    assert_eq!(set, [0x1000_0000, 0x2000, 5000, 0xfed0_0000, 0x3f8, 2, 7, 0]);
    assert_eq!(word(1, "a"), 0);
    assert_eq!(word(2, "a"), 0x4000_0000);
    assert_eq!(word(0, "microkit_name"), u64::from_le_bytes(*b"parent\xdd\xdd"));
    assert_eq!(word(0, "microkit_irqs"), 1 << 5);
    assert_eq!(word(0, "microkit_ioports"), 1 << 2);
    assert_eq!(word(0, "microkit_notifications"), 0);
    assert_eq!(word(2, "microkit_notifications"), 1 << 61);
    assert_eq!(word(2, "microkit_pps"), 1 << 61);
}

#[test]
fn a_damaged_program_is_an_error_and_no_more() {
    let whole = good().bytes();
    for length in 0..whole.len() {
        assert!(compiled(SYSTEM, &whole[..length]).is_err(), "{length}");
    }
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            // Whatever it says; what matters is that it says something.
            let _ = compiled(SYSTEM, &damaged);
        }
    }
}
