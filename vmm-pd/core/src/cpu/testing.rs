//! A CPU that is a table of values, for host tests. It records what was read
//! and written, because on the real one each new field is a kernel call.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::{Cpu, Gpr, Segment, SegmentRegister, StateField};
use crate::types::Ticks;

/// CR0 bits: PE.
const PE: u64 = 1;
/// CR0: PG.
const PG: u64 = 1 << 31;
/// CR4: PAE.
const PAE: u64 = 1 << 5;

/// A virtual CPU of plain values. Everything is public: tests set and look at
/// what they need.
#[derive(Clone, Debug)]
pub struct FakeCpu {
    /// General-purpose registers by encoding.
    pub gprs: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Other state; what was never set reads as zero.
    pub fields: BTreeMap<u8, u64>,
    /// Segment registers by encoding.
    pub segments: [Segment; 8],
    /// The time-stamp counter.
    pub ticks: Ticks,
    /// Whether an interrupt window is wanted.
    pub interrupt_window: bool,
    /// Whether an NMI window is wanted.
    pub nmi_window: bool,
    /// Fields read, in order.
    pub reads: Vec<StateField>,
    /// Fields written, in order.
    pub writes: Vec<(StateField, u64)>,
    /// Registers written, in order.
    pub gpr_writes: Vec<(Gpr, u64)>,
}

impl FakeCpu {
    /// As after reset: real mode, everything zero.
    pub fn real_mode() -> Self {
        let mut cpu = FakeCpu {
            gprs: [0; 16],
            rip: 0x1000,
            fields: BTreeMap::new(),
            segments: [Segment { limit: 0xffff, access_rights: 0x93, ..Segment::default() }; 8],
            ticks: Ticks(0),
            interrupt_window: false,
            nmi_window: false,
            reads: Vec::new(),
            writes: Vec::new(),
            gpr_writes: Vec::new(),
        };
        cpu.set(StateField::Rflags, 2);
        cpu.set(StateField::Cr0, 0x30);
        cpu.set(StateField::Pat, 0x0007_0406_0007_0406);
        cpu
    }

    /// 32-bit protected mode, flat segments, paging off.
    pub fn protected_mode() -> Self {
        let mut cpu = FakeCpu::real_mode();
        cpu.set(StateField::Cr0, 0x30 | PE);
        cpu.segments =
            [Segment { selector: 0x10, base: 0, limit: u32::MAX, access_rights: 0xc093 }; 8];
        cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xc09b;
        cpu
    }

    /// 64-bit mode, CR3 as given.
    pub fn long_mode(cr3: u64) -> Self {
        let mut cpu = FakeCpu::protected_mode();
        cpu.set(StateField::Cr0, 0x30 | PE | PG);
        cpu.set(StateField::Cr3, cr3);
        cpu.set(StateField::Cr4, PAE | 1 << 13);
        cpu.set(StateField::Cr4Shadow, PAE);
        cpu.set(StateField::Efer, 0xd01);
        cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xa09b;
        cpu
    }

    /// Sets a field without recording it.
    pub fn set(&mut self, field: StateField, value: u64) {
        self.fields.insert(field as u8, value);
    }

    /// A field without recording it.
    pub fn get(&self, field: StateField) -> u64 {
        self.fields.get(&(field as u8)).copied().unwrap_or(0)
    }

    /// Forgets what was recorded.
    pub fn forget(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.gpr_writes.clear();
    }
}

impl Cpu for FakeCpu {
    fn gpr(&mut self, register: Gpr) -> u64 {
        self.gprs[register as usize]
    }

    fn set_gpr(&mut self, register: Gpr, value: u64) {
        self.gpr_writes.push((register, value));
        self.gprs[register as usize] = value;
    }

    fn rip(&self) -> u64 {
        self.rip
    }

    fn set_rip(&mut self, rip: u64) {
        self.rip = rip;
    }

    fn state(&mut self, field: StateField) -> u64 {
        self.reads.push(field);
        self.get(field)
    }

    fn set_state(&mut self, field: StateField, value: u64) {
        self.writes.push((field, value));
        self.set(field, value);
    }

    fn segment(&mut self, register: SegmentRegister) -> Segment {
        self.segments[register as usize]
    }

    fn set_segment(&mut self, register: SegmentRegister, segment: Segment) {
        self.segments[register as usize] = segment;
    }

    fn now(&self) -> Ticks {
        self.ticks
    }

    fn set_interrupt_window(&mut self, wanted: bool) {
        self.interrupt_window = wanted;
    }

    fn set_nmi_window(&mut self, wanted: bool) {
        self.nmi_window = wanted;
    }
}
