//! The page walk against another one, written from the manual in another way:
//! by mode and level instead of by table.

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::{
    cpu::{Exception, StateField, testing::FakeCpu},
    memory::TestMemory,
    types::{Gpa, Gva},
    walk::{Access, AccessKind, Fault, Paging, PhysicalBits},
};

use super::input::take;
use crate::Target;

pub(super) const TARGET: Target = Target {
    runs: 100_000,
    longest: 400,
    ..Target::new("walk", "a page walk ends where another one does", check)
};

/// RAM: small, so that tables meet each other.
const RAM: usize = 0x8000;

/// Bits of a linear address that are used: few of each index, so that a walk
/// meets an entry that was written, whatever the mode.
const INDICES: u64 = 0xffff_0180_c0e0_7fff;

#[derive(Arbitrary, Clone, Copy, Debug, Default)]
struct Registers {
    mode: u8,
    write_protect: bool,
    pse: bool,
    nxe: bool,
    smep: bool,
    smap: bool,
    physical: u8,
    cr3: u16,
    odd: u8,
}

/// An entry: mostly a plausible one.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Entry {
    at: u16,
    frame: u8,
    low: u16,
    high: u16,
    wild: u8,
}

impl Entry {
    fn value(self) -> u64 {
        let plain = u64::from(self.frame & 7) << 12 | u64::from(self.low & 0xfff);
        match self.wild {
            // Anywhere in memory, or anything in the upper half.
            0..0x20 => plain | u64::from(self.high) << 48 | u64::from(self.frame) << 28,
            0x20..0x30 => plain | u64::from(self.low) << 12,
            0x30..0x50 => plain | u64::from(self.high & 0x8000) << 48,
            // Present, writable, for users: the walk goes on.
            0x50..0xc0 => plain | 7,
            0xc0.. => plain | 1,
        }
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let registers: Registers = take(&mut bytes);
    let (linear, kind, user, ac): (u64, u8, bool, bool) = take(&mut bytes);
    let linear = linear & INDICES;
    let mut memory = TestMemory::new(RAM);
    let word = if registers.mode & 3 == 2 { 4 } else { 8 };
    for entry in super::input::steps::<Entry>(bytes) {
        let (page, index) = (usize::from(entry.at >> 8 & 7), usize::from(entry.at & 7));
        let at = page * 0x1000 + index * word;
        memory.0[at..at + word].copy_from_slice(&entry.value().to_le_bytes()[..word]);
    }
    let physical = 32 + registers.physical % 21;
    let kind = match kind % 3 {
        0 => AccessKind::Read,
        1 => AccessKind::Write,
        _ => AccessKind::Fetch,
    };
    let state = State::of(registers);
    let access = Access { kind, user, ac };
    let mut expected = memory.0.clone();
    let other = Walk { state, physical, access, memory: &mut expected }.translate(linear);

    let width = PhysicalBits::new(physical).expect("between 32 and 52");
    let ours = Paging::of(&mut state.cpu(), width)
        .and_then(|paging| paging.translate(&mut memory, Gva(linear), access));
    assert_eq!(ours, other, "{state:x?} linear {linear:#x} {access:?} width {physical}");
    assert!(memory.0 == expected, "accessed and dirty bits: {state:x?} {linear:#x} {access:?}");
}

/// Control registers.
#[derive(Clone, Copy, Debug)]
struct State {
    cr0: u64,
    cr3: u64,
    cr4: u64,
    efer: u64,
}

const PG: u64 = 1 << 31;
const WP: u64 = 1 << 16;
const PSE: u64 = 1 << 4;
const PAE: u64 = 1 << 5;
const LA57: u64 = 1 << 12;
const SMEP: u64 = 1 << 20;
const SMAP: u64 = 1 << 21;
const PKE: u64 = 1 << 22;
const PKS: u64 = 1 << 24;
const LMA: u64 = 1 << 10;
const NXE: u64 = 1 << 11;

impl State {
    fn of(r: Registers) -> Self {
        let flag = |wanted: bool, bit: u64| if wanted { bit } else { 0 };
        let (pg, pae, lma) = match r.mode & 3 {
            0 => (PG, PAE, LMA),
            1 => (PG, PAE, 0),
            2 => (PG, 0, 0),
            _ => (0, 0, 0),
        };
        let odd = match r.odd {
            0xff => LA57,
            0xfe => PKE,
            0xfd => PKS,
            _ => 0,
        };
        State {
            cr0: 1 | pg | flag(r.write_protect, WP),
            cr3: u64::from(r.cr3) & 0x8fff,
            cr4: pae | odd | flag(r.pse, PSE) | flag(r.smep, SMEP) | flag(r.smap, SMAP),
            efer: lma | flag(r.nxe, NXE),
        }
    }

    fn cpu(self) -> FakeCpu {
        let mut cpu = FakeCpu::protected_mode();
        cpu.set(StateField::Cr0, self.cr0);
        cpu.set(StateField::Cr3, self.cr3);
        cpu.set(StateField::Cr4, self.cr4);
        cpu.set(StateField::Efer, self.efer);
        cpu
    }
}

/// The other walk (Intel SDM vol. 3A, chapter 4).
struct Walk<'a> {
    state: State,
    physical: u8,
    access: Access,
    memory: &'a mut [u8],
}

/// What the entries on the way add up to.
#[derive(Clone, Copy)]
struct Rights {
    write: bool,
    user: bool,
    no_execute: bool,
}

impl Walk<'_> {
    fn translate(&mut self, linear: u64) -> Result<Gpa, Fault> {
        let State { cr0, cr3, cr4, efer } = self.state;
        let all = Rights { write: true, user: true, no_execute: false };
        let long = efer & LMA != 0;
        if cr0 & PG == 0 {
            return Ok(Gpa(linear as u32 as u64));
        }
        if cr4 & PKE != 0 || (long && cr4 & (LA57 | PKS) != 0) {
            return Err(Fault::UnsupportedPaging { cr4 });
        }
        if long {
            return self.long(linear, 4, cr3 & 0x000f_ffff_ffff_f000, all, &mut Vec::new());
        }
        if cr4 & PAE != 0 {
            let at = (cr3 & 0xffff_ffe0) + (linear >> 30 & 3) * 8;
            let pointer = self.entry(at, 8)?;
            if pointer & 1 == 0 {
                return Err(self.fault(linear, 0));
            }
            return self.long(linear, 2, pointer & 0x000f_ffff_ffff_f000, all, &mut Vec::new());
        }
        self.two_levels(linear, cr3 & 0xffff_f000, all)
    }

    fn entry(&self, at: u64, size: usize) -> Result<u64, Fault> {
        let outside = Fault::TableOutsideRam { entry: Gpa(at) };
        let start = usize::try_from(at).map_err(|_| outside)?;
        let end = start.checked_add(size).ok_or(outside)?;
        let bytes = self.memory.get(start..end).ok_or(outside)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Tables of 64-bit entries, `level` and below; `used` are those above.
    fn long(
        &mut self,
        linear: u64,
        level: u32,
        table: u64,
        rights: Rights,
        used: &mut Vec<u64>,
    ) -> Result<Gpa, Fault> {
        let shift = 12 + 9 * (level - 1);
        let at = table + (linear >> shift & 0x1ff) * 8;
        let entry = self.entry(at, 8)?;
        if entry & 1 == 0 {
            return Err(self.fault(linear, 0));
        }
        let large = entry & 0x80 != 0;
        let page = level == 1 || (large && level <= 3);
        let mut reserved = 0;
        for bit in u32::from(self.physical)..52 {
            reserved |= 1 << bit;
        }
        if self.state.efer & LMA == 0 {
            reserved |= 0x7ff << 52;
        }
        if self.state.efer & NXE == 0 {
            reserved |= 1 << 63;
        }
        if level == 4 {
            reserved |= 0x80;
        }
        if page {
            // The PAT bit of a large page is bit 12.
            for bit in 13..shift {
                reserved |= 1 << bit;
            }
        }
        if entry & reserved != 0 {
            return Err(self.fault(linear, 0b1001));
        }
        used.push(at);
        let rights = Rights {
            write: rights.write && entry & 2 != 0,
            user: rights.user && entry & 4 != 0,
            no_execute: rights.no_execute || entry >> 63 != 0,
        };
        if !page {
            return self.long(linear, level - 1, entry & 0x000f_ffff_ffff_f000, rights, used);
        }
        self.finish(linear, rights, used)?;
        let low = (1 << shift) - 1;
        Ok(Gpa((entry & 0x000f_ffff_ffff_f000 & !low) | (linear & low)))
    }

    fn two_levels(&mut self, linear: u64, root: u64, all: Rights) -> Result<Gpa, Fault> {
        let at = root + (linear >> 22 & 0x3ff) * 4;
        let directory = self.entry(at, 4)?;
        if directory & 1 == 0 {
            return Err(self.fault(linear, 0));
        }
        let and = |r: Rights, entry: u64| Rights {
            write: r.write && entry & 2 != 0,
            user: r.user && entry & 4 != 0,
            no_execute: false,
        };
        if directory & 0x80 != 0 && self.state.cr4 & PSE != 0 {
            // Bits 20:13 hold address bits 39:32, of which the processor has so
            // many; bit 21 is always reserved.
            let has = u32::from(self.physical.min(40)) - 32;
            for bit in 13 + has..=21 {
                if directory & 1 << bit != 0 {
                    return Err(self.fault(linear, 0b1001));
                }
            }
            self.finish(linear, and(all, directory), &[at])?;
            let high = (directory >> 13 & 0xff) << 32;
            return Ok(Gpa(high | (directory & 0xffc0_0000) | (linear & 0x3f_ffff)));
        }
        let second = (directory & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4;
        let page = self.entry(second, 4)?;
        if page & 1 == 0 {
            return Err(self.fault(linear, 0));
        }
        self.finish(linear, and(and(all, directory), page), &[at, second])?;
        Ok(Gpa((page & 0xffff_f000) | (linear & 0xfff)))
    }

    /// Permissions (4.6.1), then accessed and dirty bits (4.8).
    fn finish(&mut self, linear: u64, rights: Rights, used: &[u64]) -> Result<(), Fault> {
        let Access { kind, user, ac } = self.access;
        let has = |bit: u64, register: u64| register & bit != 0;
        let smap_forbids = !user && rights.user && has(SMAP, self.state.cr4) && !ac;
        let allowed = match kind {
            AccessKind::Read => !smap_forbids,
            AccessKind::Write => {
                !smap_forbids && (rights.write || (!user && !has(WP, self.state.cr0)))
            }
            AccessKind::Fetch => {
                let smep_forbids = !user && rights.user && has(SMEP, self.state.cr4);
                !rights.no_execute && !smep_forbids
            }
        };
        if !allowed || (user && !rights.user) {
            return Err(self.fault(linear, 1));
        }
        for at in used {
            self.memory[*at as usize] |= 0x20;
        }
        if kind == AccessKind::Write
            && let Some(last) = used.last()
        {
            self.memory[*last as usize] |= 0x40;
        }
        Ok(())
    }

    fn fault(&self, linear: u64, cause: u32) -> Fault {
        let State { cr4, efer, .. } = self.state;
        let told = cr4 & SMEP != 0 || (cr4 & PAE != 0 && efer & NXE != 0);
        let kind = match self.access.kind {
            AccessKind::Read => 0,
            AccessKind::Write => 2,
            AccessKind::Fetch => u32::from(told) << 4,
        };
        let user = u32::from(self.access.user) << 2;
        Fault::Exception(Exception::PageFault { address: linear, error_code: cause | kind | user })
    }
}
