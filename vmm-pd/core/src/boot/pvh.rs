//! PVH: an ELF file entered in flat 32-bit mode at the address its Xen note
//! names, with a start-information table in EBX (Xen, docs/misc/pvh.pandoc and
//! public/arch-x86/hvm/start_info.h).
//!
//! Segments go to their physical addresses, whatever their virtual ones. The
//! surprising fact: the note belongs to Xen but nothing else here does; Linux
//! takes this entry under any hypervisor.

use zerocopy::{
    Immutable, IntoBytes,
    little_endian::{U32, U64},
};

use super::elf::{Elf, Segment};
use super::entry::{Entry, Mode};
use super::error::COMMAND_LINE_ROOM;
use super::source::Source;
use super::{BootError, Images, Protocol, Start};
use super::{acpi, e820, load_initrd, low_memory, write_command_line};
use crate::cpu::Gpr;
use crate::layout::{self, RamSize, Span, numbers as n};
use crate::memory::GuestMemory;
use crate::types::Gpa;

/// `XEN_HVM_START_MAGIC_VALUE`: "xEn3" with bit 7 of the E set.
const MAGIC: u32 = 0x336E_C578;
/// The version with a memory map.
const VERSION: u32 = 1;

/// The last address of an initial RAM disk: Linux keeps its address in 32 bits
/// and its own loaders stop at 2 GiB.
const INITRD_HIGHEST: u64 = 2 * n::GIB - 1;

/// `hvm_start_info`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct StartInfo {
    magic: U32,
    version: U32,
    flags: U32,
    modules: U32,
    module_list: U64,
    command_line: U64,
    rsdp: U64,
    memory_map: U64,
    memory_map_entries: U32,
    reserved: U32,
}

/// `hvm_modlist_entry`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Module {
    address: U64,
    size: U64,
    command_line: U64,
    reserved: U64,
}

/// `hvm_memmap_table_entry`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct MemoryMapEntry {
    address: U64,
    size: U64,
    kind: U32,
    reserved: U32,
}

/// Where the list of modules lies.
const MODULE_LIST: u64 = n::PVH_START_INFO + size_of::<StartInfo>() as u64;
/// Where the memory map lies.
const MEMORY_MAP: u64 = MODULE_LIST + size_of::<Module>() as u64;

const _: () = assert!(
    MEMORY_MAP + (e820::RANGES * size_of::<MemoryMapEntry>()) as u64 <= n::PVH_START_INFO_END
);

/// Loads an ELF file and what belongs to it.
pub(super) fn load<M, K, I>(
    memory: &mut M,
    ram: RamSize,
    images: &Images<'_, K, I>,
) -> Result<Start, BootError>
where
    M: GuestMemory,
    K: Source<M> + ?Sized,
    I: Source<M> + ?Sized,
{
    let elf = Elf::new(images.kernel)?;
    let entry = elf.pvh_entry()?;
    let kernel = extent(&elf, ram, entry)?;

    low_memory::prepare(memory, Mode::Protected32)?;
    for segment in elf.segments() {
        let segment = segment?;
        if segment.is_load() {
            load_segment(memory, images.kernel, &segment)?;
        }
    }
    write_command_line(memory, images.command_line, COMMAND_LINE_ROOM)?;
    let initrd = load_initrd(memory, ram, images, kernel.end, INITRD_HIGHEST)?;
    write_start_info(memory, ram, initrd)?;

    Ok(Start {
        protocol: Protocol::Pvh,
        entry: Entry {
            mode: Mode::Protected32,
            rip: Gpa(entry),
            register: Gpr::Rbx,
            table: Gpa(n::PVH_START_INFO),
        },
        kernel,
        initrd,
    })
}

/// What the kernel will occupy.
///
/// # Errors
/// Part of it lies outside the room for kernels, it is empty, or the entry is
/// not inside.
fn extent<M: GuestMemory, K: Source<M> + ?Sized>(
    elf: &Elf<'_, K>,
    ram: RamSize,
    entry: u64,
) -> Result<Span, BootError> {
    let room = layout::kernel_room(ram);
    let mut all: Option<Span> = None;
    let mut has_entry = false;
    for segment in elf.segments() {
        let segment = segment?;
        if !segment.is_load() {
            continue;
        }
        let end = segment.paddr.saturating_add(segment.memory_size);
        let span = Span::new(segment.paddr, end);
        if !room.contains(span) {
            return Err(BootError::NoRoom { what: "a segment of the kernel", wanted: span, room });
        }
        has_entry |= span.contains(Span::new(entry, entry.saturating_add(1)));
        all = Some(all.map_or(span, |a| Span::new(a.start.min(span.start), a.end.max(span.end))));
    }
    let all = all.ok_or(BootError::Malformed("the ELF file has nothing to load"))?;
    if !has_entry {
        return Err(BootError::Malformed("the PVH entry lies outside every segment"));
    }
    Ok(all)
}

/// Copies a segment's bytes and clears the rest of its memory: RAM holds what
/// the last guest left there.
fn load_segment<M: GuestMemory, K: Source<M> + ?Sized>(
    memory: &mut M,
    source: &K,
    segment: &Segment,
) -> Result<(), BootError> {
    let file_end = segment.offset.saturating_add(segment.file_size);
    source
        .copy_into(segment.offset, memory, Gpa(segment.paddr), segment.file_size)
        .map_err(|e| BootError::from_copy(e, "an ELF segment", file_end, source.length()))?;
    // Within the room for kernels, as `extent` found.
    let rest = segment.paddr + segment.file_size;
    memory.zero(Gpa(rest), segment.memory_size - segment.file_size)?;
    Ok(())
}

fn write_start_info<M: GuestMemory>(
    memory: &mut M,
    ram: RamSize,
    initrd: Option<Span>,
) -> Result<(), BootError> {
    let info = StartInfo {
        magic: MAGIC.into(),
        version: VERSION.into(),
        flags: 0.into(),
        modules: u32::from(initrd.is_some()).into(),
        module_list: if initrd.is_some() { MODULE_LIST } else { 0 }.into(),
        command_line: n::COMMAND_LINE.into(),
        rsdp: acpi::RSDP.0.into(),
        memory_map: MEMORY_MAP.into(),
        memory_map_entries: (e820::RANGES as u32).into(),
        reserved: 0.into(),
    };
    memory.write(Gpa(n::PVH_START_INFO), info.as_bytes())?;
    if let Some(initrd) = initrd {
        let module = Module {
            address: initrd.start.into(),
            size: initrd.length().into(),
            command_line: 0.into(),
            reserved: 0.into(),
        };
        memory.write(Gpa(MODULE_LIST), module.as_bytes())?;
    }
    let map = e820::map(ram).map(|range| MemoryMapEntry {
        address: range.span.start.into(),
        size: range.span.length().into(),
        kind: (range.kind as u32).into(),
        reserved: 0.into(),
    });
    memory.write(Gpa(MEMORY_MAP), map.as_bytes())?;
    Ok(())
}
