//! From a description and its files to what the initial task realises: a
//! stream of records, and the payload pages that they name.
//!
//! Each protection domain has its own copy of its program, because those very
//! pages become its memory; a region's prefill likewise.

mod payload;
mod program;
mod symbols;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    rc::Rc,
};

use system_spec::{Builder, PdIndex, RegionIndex, Rights};

use self::{
    payload::PayloadWriter,
    program::{Program, ProgramError, Symbols},
};
use crate::{
    check,
    files::{FileSize, Files},
    model::{IrqSource, Map, MemoryRegion, Perms, Prefill, ProtectionDomain, System},
    problem::{Problem, Problems, sort},
    rule::{Rule, Weight},
    source::{At, Span},
};

/// Largest program image, in bytes; symbols and debug information included.
const IMAGE_MAX: u64 = 512 << 20;

/// What the initial task realises, but for the payload, which was streamed.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The stream of records ([`system_spec::Spec::parse`] reads it).
    pub spec: Vec<u8>,
    /// Bytes of payload written; a multiple of 4 KiB.
    pub payload_size: u64,
    /// What was noted on the way.
    pub warnings: Vec<Problem>,
}

/// Compiles a description. `files` must be those it was parsed with, now
/// built; the payload area is written to `payload` from its start.
///
/// # Errors
/// Everything that is wrong with the programs and files, as errors at the
/// place of the description that names them.
pub fn compile(
    system: &System,
    files: &dyn Files,
    payload: &mut dyn Write,
) -> Result<Compiled, Problems> {
    let mut c = Compiler { system, files, problems: Vec::new(), images: BTreeMap::new() };
    c.expressible();
    let mut programs: Vec<Program> = Vec::new();
    for (_, d) in system.indexed_domains() {
        programs.extend(c.program(d));
    }
    let bytes = programs.iter().flat_map(|p| &p.segments).map(|s| s.size);
    check::memory_budget(system, bytes.fold(0, u64::saturating_add), &mut c.problems);
    let spec = if c.failed() { None } else { c.write(&programs, payload) };
    match spec {
        Some((spec, payload_size)) if !c.failed() => {
            let mut warnings = c.problems;
            sort(&mut warnings);
            Ok(Compiled { spec, payload_size, warnings })
        }
        _ => Err(Problems::new(c.problems)),
    }
}

struct Compiler<'a> {
    system: &'a System,
    files: &'a dyn Files,
    problems: Vec<Problem>,
    /// Files read so far: several domains may run one program.
    images: BTreeMap<String, Rc<Vec<u8>>>,
}

impl<'a> Compiler<'a> {
    fn report(&mut self, rule: Rule, at: &Span, message: impl Into<String>) {
        self.report_with(rule, at, message, |p| p);
    }

    fn report_with(
        &mut self,
        rule: Rule,
        at: &Span,
        message: impl Into<String>,
        with: impl FnOnce(Problem) -> Problem,
    ) {
        let p = Problem::new(&self.system.source, rule, at.clone(), message);
        self.problems.push(with(p));
    }

    fn failed(&self) -> bool {
        self.problems.iter().any(|p| p.rule().weight() == Weight::Error)
    }

    /// Reports what the records have no place for: a description that was
    /// checked for a board with another way to start it.
    fn expressible(&mut self) {
        let system = self.system;
        let mut places: Vec<&Span> = Vec::new();
        for d in &system.domains {
            places.extend(d.caps.iter().map(|c| &c.span));
            places.extend(
                d.irqs
                    .iter()
                    .filter(|i| matches!(i.source, IrqSource::Msi { .. }))
                    .map(|i| &i.span),
            );
        }
        places.extend(system.io_spaces.iter().map(|s| &s.span));
        places.extend(system.schedule.iter().map(|s| &s.span));
        places.extend(system.regions.iter().filter_map(|r| match &r.prefill {
            Some(Prefill::Bootinfo(kind)) => Some(&kind.span),
            Some(Prefill::File { .. }) | None => None,
        }));
        for at in places {
            self.report(Rule::Unsupported, at, "our initial task cannot provide this");
        }
    }

    /// Loads a domain's program and sets its variables.
    fn program(&mut self, d: &'a ProtectionDomain) -> Option<Program> {
        let path = &d.program.path;
        let file = self.image(path)?;
        let top = self.system.board.map_top(d.stack_size);
        let program = Program::parse(&file, top);
        let mut program = self.readable(path, program)?;
        let symbols = match &d.program.path_for_symbols {
            Some(path) => {
                let file = self.image(path)?;
                self.readable(path, Symbols::parse(&file))?
            }
            None => self.readable(path, Symbols::parse(&file))?,
        };
        self.overlaps(d, &program);
        for s in &program.segments {
            if s.rights.write && s.rights.execute {
                let message = format!(
                    "`{}` has a segment that is writable and executable, at {:#x}",
                    path.value, s.vaddr
                );
                self.report(Rule::ProgramWriteExecute, &path.span, message);
            }
        }
        self.set_variables(d, &symbols, &mut program);
        Some(program)
    }

    fn readable<T>(&mut self, path: &At<String>, result: Result<T, ProgramError>) -> Option<T> {
        let (rule, why) = match result {
            Ok(value) => return Some(value),
            Err(ProgramError::Format(why)) => (Rule::ProgramFormat, format!(": {why}")),
            Err(ProgramError::Segments(why)) => (Rule::ProgramSegments, format!(": {why}")),
            Err(ProgramError::Entry(entry)) => {
                (Rule::ProgramEntry, format!(" starts at {entry:#x}"))
            }
        };
        self.report(rule, &path.span, format!("`{}`{why}", path.value));
        None
    }

    /// Reads a program image, once.
    fn image(&mut self, path: &At<String>) -> Option<Rc<Vec<u8>>> {
        if let Some(image) = self.images.get(&path.value) {
            return Some(image.clone());
        }
        let missing = |c: &mut Self, message: String, cure: Option<String>| {
            c.report_with(Rule::ProgramMissing, &path.span, message, |p| match cure {
                Some(cure) => p.cure(cure),
                None => p,
            });
        };
        match self.files.size(&path.value) {
            Ok(FileSize::Known(size)) if size > IMAGE_MAX => {
                let message = format!("`{}` has {size} bytes", path.value);
                missing(self, message, None);
                return None;
            }
            Ok(FileSize::Known(_)) => {}
            Ok(FileSize::NotBuilt) => {
                missing(self, format!("`{}` is not built", path.value), None);
                return None;
            }
            Ok(FileSize::Missing(places)) => {
                let message = format!("`{}` is nowhere", path.value);
                missing(self, message, Some(format!("looked in: {places}")));
                return None;
            }
            Err(why) => {
                missing(self, format!("`{}` cannot be read: {why}", path.value), None);
                return None;
            }
        }
        let mut bytes = Vec::new();
        let read =
            self.files.open(&path.value).and_then(|f| f.take(IMAGE_MAX).read_to_end(&mut bytes));
        if let Err(why) = read {
            missing(self, format!("`{}` cannot be read: {why}", path.value), None);
            return None;
        }
        let image = Rc::new(bytes);
        self.images.insert(path.value.clone(), image.clone());
        Some(image)
    }

    fn overlaps(&mut self, d: &ProtectionDomain, program: &Program) {
        for map in &d.maps {
            let region = self.system.region(map.region);
            let start = map.address.value;
            let end = start.saturating_add(region.least_bytes());
            for s in &program.segments {
                if start < s.end() && s.vaddr < end {
                    let message = format!(
                        "`{}` at {start:#x}..{end:#x} overlaps `{}` at {:#x}..{:#x}",
                        region.name.value,
                        d.program.path.value,
                        s.vaddr,
                        s.end()
                    );
                    let program = &d.program.path.span;
                    self.report_with(Rule::ProgramOverlap, &map.address.span, message, |p| {
                        p.also(program, "the program")
                    });
                }
            }
        }
    }

    /// Writes payload and records.
    fn write(&mut self, programs: &[Program], out: &mut dyn Write) -> Option<(Vec<u8>, u64)> {
        let system = self.system;
        let mut payload = PayloadWriter::new(out);
        let mut spec = Builder::default();
        for ((pd, d), program) in system.indexed_domains().zip(programs) {
            self.domain(pd, d, program, &mut spec, &mut payload)?;
        }
        for r in &system.regions {
            let region = self.region(r, &mut payload)?;
            spec.regions.push(region);
        }
        for c in &system.channels {
            let [a, b] = c.ends.each_ref().map(|e| system_spec::End {
                pd: e.pd,
                id: e.id.value,
                notify: e.notify,
                pp: e.pp,
            });
            spec.channels.push(system_spec::Channel { a, b });
        }
        match spec.write() {
            Ok(bytes) => Some((bytes, payload.size())),
            Err(why) => {
                self.report(Rule::PayloadWrite, &(0..0), format!("the records: {why}"));
                None
            }
        }
    }

    fn domain(
        &mut self,
        pd: PdIndex,
        d: &'a ProtectionDomain,
        program: &Program,
        spec: &mut Builder<'a>,
        payload: &mut PayloadWriter<'_>,
    ) -> Option<()> {
        spec.domains.push(system_spec::ProtectionDomain {
            name: &d.name.value,
            priority: d.priority.value,
            stack_size: d.stack_size,
            entry: program.entry,
            parent: d.parent,
        });
        for s in &program.segments {
            let written = match s.data.is_empty() {
                true => Ok(None),
                false => payload.bytes(&s.data).map(Some),
            };
            let piece = self.written(&d.program.path, written)?;
            spec.segments.push(system_spec::Segment {
                pd,
                vaddr: s.vaddr,
                size: s.size,
                rights: s.rights,
                payload: piece,
            });
        }
        spec.maps.extend(d.maps.iter().map(|m| system_spec::Map {
            pd,
            region: m.region,
            vaddr: m.address.value,
            rights: rights(m.perms),
            cached: m.cached,
        }));
        if let Some(machine) = &d.machine {
            spec.machines.push(system_spec::VirtualMachine {
                name: &machine.name.value,
                pd,
                vcpu_id: machine.vcpu.value,
            });
            let guest = |m: &Map| system_spec::GuestMap {
                pd,
                region: m.region,
                gpa: m.address.value,
                rights: rights(m.perms),
                cached: m.cached,
            };
            spec.guest_maps.extend(machine.maps.iter().map(guest));
        }
        for irq in &d.irqs {
            let IrqSource::IoApic { ioapic, pin, level, active_low } = &irq.source else {
                continue;
            };
            let (Ok(ioapic), Ok(pin)) = (u16::try_from(*ioapic), u16::try_from(pin.value)) else {
                self.report(Rule::IrqPin, &irq.span, "an interrupt line that no machine has");
                continue;
            };
            spec.irqs.push(system_spec::Irq {
                pd,
                id: irq.id.value,
                ioapic,
                pin,
                level: *level,
                active_low: *active_low,
                vector: irq.vector.value,
            });
        }
        spec.io_ports.extend(d.io_ports.iter().map(|p| system_spec::IoPort {
            pd,
            id: p.id.value,
            base: p.base.value,
            size: p.size,
        }));
        Some(())
    }

    fn region(
        &mut self,
        r: &'a MemoryRegion,
        payload: &mut PayloadWriter<'_>,
    ) -> Option<system_spec::Region<'a>> {
        let prefill = match &r.prefill {
            Some(Prefill::File { path, length: Some(length) }) => {
                let written = self
                    .files
                    .open(&path.value)
                    .and_then(|mut f| payload.stream(&mut f, *length))
                    .map(Some);
                self.written(path, written)?
            }
            Some(Prefill::File { path, length: None }) => {
                let message = format!("`{}` is not built", path.value);
                self.report(Rule::PrefillMissing, &path.span, message);
                return None;
            }
            Some(Prefill::Bootinfo(_)) | None => None,
        };
        Some(system_spec::Region {
            name: &r.name.value,
            size: r.least_bytes(),
            page_size: r.page_size,
            phys_addr: r.phys_addr.as_ref().map(|p| p.value),
            prefill,
        })
    }

    fn written<T>(&mut self, path: &At<String>, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(why) => {
                let message = format!("`{}` into the boot image: {why}", path.value);
                self.report(Rule::PayloadWrite, &path.span, message);
                None
            }
        }
    }

    fn region_of(&self, index: RegionIndex) -> &'a MemoryRegion {
        self.system.region(index)
    }
}

fn rights(p: Perms) -> Rights {
    Rights { read: p.read, write: p.write, execute: p.execute }
}
