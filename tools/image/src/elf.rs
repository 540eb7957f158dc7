//! The system ELF: the initial task with one more segment, which holds the
//! compiled description and the payload.

use std::io::{Read, Write};

use object::elf::{self, FileHeader64, ProgramHeader64};
use object::endian::{LittleEndian as LE, U16, U32, U64};
use object::pod::bytes_of;
use object::read::elf::{FileHeader, ProgramHeader, Sym};

use crate::ImageError;

const PAGE: u64 = 0x1000;

/// Half of the slots in the initial task's CNode (2^17, ROOT_CNODE_SIZE_BITS in
/// tools/kernel): the other half is for what the system is built of.
const LIMIT: u64 = (1 << 16) * PAGE;

/// What lies below the boot module in memory: the kernel's image ends near
/// 10 MiB, and its loader and the firmware's tables need a little.
const BELOW: u64 = 16 << 20;

/// End of user addresses, `PPTR_USER_TOP` of the patched kernel, less the two
/// pages that it puts after the image.
const TOP: u64 = 0x7fff_ffff_f000 - 2 * PAGE;

/// The initial task's variables that are set here, in this order.
const SYMBOLS: [&str; 4] = [
    "bulkhead_spec_vaddr",
    "bulkhead_spec_size",
    "bulkhead_payload_vaddr",
    "bulkhead_payload_size",
];

/// What the protection domains' memory is filled with.
pub struct Payload<'a> {
    /// Its size in bytes, a multiple of 4096.
    pub size: u64,
    /// Where it comes from; it is read once, to its end.
    pub source: &'a mut dyn Read,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemElf {
    /// Size of the file.
    pub file: u64,
    /// Size of the contiguous range of memory that it describes.
    pub memory: u64,
}

impl SystemElf {
    /// Checks that a machine with `memory` bytes can start it.
    ///
    /// # Errors
    /// [`ImageError::Memory`].
    pub fn fits(&self, memory: u64) -> Result<(), ImageError> {
        let needed = BELOW.saturating_add(self.file).saturating_add(self.memory);
        if needed <= memory { Ok(()) } else { Err(ImageError::Memory { needed, memory }) }
    }
}

/// Writes the system ELF.
///
/// `root_task` is the linked initial task with its symbols, `spec` the compiled
/// system description. The payload is streamed.
///
/// # Errors
/// Nothing of `out` is of use after one.
pub fn system_elf(
    root_task: &[u8],
    spec: &[u8],
    payload: Payload<'_>,
    out: &mut dyn Write,
) -> Result<SystemElf, ImageError> {
    if !payload.size.is_multiple_of(PAGE) {
        return Err(ImageError::UnalignedPayload { size: payload.size });
    }
    let mut program = Program::parse(root_task)?;
    let spec_vaddr = program.end;
    let spec_size = length(spec);
    let spec_pages = round_up(spec_size)?;
    let extra = spec_pages.checked_add(payload.size).ok_or_else(too_large)?;
    let end = program.end.checked_add(extra).ok_or_else(too_large)?;
    let memory = end - program.start;
    if memory > LIMIT || end > TOP {
        return Err(ImageError::TooLarge { size: memory, limit: LIMIT });
    }
    let values = [spec_vaddr, spec_size, spec_vaddr + spec_pages, payload.size];
    for (symbol, value) in SYMBOLS.into_iter().zip(values) {
        program.set(symbol, value)?;
    }

    let layout = Layout::new(&program, extra)?;
    let mut writer = Counting { out, written: 0 };
    writer.headers(&program, &layout)?;
    for (segment, &offset) in program.segments.iter().zip(&layout.offsets) {
        writer.pad_to(offset)?;
        writer.write(&segment.data)?;
    }
    writer.pad_to(layout.extra_offset)?;
    writer.write(spec)?;
    writer.pad_to(layout.extra_offset + spec_pages)?;
    writer.copy(payload)?;
    Ok(SystemElf { file: writer.written, memory })
}

/// A segment of the initial task, with its data to be changed.
struct Segment {
    vaddr: u64,
    memory_size: u64,
    flags: u32,
    data: Vec<u8>,
}

/// The initial task.
struct Program<'a> {
    file: &'a [u8],
    header: &'a FileHeader64<LE>,
    segments: Vec<Segment>,
    /// First address, page-aligned.
    start: u64,
    /// First address after it, page-aligned.
    end: u64,
}

impl<'a> Program<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        let header = FileHeader64::<LE>::parse(file).map_err(|e| root_task(e.to_string()))?;
        if !header.is_class_64()
            || !header.is_little_endian()
            || header.e_machine(LE) != elf::EM_X86_64
        {
            return Err(root_task("it is not for x86-64".into()));
        }
        if header.e_type(LE) != elf::ET_EXEC {
            return Err(root_task("it is not linked to a fixed address".into()));
        }
        let mut segments = Vec::new();
        for segment in header.program_headers(LE, file).map_err(|e| root_task(e.to_string()))? {
            if segment.p_type(LE) != elf::PT_LOAD || segment.p_memsz(LE) == 0 {
                continue;
            }
            let data = segment
                .data(LE, file)
                .map_err(|()| root_task("a segment lies outside the file".into()))?;
            if length(data) > segment.p_memsz(LE) {
                return Err(root_task("a segment is larger in the file than in memory".into()));
            }
            segments.push(Segment {
                vaddr: segment.p_vaddr(LE),
                memory_size: segment.p_memsz(LE),
                flags: segment.p_flags(LE),
                data: data.to_vec(),
            });
        }
        segments.sort_by_key(|segment| segment.vaddr);
        let first = segments.first().ok_or_else(|| root_task("it has no segment".into()))?;
        let start = first.vaddr;
        if !start.is_multiple_of(PAGE) {
            return Err(root_task(format!("its first address, {start:#x}, is within a page")));
        }
        let mut end = start;
        for segment in &segments {
            if segment.vaddr < end {
                return Err(root_task(format!("two segments overlap at {:#x}", segment.vaddr)));
            }
            end = segment.vaddr.checked_add(segment.memory_size).ok_or_else(too_large)?;
        }
        let entry = header.e_entry(LE);
        if !(start..end).contains(&entry) {
            return Err(root_task(format!("its entry point, {entry:#x}, is outside it")));
        }
        Ok(Self { file, header, segments, start, end: round_up(end)? })
    }

    /// Writes `value` over the variable `symbol`.
    fn set(&mut self, symbol: &'static str, value: u64) -> Result<(), ImageError> {
        let error = |why: &str| ImageError::Symbol { symbol, why: why.into() };
        let sections = self.header.sections(LE, self.file).map_err(|e| error(&format!("{e}")))?;
        let symbols =
            sections.symbols(LE, self.file, elf::SHT_SYMTAB).map_err(|e| error(&format!("{e}")))?;
        let found = symbols
            .iter()
            .find(|found| found.name(LE, symbols.strings()) == Ok(symbol.as_bytes()))
            .ok_or_else(|| error("is missing"))?;
        if found.st_size(LE) != 8 {
            return Err(error(&format!("has {} bytes instead of 8", found.st_size(LE))));
        }
        let address = found.st_value(LE);
        let place = self.segments.iter_mut().find_map(|segment| {
            let at = usize::try_from(address.checked_sub(segment.vaddr)?).ok()?;
            segment.data.get_mut(at..at.checked_add(8)?)
        });
        place
            .ok_or_else(|| error("is not in the file (does it lie in .bss?)"))?
            .copy_from_slice(&value.to_le_bytes());
        Ok(())
    }
}

/// Where things are in the new file. A segment's offset and address are equal
/// modulo a page, so the kernel's copies are aligned.
struct Layout {
    offsets: Vec<u64>,
    extra_offset: u64,
    extra_size: u64,
}

impl Layout {
    fn new(program: &Program, extra_size: u64) -> Result<Self, ImageError> {
        let mut at = PAGE;
        let mut offsets = Vec::with_capacity(program.segments.len());
        for segment in &program.segments {
            let offset = at.checked_add(segment.vaddr % PAGE).ok_or_else(too_large)?;
            offsets.push(offset);
            at = round_up(offset.checked_add(length(&segment.data)).ok_or_else(too_large)?)?;
        }
        Ok(Self { offsets, extra_offset: at, extra_size })
    }
}

/// Program headers fit into the first page of the file, after its header.
const MAX_SEGMENTS: usize =
    (PAGE as usize - size_of::<FileHeader64<LE>>()) / size_of::<ProgramHeader64<LE>>();

/// A writer that knows where it is.
struct Counting<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.out.write_all(bytes).map_err(ImageError::WriteSystem)?;
        self.written += length(bytes);
        Ok(())
    }

    fn pad_to(&mut self, offset: u64) -> Result<(), ImageError> {
        while let Some(missing) = offset.checked_sub(self.written).filter(|missing| *missing > 0) {
            let zeros = [0; PAGE as usize];
            let now = usize::try_from(missing).map_or(zeros.len(), |m| m.min(zeros.len()));
            self.write(zeros.get(..now).unwrap_or(&zeros))?;
        }
        Ok(())
    }

    fn headers(&mut self, program: &Program, layout: &Layout) -> Result<(), ImageError> {
        let count = program.segments.len() + 1;
        let too_many = || root_task(format!("it has more than {} segments", MAX_SEGMENTS - 1));
        let e_phnum = u16::try_from(count).map_err(|_| too_many())?;
        if count > MAX_SEGMENTS {
            return Err(too_many());
        }
        let mut header = *program.header;
        header.e_phoff = U64::new(LE, size_of::<FileHeader64<LE>>() as u64);
        header.e_phnum = U16::new(LE, e_phnum);
        header.e_shoff = U64::new(LE, 0);
        header.e_shnum = U16::new(LE, 0);
        header.e_shstrndx = U16::new(LE, 0);
        self.write(bytes_of(&header))?;
        for (segment, &offset) in program.segments.iter().zip(&layout.offsets) {
            self.program_header(
                segment.flags,
                offset,
                segment.vaddr,
                length(&segment.data),
                segment.memory_size,
            )?;
        }
        let size = layout.extra_size;
        self.program_header(elf::PF_R | elf::PF_W, layout.extra_offset, program.end, size, size)
    }

    fn program_header(
        &mut self,
        flags: u32,
        offset: u64,
        vaddr: u64,
        file_size: u64,
        memory_size: u64,
    ) -> Result<(), ImageError> {
        self.write(bytes_of(&ProgramHeader64::<LE> {
            p_type: U32::new(LE, elf::PT_LOAD),
            p_flags: U32::new(LE, flags),
            p_offset: U64::new(LE, offset),
            p_vaddr: U64::new(LE, vaddr),
            p_paddr: U64::new(LE, vaddr),
            p_filesz: U64::new(LE, file_size),
            p_memsz: U64::new(LE, memory_size),
            p_align: U64::new(LE, PAGE),
        }))
    }

    /// Copies exactly the announced payload.
    fn copy(&mut self, payload: Payload<'_>) -> Result<(), ImageError> {
        let mut buffer = vec![0; 1 << 20];
        let mut found = 0;
        // One byte more than announced, to notice a source that goes on.
        let mut source = payload.source.take(payload.size.saturating_add(1));
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(ImageError::ReadPayload(e)),
            };
            self.write(buffer.get(..count).unwrap_or_default())?;
            found += count as u64;
        }
        if found == payload.size {
            Ok(())
        } else {
            Err(ImageError::PayloadLength { announced: payload.size, found })
        }
    }
}

fn root_task(why: String) -> ImageError {
    ImageError::RootTask { why }
}

fn too_large() -> ImageError {
    ImageError::TooLarge { size: u64::MAX, limit: LIMIT }
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn round_up(size: u64) -> Result<u64, ImageError> {
    size.checked_next_multiple_of(PAGE).ok_or_else(too_large)
}

#[cfg(test)]
mod tests;
