//! Linux's own boot protocol for a bzImage (Documentation/arch/x86/boot.rst),
//! version 2.06 and later: the protected-mode part is loaded and entered
//! directly, in 64-bit mode where it says it can be, else in 32-bit mode. The
//! real-mode part never runs; its header is copied into the zero page.
//!
//! The surprising fact: a signed or padded image is longer than its kernel, so
//! the length comes from `syssize`, not from the file.

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes,
    little_endian::{U16, U32, U64},
};

use super::entry::{Entry, Mode};
use super::source::Source;
use super::{BootError, Images, Protocol, Start};
use super::{acpi, e820, load_initrd, low_memory, write_command_line};
use crate::cpu::Gpr;
use crate::layout::{self, RamSize, Span, numbers as n};
use crate::memory::GuestMemory;
use crate::types::Gpa;

/// Where the header begins, in the image and in the zero page.
const HEADER: u64 = 0x1F1;
/// Oldest protocol that says how long a command line may be.
const OLDEST: u16 = 0x0206;
/// First protocol with `pref_address` and `init_size`.
const WITH_INIT_SIZE: u16 = 0x020A;
/// First protocol with `xloadflags`.
const WITH_XLOADFLAGS: u16 = 0x020C;
/// `loadflags`: the protected-mode part is loaded at 1 MiB or above.
const LOADED_HIGH: u8 = 1 << 0;
/// `xloadflags`: there is a 64-bit entry.
const KERNEL_64: u16 = 1 << 0;
/// The 64-bit entry is this far behind the 32-bit one.
const ENTRY_64: u64 = 0x200;
/// Where a kernel without `pref_address` is loaded.
const LOAD_DEFAULT: u64 = n::MIB;
/// `type_of_loader`: one without an assigned number.
const LOADER_UNKNOWN: u8 = 0xFF;
/// Size of a sector; of the setup part if `setup_sects` is zero, four and one.
const SECTOR: u64 = 512;

// Fields of the zero page (Documentation/arch/x86/zero-page.rst).
const ACPI_RSDP: u64 = 0x070;
const E820_ENTRIES: u64 = 0x1E8;
const E820_TABLE: u64 = 0x2D0;

/// `setup_header`.
#[derive(Clone, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SetupHeader {
    setup_sects: u8,
    root_flags: U16,
    syssize: U32,
    ram_size: U16,
    vid_mode: U16,
    root_dev: U16,
    boot_flag: U16,
    jump: U16,
    header: U32,
    version: U16,
    realmode_swtch: U32,
    start_sys_seg: U16,
    kernel_version: U16,
    type_of_loader: u8,
    loadflags: u8,
    setup_move_size: U16,
    code32_start: U32,
    ramdisk_image: U32,
    ramdisk_size: U32,
    bootsect_kludge: U32,
    heap_end_ptr: U16,
    ext_loader_ver: u8,
    ext_loader_type: u8,
    cmd_line_ptr: U32,
    initrd_addr_max: U32,
    kernel_alignment: U32,
    relocatable_kernel: u8,
    min_alignment: u8,
    xloadflags: U16,
    cmdline_size: U32,
    hardware_subarch: U32,
    hardware_subarch_data: U64,
    payload_offset: U32,
    payload_length: U32,
    setup_data: U64,
    pref_address: U64,
    init_size: U32,
    handover_offset: U32,
    kernel_info_offset: U32,
}

/// `boot_e820_entry`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct E820Entry {
    address: U64,
    size: U64,
    kind: U32,
}

const _: () = assert!(size_of::<SetupHeader>() == 0x26C - 0x1F1);

/// What a checked header says.
struct Plan {
    header: SetupHeader,
    version: u16,
    /// Where the protected-mode part begins in the image.
    payload_offset: u64,
    /// How long it is.
    payload_length: u64,
    /// Where the kernel lies while it starts.
    kernel: Span,
}

/// Loads a bzImage and what belongs to it.
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
    let plan = plan(images.kernel, ram)?;
    let long = plan.version >= WITH_XLOADFLAGS && plan.header.xloadflags.get() & KERNEL_64 != 0;
    let mode = if long { Mode::Long64 } else { Mode::Protected32 };

    low_memory::prepare(memory, mode)?;
    let end = plan.payload_offset + plan.payload_length;
    images
        .kernel
        .copy_into(plan.payload_offset, memory, Gpa(plan.kernel.start), plan.payload_length)
        .map_err(|e| BootError::from_copy(e, "the kernel", end, images.kernel.length()))?;
    let most = plan.header.cmdline_size.get().into();
    write_command_line(memory, images.command_line, most)?;
    let highest = plan.header.initrd_addr_max.get().into();
    let initrd = load_initrd(memory, ram, images, plan.kernel.end, highest)?;
    write_zero_page(memory, ram, &plan, initrd)?;
    let rip = match mode {
        Mode::Protected32 => plan.kernel.start,
        Mode::Long64 => {
            write_page_tables(memory)?;
            plan.kernel.start + ENTRY_64
        }
    };

    let [minor, major] = plan.version.to_le_bytes();
    Ok(Start {
        protocol: Protocol::Linux { major, minor },
        entry: Entry { mode, rip: Gpa(rip), register: Gpr::Rsi, table: Gpa(n::ZERO_PAGE) },
        kernel: plan.kernel,
        initrd,
    })
}

/// Checks the header and decides where the kernel goes.
fn plan<M, K>(image: &K, ram: RamSize) -> Result<Plan, BootError>
where
    M: GuestMemory,
    K: Source<M> + ?Sized,
{
    let length = image.length();
    let truncated = |what, end| BootError::Truncated { what, end, length };
    let mut header = SetupHeader::new_zeroed();
    let header_end = HEADER + size_of::<SetupHeader>() as u64;
    image
        .read(HEADER, header.as_mut_bytes())
        .map_err(|_| truncated("the setup header", header_end))?;

    let version = header.version.get();
    if version < OLDEST {
        let [minor, major] = version.to_le_bytes();
        return Err(BootError::OldProtocol { major, minor });
    }
    if header.loadflags & LOADED_HIGH == 0 {
        return Err(BootError::Malformed("the kernel is a zImage, to be loaded below 1 MiB"));
    }
    // The header ends where the jump over it lands; older ones are shorter,
    // and what lies behind is code.
    let stated = 0x202 + u64::from(header.jump.get() >> 8);
    let known = stated.clamp(0x206, header_end) - HEADER;
    // At most the header's size.
    header.as_mut_bytes()[known as usize..].fill(0);

    let sectors = if header.setup_sects == 0 { 4 } else { u64::from(header.setup_sects) };
    let payload_offset = (sectors + 1) * SECTOR;
    let payload_length = u64::from(header.syssize.get()) * 16;
    if payload_length <= ENTRY_64 {
        return Err(BootError::Malformed("the bzImage's kernel is empty"));
    }
    let end = payload_offset + payload_length;
    if end > length {
        return Err(truncated("the kernel", end));
    }
    let kernel = place(&header, version, payload_length, ram)?;
    Ok(Plan { header, version, payload_offset, payload_length, kernel })
}

/// Where the kernel goes: where it prefers, or if there is not enough RAM there
/// and it can be moved, as low as it can.
fn place(
    header: &SetupHeader,
    version: u16,
    payload_length: u64,
    ram: RamSize,
) -> Result<Span, BootError> {
    let (preferred, size) = if version >= WITH_INIT_SIZE {
        (header.pref_address.get(), payload_length.max(header.init_size.get().into()))
    } else {
        (LOAD_DEFAULT, payload_length)
    };
    let room = layout::kernel_room(ram);
    let wanted = Span::new(preferred, preferred.saturating_add(size));
    if room.contains(wanted) {
        return Ok(wanted);
    }
    let alignment = u64::from(header.kernel_alignment.get());
    if header.relocatable_kernel != 0 && alignment.is_power_of_two() {
        // Both are far below 2^63: a 32-bit alignment above 1 MiB.
        let start = room.start.next_multiple_of(alignment);
        let moved = Span::new(start, start + size);
        if room.contains(moved) {
            return Ok(moved);
        }
    }
    Err(BootError::NoRoom { what: "the kernel", wanted, room })
}

fn write_zero_page<M: GuestMemory>(
    memory: &mut M,
    ram: RamSize,
    plan: &Plan,
    initrd: Option<Span>,
) -> Result<(), BootError> {
    let mut header = plan.header.clone();
    header.type_of_loader = LOADER_UNKNOWN;
    // All of these lie below 4 GiB: RAM ends there.
    header.code32_start = (plan.kernel.start as u32).into();
    header.cmd_line_ptr = (n::COMMAND_LINE as u32).into();
    let initrd = initrd.unwrap_or(Span::new(0, 0));
    header.ramdisk_image = (initrd.start as u32).into();
    header.ramdisk_size = (initrd.length() as u32).into();
    // A list of ours would go here; the image's own word is not to be trusted.
    header.setup_data = 0.into();

    // Low memory is clear: every other field of the page is zero.
    memory.write(Gpa(n::ZERO_PAGE + HEADER), header.as_bytes())?;
    memory.write(Gpa(n::ZERO_PAGE + ACPI_RSDP), &acpi::RSDP.0.to_le_bytes())?;
    memory.write(Gpa(n::ZERO_PAGE + E820_ENTRIES), &[e820::RANGES as u8])?;
    let map = e820::map(ram).map(|range| E820Entry {
        address: range.span.start.into(),
        size: range.span.length().into(),
        kind: (range.kind as u32).into(),
    });
    memory.write(Gpa(n::ZERO_PAGE + E820_TABLE), map.as_bytes())?;
    Ok(())
}

/// Identity tables of 2 MiB pages over the first four GiB (Intel SDM vol. 3A,
/// 4.5): the protocol wants kernel, zero page and command line mapped. Low
/// memory is clear: entries that are not written are absent.
fn write_page_tables<M: GuestMemory>(memory: &mut M) -> Result<(), BootError> {
    /// Present and writable.
    const TABLE: u64 = 0b11;
    /// And a page.
    const LARGE: u64 = TABLE | 1 << 7;
    const LARGE_SIZE: u64 = 2 * n::MIB;
    const PDPT: u64 = n::BOOT_PAGE_TABLES + n::PAGE;
    const DIRECTORIES: u64 = PDPT + n::PAGE;
    const GIBS: u64 = 4;
    /// Entries written at a time.
    const CHUNK: u64 = 64;

    memory.write(Gpa(n::BOOT_PAGE_TABLES), &(PDPT | TABLE).to_le_bytes())?;
    for gib in 0..GIBS {
        let directory = DIRECTORIES + gib * n::PAGE;
        memory.write(Gpa(PDPT + gib * 8), &(directory | TABLE).to_le_bytes())?;
    }
    // The directories are one array of entries.
    let mut first = 0;
    while first < GIBS * n::GIB / LARGE_SIZE {
        let entries: [U64; CHUNK as usize] =
            core::array::from_fn(|i| U64::new(((first + i as u64) * LARGE_SIZE) | LARGE));
        memory.write(Gpa(DIRECTORIES + first * 8), entries.as_bytes())?;
        first += CHUNK;
    }
    Ok(())
}
