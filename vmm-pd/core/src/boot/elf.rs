//! ELF files as a boot loader sees them: which bytes go to which physical
//! address, and where the PVH entry is. Both classes; sections, symbols,
//! relocations and virtual addresses are of no interest.
//!
//! Every field is checked before use: the file may be anything.

use zerocopy::{
    FromBytes, Immutable, IntoBytes,
    little_endian::{U16, U32, U64},
};

use super::error::{BootError, Found};
use super::source::Source;
use crate::memory::GuestMemory;

// Constants of the System V ABI, chapters 4 and 5, and of its AMD64 supplement.
const CLASS_32: u8 = 1;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const VERSION: u8 = 1;
const EXECUTABLE: u16 = 2;
const MACHINE_386: u16 = 3;
const MACHINE_X86_64: u16 = 62;
const LOAD: u32 = 1;
const NOTE: u32 = 4;

/// Most program headers that are looked at. Kernels have fewer than ten.
const HEADERS_MAX: u16 = 64;
/// Most bytes of notes that are looked at, over all headers. Linux has less
/// than one KiB.
const NOTES_MAX: u64 = 64 * 1024;

/// Owner of the note with the entry point, terminator included.
const XEN: [u8; 4] = *b"Xen\0";
/// `XEN_ELFNOTE_PHYS32_ENTRY` (Xen, public/elfnote.h).
const PHYS32_ENTRY: u32 = 18;

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Ident {
    magic: [u8; 4],
    class: u8,
    data: u8,
    version: u8,
    abi: [u8; 9],
    kind: U16,
    machine: U16,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Header64 {
    ident: Ident,
    version: U32,
    entry: U64,
    phoff: U64,
    shoff: U64,
    flags: U32,
    ehsize: U16,
    phentsize: U16,
    phnum: U16,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Header32 {
    ident: Ident,
    version: U32,
    entry: U32,
    phoff: U32,
    shoff: U32,
    flags: U32,
    ehsize: U16,
    phentsize: U16,
    phnum: U16,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct ProgramHeader64 {
    kind: U32,
    flags: U32,
    offset: U64,
    vaddr: U64,
    paddr: U64,
    filesz: U64,
    memsz: U64,
    align: U64,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct ProgramHeader32 {
    kind: U32,
    offset: U32,
    vaddr: U32,
    paddr: U32,
    filesz: U32,
    memsz: U32,
    flags: U32,
    align: U32,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct NoteHeader {
    namesz: U32,
    descsz: U32,
    kind: U32,
}

/// The file's class, which is also the width of its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Bits32,
    Bits64,
}

/// A program header. Holding one proves that its bytes lie in the file and that
/// its memory is at least as long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    kind: u32,
    /// Where its bytes are in the file.
    pub offset: u64,
    /// Where they go.
    pub paddr: u64,
    /// How many there are.
    pub file_size: u64,
    /// How much memory it takes; zero beyond the bytes.
    pub memory_size: u64,
    align: u64,
}

impl Segment {
    /// Whether it is to be loaded.
    pub fn is_load(&self) -> bool {
        self.kind == LOAD && self.memory_size > 0
    }
}

/// A file whose header has been checked.
pub(super) struct Elf<'a, S: ?Sized> {
    source: &'a S,
    length: u64,
    class: Class,
    table: u64,
    count: u16,
}

impl<'a, S: ?Sized> Elf<'a, S> {
    /// Checks the header.
    ///
    /// # Errors
    /// Not an executable for this machine, or cut short.
    pub fn new<M: GuestMemory>(source: &'a S) -> Result<Self, BootError>
    where
        S: Source<M>,
    {
        let length = source.length();
        let ident: Ident = get(source, 0, "the ELF header")?;
        let class = match (ident.class, ident.machine.get()) {
            // The byte order of the machine field is that of the data field.
            _ if ident.data != LITTLE_ENDIAN => {
                return Err(BootError::NotAKernel(Found::ForeignElf("a big-endian machine")));
            }
            (CLASS_32, MACHINE_386) => Class::Bits32,
            (CLASS_64, MACHINE_X86_64) => Class::Bits64,
            (CLASS_32, MACHINE_X86_64) => {
                return Err(BootError::NotAKernel(Found::ForeignElf("x32 programs")));
            }
            (_, machine) => {
                return Err(BootError::NotAKernel(foreign(machine)));
            }
        };
        if ident.version != VERSION {
            return Err(BootError::Malformed("unknown ELF version"));
        }
        if ident.kind.get() != EXECUTABLE {
            return Err(BootError::Malformed(
                "the ELF file is no executable (a relocatable object, a shared library, a core?)",
            ));
        }
        let (table, entry_size, size, count) = match class {
            Class::Bits64 => {
                let h: Header64 = get(source, 0, "the ELF header")?;
                (h.phoff.get(), h.phentsize.get(), size_of::<ProgramHeader64>(), h.phnum.get())
            }
            Class::Bits32 => {
                let h: Header32 = get(source, 0, "the ELF header")?;
                let table = u64::from(h.phoff.get());
                (table, h.phentsize.get(), size_of::<ProgramHeader32>(), h.phnum.get())
            }
        };
        if usize::from(entry_size) != size {
            return Err(BootError::Malformed("ELF program headers of an unknown size"));
        }
        if count == 0 || count > HEADERS_MAX {
            return Err(BootError::Malformed("no ELF program headers, or more than 64"));
        }
        let end = table.saturating_add(u64::from(count) * size as u64);
        if end > length {
            let what = "the table of ELF program headers";
            return Err(BootError::Truncated { what, end, length });
        }
        Ok(Elf { source, length, class, table, count })
    }

    /// The program headers.
    pub fn segments<M: GuestMemory>(
        &self,
    ) -> impl Iterator<Item = Result<Segment, BootError>> + use<'_, 'a, M, S>
    where
        S: Source<M>,
    {
        (0..self.count).map(|i| self.segment(i))
    }

    fn segment<M: GuestMemory>(&self, index: u16) -> Result<Segment, BootError>
    where
        S: Source<M>,
    {
        let what = "an ELF program header";
        let index = u64::from(index);
        let segment = match self.class {
            Class::Bits64 => {
                let at = self.table + index * size_of::<ProgramHeader64>() as u64;
                let h: ProgramHeader64 = get(self.source, at, what)?;
                Segment {
                    kind: h.kind.get(),
                    offset: h.offset.get(),
                    paddr: h.paddr.get(),
                    file_size: h.filesz.get(),
                    memory_size: h.memsz.get(),
                    align: h.align.get(),
                }
            }
            Class::Bits32 => {
                let at = self.table + index * size_of::<ProgramHeader32>() as u64;
                let h: ProgramHeader32 = get(self.source, at, what)?;
                Segment {
                    kind: h.kind.get(),
                    offset: h.offset.get().into(),
                    paddr: h.paddr.get().into(),
                    file_size: h.filesz.get().into(),
                    memory_size: h.memsz.get().into(),
                    align: h.align.get().into(),
                }
            }
        };
        if segment.kind != LOAD && segment.kind != NOTE {
            return Ok(segment);
        }
        let end = segment.offset.saturating_add(segment.file_size);
        if end > self.length {
            return Err(BootError::Truncated { what: "an ELF segment", end, length: self.length });
        }
        if segment.kind == LOAD && segment.memory_size < segment.file_size {
            return Err(BootError::Malformed("an ELF segment has more bytes than memory"));
        }
        Ok(segment)
    }

    /// The physical address of the PVH entry.
    ///
    /// # Errors
    /// No note names one, or a note cannot be.
    pub fn pvh_entry<M: GuestMemory>(&self) -> Result<u64, BootError>
    where
        S: Source<M>,
    {
        let mut budget = NOTES_MAX;
        for segment in self.segments() {
            let segment = segment?;
            if segment.kind != NOTE {
                continue;
            }
            budget = budget
                .checked_sub(segment.file_size)
                .ok_or(BootError::Malformed("more than 64 KiB of ELF notes"))?;
            if let Some(entry) = self.entry_note(&segment)? {
                return Ok(entry);
            }
        }
        Err(BootError::NoPvhEntry)
    }

    /// Walks the notes of one segment; each step is at least a note header long.
    fn entry_note<M: GuestMemory>(&self, segment: &Segment) -> Result<Option<u64>, BootError>
    where
        S: Source<M>,
    {
        let broken = BootError::Malformed("an ELF note is longer than its segment");
        // Offsets and sizes are within the file: none of this overflows.
        let align = if segment.align == 8 { 8 } else { 4 };
        let padded = |n: u32| u64::from(n).next_multiple_of(align);
        let mut at = 0;
        while segment.file_size - at >= size_of::<NoteHeader>() as u64 {
            let note: NoteHeader = get(self.source, segment.offset + at, "an ELF note")?;
            let name = at + size_of::<NoteHeader>() as u64;
            let desc = name + padded(note.namesz.get());
            let end = desc + u64::from(note.descsz.get());
            if end > segment.file_size {
                return Err(broken);
            }
            if note.kind.get() == PHYS32_ENTRY && note.namesz.get() == XEN.len() as u32 {
                let owner: [u8; 4] = get(self.source, segment.offset + name, "an ELF note")?;
                if owner == XEN {
                    return self.entry_value(segment.offset + desc, note.descsz.get()).map(Some);
                }
            }
            at = (desc + padded(note.descsz.get())).min(segment.file_size);
        }
        Ok(None)
    }

    fn entry_value<M: GuestMemory>(&self, offset: u64, size: u32) -> Result<u64, BootError>
    where
        S: Source<M>,
    {
        match size {
            4 => Ok(get::<M, S, U32>(self.source, offset, "the PVH entry")?.get().into()),
            8 => Ok(get::<M, S, U64>(self.source, offset, "the PVH entry")?.get()),
            _ => Err(BootError::Malformed("the note of the PVH entry is neither 4 nor 8 bytes")),
        }
    }
}

/// Reads a structure out of the file.
fn get<M, S, T>(source: &S, offset: u64, what: &'static str) -> Result<T, BootError>
where
    M: GuestMemory,
    S: Source<M> + ?Sized,
    T: FromBytes + IntoBytes,
{
    let mut value = T::new_zeroed();
    source.read(offset, value.as_mut_bytes()).map_err(|_| BootError::Truncated {
        what,
        end: offset.saturating_add(size_of::<T>() as u64),
        length: source.length(),
    })?;
    Ok(value)
}

fn foreign(machine: u16) -> Found {
    match machine {
        MACHINE_386 => Found::ForeignElf("32-bit x86 in a 64-bit file"),
        8 => Found::ForeignElf("MIPS"),
        20 => Found::ForeignElf("32-bit PowerPC"),
        21 => Found::ForeignElf("PowerPC"),
        22 => Found::ForeignElf("S/390"),
        40 => Found::ForeignElf("32-bit Arm"),
        183 => Found::ForeignElf("aarch64"),
        243 => Found::ForeignElf("RISC-V"),
        258 => Found::ForeignElf("LoongArch"),
        machine => Found::UnknownElf(machine),
    }
}
