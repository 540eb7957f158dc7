//! Guest linear to guest-physical: the processor's page walk (Intel SDM
//! vol. 3A, chapter 4), in software.
//!
//! PAE's four page-directory-pointer entries are read from memory at each walk,
//! where a processor loads them once, with CR3: a guest that changes them in
//! memory must write CR3 before it may count on the change, so for such a guest
//! the two are the same.

#[cfg(test)]
mod tests;

use super::{Access, AccessKind, Fault};
use crate::cpu::{Cpu, Exception, StateField};
use crate::memory::GuestMemory;
use crate::types::{Gpa, Gva};

const CR0_PE: u64 = 1 << 0;
const CR0_WP: u64 = 1 << 16;
const CR0_PG: u64 = 1 << 31;
const CR4_PSE: u64 = 1 << 4;
const CR4_PAE: u64 = 1 << 5;
const CR4_LA57: u64 = 1 << 12;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;
const CR4_PKE: u64 = 1 << 22;
const CR4_PKS: u64 = 1 << 24;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;

// Bits of a paging-structure entry (Intel SDM vol. 3A, 4.5, tables 4-14 to 4-20).
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

// Page-fault error code (Intel SDM vol. 3A, 4.7).
const ERROR_PRESENT: u32 = 1 << 0;
const ERROR_WRITE: u32 = 1 << 1;
const ERROR_USER: u32 = 1 << 2;
const ERROR_RESERVED: u32 = 1 << 3;
const ERROR_FETCH: u32 = 1 << 4;

const PAGE_SHIFT: u32 = 12;

/// The width of physical addresses (MAXPHYADDR), which decides which bits of an
/// entry are reserved. What the guest's CPUID says and what the processor
/// below does must agree, because the processor walks the same tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysicalBits(u8);

impl PhysicalBits {
    /// Between 32 and 52 (Intel SDM vol. 3A, 4.1.4); nothing else exists.
    pub const fn new(bits: u8) -> Option<PhysicalBits> {
        if bits >= 32 && bits <= 52 { Some(PhysicalBits(bits)) } else { None }
    }

    /// Bits from MAXPHYADDR to `top`, exclusive.
    const fn reserved_below(self, top: u32) -> u64 {
        (u64::MAX >> (64 - top)) & !(u64::MAX >> (64 - self.0))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Linear addresses are physical.
    Off,
    /// Two levels of 32-bit entries.
    TwoLevel {
        /// CR4.PSE: 4 MiB pages exist.
        large_pages: bool,
    },
    /// Three levels of 64-bit entries, the first of four.
    Pae,
    /// Four levels of 64-bit entries.
    FourLevel,
}

/// How the guest's processor translates now. Holding one says that its mode is
/// one that this module walks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paging {
    mode: Mode,
    root: u64,
    write_protect: bool,
    no_execute: bool,
    smep: bool,
    smap: bool,
    physical: PhysicalBits,
}

/// One level of a walk.
#[derive(Clone, Copy)]
struct Level {
    /// Lowest bit of the linear address that a page mapped here keeps.
    shift: u32,
    /// How many bits index the table.
    index_bits: u32,
    kind: LevelKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LevelKind {
    /// Points to a table, always.
    Table,
    /// PAE's page-directory-pointer entry: no permissions, no accessed bit.
    Pointer,
    /// Points to a table, or maps a large page if bit 7 is set.
    TableOrPage,
    /// Maps a page.
    Page,
}

const fn level(shift: u32, index_bits: u32, kind: LevelKind) -> Level {
    Level { shift, index_bits, kind }
}

const TWO_LEVEL_LARGE: &[Level] =
    &[level(22, 10, LevelKind::TableOrPage), level(12, 10, LevelKind::Page)];
const TWO_LEVEL: &[Level] = &[level(22, 10, LevelKind::Table), level(12, 10, LevelKind::Page)];
const PAE: &[Level] = &[
    level(30, 2, LevelKind::Pointer),
    level(21, 9, LevelKind::TableOrPage),
    level(12, 9, LevelKind::Page),
];
const FOUR_LEVEL: &[Level] = &[
    level(39, 9, LevelKind::Table),
    level(30, 9, LevelKind::TableOrPage),
    level(21, 9, LevelKind::TableOrPage),
    level(12, 9, LevelKind::Page),
];

/// The entries a walk went through, to mark them afterwards.
#[derive(Clone, Copy)]
struct Used {
    entry: Gpa,
    value: u64,
}

impl Paging {
    /// How `cpu` translates now.
    ///
    /// # Errors
    /// [`Fault::UnsupportedPaging`].
    pub fn of(cpu: &mut impl Cpu, physical: PhysicalBits) -> Result<Paging, Fault> {
        let cr0 = cpu.state(StateField::Cr0);
        if cr0 & CR0_PG == 0 || cr0 & CR0_PE == 0 {
            return Ok(Paging::off(physical));
        }
        let cr4 = cpu.state(StateField::Cr4);
        let efer = cpu.state(StateField::Efer);
        let long = efer & EFER_LMA != 0;
        if cr4 & CR4_PKE != 0 || (long && cr4 & (CR4_LA57 | CR4_PKS) != 0) {
            return Err(Fault::UnsupportedPaging { cr4 });
        }
        let cr3 = cpu.state(StateField::Cr3);
        let (mode, root) = if long {
            (Mode::FourLevel, cr3 & 0x000f_ffff_ffff_f000)
        } else if cr4 & CR4_PAE != 0 {
            (Mode::Pae, cr3 & 0xffff_ffe0)
        } else {
            (Mode::TwoLevel { large_pages: cr4 & CR4_PSE != 0 }, cr3 & 0xffff_f000)
        };
        Ok(Paging {
            mode,
            root,
            write_protect: cr0 & CR0_WP != 0,
            no_execute: efer & EFER_NXE != 0 && !matches!(mode, Mode::TwoLevel { .. }),
            smep: cr4 & CR4_SMEP != 0,
            smap: cr4 & CR4_SMAP != 0,
            physical,
        })
    }

    /// No paging.
    pub const fn off(physical: PhysicalBits) -> Paging {
        Paging {
            mode: Mode::Off,
            root: 0,
            write_protect: false,
            no_execute: false,
            smep: false,
            smap: false,
            physical,
        }
    }

    /// Four levels below `cr3` where nothing that depends on permissions is enabled:
    /// what [`super::fetched`] is held to.
    #[cfg(test)]
    pub const fn long_mode_trusting(cr3: u64) -> Paging {
        Paging {
            mode: Mode::FourLevel,
            root: cr3 & 0x000f_ffff_ffff_f000,
            write_protect: false,
            no_execute: true,
            smep: false,
            smap: false,
            physical: PhysicalBits(52),
        }
    }

    /// Whether `address` can be used at all: in four-level paging bits 63:47
    /// are equal (Intel SDM vol. 1, 3.3.7.1).
    pub const fn canonical(address: u64) -> bool {
        let high = address >> 47;
        high == 0 || high == 0x1_ffff
    }

    /// Translates, checks permissions and sets accessed and dirty bits.
    ///
    /// # Errors
    /// #PF with its error code, or a typed refusal. Accessed and dirty bits are
    /// unchanged then.
    pub fn translate(
        &self,
        memory: &mut (impl GuestMemory + ?Sized),
        gva: Gva,
        access: Access,
    ) -> Result<Gpa, Fault> {
        let levels = match self.mode {
            Mode::Off => return Ok(Gpa(gva.0 & 0xffff_ffff)),
            Mode::TwoLevel { large_pages: true } => TWO_LEVEL_LARGE,
            Mode::TwoLevel { large_pages: false } => TWO_LEVEL,
            Mode::Pae => PAE,
            Mode::FourLevel => FOUR_LEVEL,
        };
        let mut table = self.root;
        let mut rights = WRITABLE | USER;
        let mut no_execute = 0;
        let mut used = [Used { entry: Gpa(0), value: 0 }; 4];
        for (depth, (level, slot)) in levels.iter().zip(&mut used).enumerate() {
            let index = (gva.0 >> level.shift) & ((1 << level.index_bits) - 1);
            let entry = Gpa(table | (index << self.entry_shift()));
            let value = self.read_entry(memory, entry)?;
            *slot = Used { entry, value };
            if value & PRESENT == 0 {
                return Err(self.page_fault(gva, access, 0));
            }
            let leaf = match level.kind {
                LevelKind::Page => true,
                LevelKind::TableOrPage => value & LARGE != 0,
                LevelKind::Table | LevelKind::Pointer => false,
            };
            if level.kind != LevelKind::Pointer {
                if value & self.reserved(*level, leaf) != 0 {
                    return Err(self.page_fault(gva, access, ERROR_PRESENT | ERROR_RESERVED));
                }
                rights &= value;
                no_execute |= value & NO_EXECUTE;
            }
            if leaf {
                if !self.permitted(rights, no_execute != 0, access) {
                    return Err(self.page_fault(gva, access, ERROR_PRESENT));
                }
                self.mark_used(memory, used.get(..=depth).unwrap_or(&[]), access)?;
                return Ok(Gpa(self.frame(*level, value) | (gva.0 & ((1 << level.shift) - 1))));
            }
            table = value & 0x000f_ffff_ffff_f000;
        }
        // Every table of levels ends with `Page`, which is always a leaf.
        Err(self.page_fault(gva, access, 0))
    }

    /// Logarithm of the size of an entry.
    const fn entry_shift(&self) -> u32 {
        match self.mode {
            Mode::TwoLevel { .. } | Mode::Off => 2,
            Mode::Pae | Mode::FourLevel => 3,
        }
    }

    fn read_entry(&self, memory: &(impl GuestMemory + ?Sized), entry: Gpa) -> Result<u64, Fault> {
        match self.mode {
            Mode::TwoLevel { .. } | Mode::Off => memory.read_u32(entry).map(u64::from),
            Mode::Pae | Mode::FourLevel => memory.read_u64(entry),
        }
        .map_err(|_| Fault::TableOutsideRam { entry })
    }

    /// The bits that must be zero in a present entry.
    const fn reserved(&self, level: Level, leaf: bool) -> u64 {
        let nx = if self.no_execute { 0 } else { NO_EXECUTE };
        let high = match self.mode {
            Mode::Off => 0,
            Mode::TwoLevel { .. } => {
                // PSE-36 (Intel SDM vol. 3A, table 4-4): bits 20:13 of a large
                // entry are physical bits 39:32, as far as MAXPHYADDR goes.
                let bits = if self.physical.0 < 40 { self.physical.0 } else { 40 };
                return if leaf && level.shift == 22 {
                    0x003f_e000 & !((1_u64 << (bits - 19)) - 1)
                } else {
                    0
                };
            }
            Mode::Pae => nx | (0x7ff << 52) | self.physical.reserved_below(52),
            Mode::FourLevel => nx | self.physical.reserved_below(52),
        };
        if leaf && level.shift > PAGE_SHIFT {
            // Between the PAT bit and the frame.
            high | (((1 << level.shift) - 1) & !0x1fff)
        } else if matches!(level.kind, LevelKind::Table) {
            high | LARGE
        } else {
            high
        }
    }

    /// Where the page begins that `value` maps.
    const fn frame(&self, level: Level, value: u64) -> u64 {
        match self.mode {
            Mode::TwoLevel { .. } if level.shift == 22 => {
                (value & 0xffc0_0000) | ((value & 0x001f_e000) << (32 - 13))
            }
            _ => value & 0x000f_ffff_ffff_f000 & !((1 << level.shift) - 1),
        }
    }

    /// Intel SDM vol. 3A, 4.6.1.
    const fn permitted(&self, rights: u64, no_execute: bool, access: Access) -> bool {
        let user_page = rights & USER != 0;
        let writable = rights & WRITABLE != 0;
        if access.user && !user_page {
            return false;
        }
        // From SMAP, which keeps the supervisor off user pages.
        let unhidden = access.user || !user_page || !self.smap || access.ac;
        match access.kind {
            AccessKind::Fetch => {
                let hidden = !access.user && user_page && self.smep;
                let forbidden = no_execute && self.no_execute;
                !hidden && !forbidden
            }
            AccessKind::Read => unhidden,
            AccessKind::Write => unhidden && (writable || (!access.user && !self.write_protect)),
        }
    }

    fn page_fault(&self, gva: Gva, access: Access, cause: u32) -> Fault {
        let kind = match access.kind {
            AccessKind::Read => 0,
            AccessKind::Write => ERROR_WRITE,
            AccessKind::Fetch if self.no_execute || self.smep => ERROR_FETCH,
            AccessKind::Fetch => 0,
        };
        let user = if access.user { ERROR_USER } else { 0 };
        Exception::PageFault { address: gva.0, error_code: cause | kind | user }.into()
    }

    /// Sets accessed bits on the way and the dirty bit at its end (Intel SDM
    /// vol. 3A, 4.8). Entries are read again, since two levels of a guest's
    /// tables may share one.
    fn mark_used(
        &self,
        memory: &mut (impl GuestMemory + ?Sized),
        used: &[Used],
        access: Access,
    ) -> Result<(), Fault> {
        for (depth, Used { entry, value }) in used.iter().enumerate() {
            if self.mode == Mode::Pae && depth == 0 {
                continue;
            }
            let last = depth.checked_add(1) == Some(used.len());
            let dirty = if last && access.kind == AccessKind::Write { DIRTY } else { 0 };
            let wanted = ACCESSED | dirty;
            if value & wanted == wanted {
                continue;
            }
            // A, D and everything else that matters here is in the low byte,
            // so only that one is written, as little as can be.
            let mut low = [0_u8; 1];
            memory.read(*entry, &mut low).map_err(|_| Fault::TableOutsideRam { entry: *entry })?;
            let [low] = low;
            memory
                .write(*entry, &[low | (wanted & 0xff) as u8])
                .map_err(|_| Fault::TableOutsideRam { entry: *entry })?;
        }
        Ok(())
    }
}
