//! A program image: what of it is loaded where, and where its symbols are.

use std::collections::BTreeMap;

use object::{
    LittleEndian as LE,
    elf::{EM_X86_64, ET_EXEC, FileHeader64, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader, Sym},
};
use system_spec::{PAGE_SIZE, Rights};

/// Most memory that a program's segments may take: a bound for a damaged
/// file, far above any protection domain.
const PROGRAM_MAX: u64 = 256 << 20;

/// Why a file is not a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ProgramError {
    /// Not an executable of the right kind.
    Format(String),
    /// Its segments do not suit.
    Segments(String),
    /// Its entry is nowhere.
    Entry(u64),
}

/// A loadable part, page-aligned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    /// A multiple of the page size.
    pub(super) vaddr: u64,
    /// A multiple of the page size.
    pub(super) size: u64,
    /// Its first bytes; the rest is zero. Not longer than `size`.
    pub(super) data: Vec<u8>,
    pub(super) rights: Rights,
}

impl Segment {
    pub(super) fn end(&self) -> u64 {
        self.vaddr + self.size
    }
}

/// A program to load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Program {
    pub(super) entry: u64,
    /// By address, apart from each other.
    pub(super) segments: Vec<Segment>,
}

impl Program {
    /// Reads an ELF file whose segments must end at `top` or below.
    pub(super) fn parse(file: &[u8], top: u64) -> Result<Self, ProgramError> {
        let header = header(file)?;
        let format = |e: object::Error| ProgramError::Format(e.to_string());
        let mut segments: Vec<Segment> = Vec::new();
        for p in header.program_headers(LE, file).map_err(format)? {
            if p.p_type(LE) == PT_INTERP {
                return Err(ProgramError::Format("it wants a dynamic linker".into()));
            }
            if p.p_type(LE) != PT_LOAD || p.p_memsz(LE) == 0 {
                continue;
            }
            let bytes = p
                .data(LE, file)
                .map_err(|()| ProgramError::Format("a segment lies outside the file".into()))?;
            segments.push(segment(p.p_vaddr(LE), p.p_memsz(LE), bytes, p.p_flags(LE), top)?);
        }
        segments.sort_by_key(|s| s.vaddr);
        if segments.is_empty() {
            return Err(ProgramError::Segments("it has nothing to load".into()));
        }
        for (a, b) in segments.iter().zip(segments.iter().skip(1)) {
            if a.end() > b.vaddr {
                let text = format!(
                    "the one at {:#x}..{:#x} and the one at {:#x} share a page",
                    a.vaddr,
                    a.end(),
                    b.vaddr
                );
                return Err(ProgramError::Segments(text));
            }
        }
        let total = segments.iter().map(|s| s.size).fold(0, u64::saturating_add);
        if total > PROGRAM_MAX {
            let text = format!("they take {total:#x} bytes, more than {PROGRAM_MAX:#x}");
            return Err(ProgramError::Segments(text));
        }
        let entry = header.e_entry.get(LE);
        let inside = |s: &Segment| s.rights.execute && (s.vaddr..s.end()).contains(&entry);
        if !segments.iter().any(inside) {
            return Err(ProgramError::Entry(entry));
        }
        Ok(Program { entry, segments })
    }

    /// Writes into the image. `None` if no segment holds all of it.
    pub(super) fn write(&mut self, address: u64, data: &[u8]) -> Option<()> {
        let end = address.checked_add(data.len() as u64)?;
        let s = self.segments.iter_mut().find(|s| s.vaddr <= address && end <= s.end())?;
        let start = usize::try_from(address - s.vaddr).ok()?;
        let stop = start.checked_add(data.len())?;
        if s.data.len() < stop {
            s.data.resize(stop, 0);
        }
        s.data.get_mut(start..stop)?.copy_from_slice(data);
        Some(())
    }
}

fn header(file: &[u8]) -> Result<&FileHeader64<LE>, ProgramError> {
    let format = |e: &str| ProgramError::Format(e.to_owned());
    if !file.starts_with(b"\x7fELF") {
        return Err(format("it is not an ELF file"));
    }
    let header = FileHeader64::<LE>::parse(file)
        .map_err(|_| format("it is not a little-endian 64-bit ELF file"))?;
    if header.e_machine(LE) != EM_X86_64 {
        return Err(format("it is for another processor"));
    }
    if header.e_type(LE) != ET_EXEC {
        return Err(format("it is not linked to fixed addresses (link with -no-pie)"));
    }
    Ok(header)
}

/// Makes whole pages of a segment.
fn segment(
    vaddr: u64,
    size: u64,
    bytes: &[u8],
    flags: u32,
    top: u64,
) -> Result<Segment, ProgramError> {
    let start = vaddr & !(PAGE_SIZE - 1);
    let before = vaddr - start;
    let end = vaddr
        .checked_add(size)
        .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
        .filter(|&end| end <= top);
    let Some(end) = end else {
        let text = format!("the one of {size:#x} bytes at {vaddr:#x} ends above {top:#x}");
        return Err(ProgramError::Segments(text));
    };
    if bytes.len() as u64 > size {
        return Err(ProgramError::Format("a segment is longer in the file than in memory".into()));
    }
    let before = usize::try_from(before).unwrap_or_default();
    let mut data = Vec::new();
    if !bytes.is_empty() {
        data.reserve_exact(before + bytes.len());
        data.resize(before, 0);
        data.extend_from_slice(bytes);
    }
    let has = |flag| flags & flag != 0;
    let rights = Rights { read: has(PF_R), write: has(PF_W), execute: has(PF_X) };
    Ok(Segment { vaddr: start, size: end - start, data, rights })
}

/// A symbol, or that there are several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Symbol {
    One { address: u64, size: u64 },
    Several,
}

/// Symbols by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Symbols(BTreeMap<Vec<u8>, Symbol>);

impl Symbols {
    /// Reads an ELF file's symbol table.
    pub(super) fn parse(file: &[u8]) -> Result<Self, ProgramError> {
        let format = |e: object::Error| ProgramError::Format(e.to_string());
        let header = header(file)?;
        let sections = header.sections(LE, file).map_err(format)?;
        let table = sections.symbols(LE, file, object::elf::SHT_SYMTAB).map_err(format)?;
        let mut symbols = BTreeMap::new();
        for s in table.iter() {
            let name = table.symbol_name(LE, s).map_err(format)?;
            let one = Symbol::One { address: s.st_value(LE), size: s.st_size(LE) };
            symbols.entry(name.to_vec()).and_modify(|e| *e = Symbol::Several).or_insert(one);
        }
        Ok(Symbols(symbols))
    }

    pub(super) fn get(&self, name: &str) -> Option<Symbol> {
        self.0.get(name.as_bytes()).copied()
    }

    /// Names, for "did you mean".
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|n| str::from_utf8(n).ok())
    }
}
