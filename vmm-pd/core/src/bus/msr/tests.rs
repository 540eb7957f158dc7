use proptest::prelude::*;

use super::number::*;
use super::*;
use crate::bus::cpuid::{Leaf, Switchable};
use crate::cpu::testing::FakeCpu;
use crate::memory::TestMemory;
use crate::time::TscFrequency;

/// Registers with everything that they lead to.
struct Bench {
    cpu: FakeCpu,
    state: MsrState,
    interrupts: Interrupts,
    eoi: ParavirtualEoi,
    memory: TestMemory,
    cpuid: Cpuid,
    now: Ticks,
}

impl Bench {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(rdtscp: bool) -> Self {
        let tsc = TscFrequency::new(2_000_000_000).unwrap();
        let host = |leaf, _| match leaf {
            0x8000_0008 => Leaf { eax: 39, ..Leaf::default() },
            0x8000_0000 => Leaf { eax: 0x8000_0008, ..Leaf::default() },
            _ => Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX },
        };
        let cpuid = Cpuid::new(
            host,
            Switchable {
                rdtscp,
                invpcid: true,
                debug_registers: true,
                cr2: true,
                extended_state: 0,
            },
            tsc,
        );
        Bench {
            cpu: FakeCpu::long_mode(0),
            state: MsrState::new(39),
            interrupts: Interrupts::new(tsc, 39),
            eoi: ParavirtualEoi::default(),
            memory: TestMemory::new(0x1000),
            cpuid,
            now: Ticks(1000),
        }
    }

    fn registers(&mut self) -> Registers<'_, FakeCpu, TestMemory> {
        Registers {
            cpu: &mut self.cpu,
            state: &mut self.state,
            interrupts: &mut self.interrupts,
            eoi: &mut self.eoi,
            memory: &self.memory,
            cpuid: &self.cpuid,
            now: self.now,
        }
    }

    fn read(&mut self, msr: u32) -> Read {
        self.registers().read(Msr(msr))
    }

    fn write(&mut self, msr: u32, value: u64) -> Write {
        self.registers().write(Msr(msr), value)
    }
}

#[test]
fn what_has_no_row_is_unknown() {
    let mut b = Bench::new();
    // SPEC_CTRL, PRED_CMD, microcode update, ARCH_CAPABILITIES, MISC_FEATURES_ENABLES,
    // PERF_GLOBAL_CTRL, SMBASE, XSS, KVM's wall clock, Hyper-V's, AMD's.
    for msr in [
        0x48,
        0x49,
        0x79,
        0x10a,
        0x140,
        0x38f,
        0x9e,
        0xda0,
        0x4b56_4d00,
        0x4000_0000,
        0xc001_0015,
        0x210,
        0x251,
        0x900,
        u32::MAX,
    ] {
        assert_eq!(b.read(msr), Read::Unknown, "{msr:#x}");
        assert_eq!(b.write(msr, 0), Write::Unknown, "{msr:#x}");
    }
}

#[test]
fn the_tsc_is_raw_and_writes_to_it_have_no_effect() {
    let mut b = Bench::new();
    assert_eq!(b.read(TIME_STAMP_COUNTER), Read::Value(1000));
    assert_eq!(b.write(TIME_STAMP_COUNTER, 0), Write::Done);
    assert_eq!(b.read(TIME_STAMP_COUNTER), Read::Value(1000));
    assert_eq!(b.write(TSC_ADJUST, 5), Write::Done);
    assert_eq!(b.read(TSC_ADJUST), Read::Value(0));
}

#[test]
fn local_apic_registers_are_reached() {
    let mut b = Bench::new();
    let Read::Value(base) = b.read(APIC_BASE) else { panic!("no APIC base") };
    assert_eq!(base & !0xfff, 0xfee0_0000);
    // x2APIC registers exist in x2APIC mode only.
    assert_eq!(b.read(0x802), Read::Fault);
    assert_eq!(b.write(APIC_BASE, base | 1 << 10), Write::Done);
    assert_eq!(b.read(0x802), Read::Value(0));
    assert_eq!(b.write(0x802, 1), Write::Fault);
    assert_eq!(b.write(APIC_BASE, u64::MAX), Write::Fault);
}

#[test]
fn pat_takes_memory_types_only() {
    let mut b = Bench::new();
    assert_eq!(b.read(PAT), Read::Value(0x0007_0406_0007_0406));
    assert_eq!(b.write(PAT, 0x0407_0506_0007_0106), Write::Done);
    assert_eq!(b.cpu.get(StateField::Pat), 0x0407_0506_0007_0106);
    for bad in [2, 3, 8, 0xff] {
        assert_eq!(b.write(PAT, bad << 56), Write::Fault, "{bad}");
    }
}

#[test]
fn mtrrs_remember_and_refuse() {
    let mut b = Bench::new();
    assert_eq!(b.read(MTRRCAP), Read::Value(0x508));
    assert_eq!(b.write(MTRRCAP, 0), Write::Fault);
    assert_eq!(b.read(MTRR_DEF_TYPE), Read::Value(0xc06));
    assert_eq!(b.write(MTRR_DEF_TYPE, 0x800), Write::Done);
    assert_eq!(b.read(MTRR_DEF_TYPE), Read::Value(0x800));
    assert_eq!(b.write(MTRR_DEF_TYPE, 0x802), Write::Fault);
    assert_eq!(b.write(MTRR_DEF_TYPE, 1 << 12), Write::Fault);
    for fixed in [0x250, 0x258, 0x259, 0x268, 0x26f] {
        assert_eq!(b.write(fixed, 0x0606_0505_0404_0100), Write::Done);
        assert_eq!(b.read(fixed), Read::Value(0x0606_0505_0404_0100));
        assert_eq!(b.write(fixed, 7), Write::Fault);
    }
    // The last of eight variable ranges; 39 bits of physical address.
    assert_eq!(b.write(0x20e, 0x7f_ffff_f006), Write::Done);
    assert_eq!(b.write(0x20e, 0x80_0000_0006), Write::Fault);
    assert_eq!(b.write(0x20f, 0x7f_c000_0800), Write::Done);
    assert_eq!(b.write(0x20f, 0x7f_c000_0400), Write::Fault);
    assert_eq!(b.read(0x20f), Read::Value(0x7f_c000_0800));
}

#[test]
fn firmware_left_the_top_gigabyte_uncached() {
    let mut b = Bench::new();
    assert_eq!(b.read(0x200), Read::Value(0xc000_0000));
    assert_eq!(b.read(0x201), Read::Value(0x7f_c000_0800));
}

#[test]
fn read_only_registers_refuse_writes() {
    let mut b = Bench::new();
    for msr in [FEATURE_CONTROL, PLATFORM_ID, PLATFORM_INFO, MCG_CAP] {
        assert!(matches!(b.read(msr), Read::Value(_)), "{msr:#x}");
        assert_eq!(b.write(msr, 0), Write::Fault, "{msr:#x}");
    }
    assert_eq!(b.read(PLATFORM_INFO), Read::Value(20 << 8));
    // Locked, with VMX off.
    assert_eq!(b.read(FEATURE_CONTROL), Read::Value(1));
}

#[test]
fn bases_and_entry_points_must_be_canonical() {
    let mut b = Bench::new();
    for msr in [LSTAR, CSTAR, SYSENTER_ESP, SYSENTER_EIP, FS_BASE, GS_BASE, KERNEL_GS_BASE] {
        assert_eq!(b.write(msr, 0x8000_0000_0000), Write::Fault, "{msr:#x}");
        assert_eq!(b.write(msr, 0xffff_8000_0000_1000), Write::Done, "{msr:#x}");
        assert_eq!(b.read(msr), Read::Value(0xffff_8000_0000_1000), "{msr:#x}");
    }
    assert_eq!(b.cpu.segments[SegmentRegister::Gs as usize].base, 0xffff_8000_0000_1000);
}

#[test]
fn upper_halves_that_do_not_exist_fault() {
    let mut b = Bench::new();
    for msr in [FMASK, TSC_AUX] {
        assert_eq!(b.write(msr, 1 << 32), Write::Fault);
        assert_eq!(b.write(msr, 0x4_7700), Write::Done);
        assert_eq!(b.read(msr), Read::Value(0x4_7700));
    }
}

#[test]
fn tsc_aux_exists_only_with_rdtscp() {
    let mut b = Bench::with(false);
    assert_eq!(b.read(TSC_AUX), Read::Unknown);
    assert_eq!(b.write(TSC_AUX, 0), Write::Unknown);
}

#[test]
fn only_branch_stepping_of_debugctl_is_offered() {
    let mut b = Bench::new();
    assert_eq!(b.write(DEBUGCTL, 2), Write::Done);
    assert_eq!(b.read(DEBUGCTL), Read::Value(2));
    for bit in [0, 6, 7, 9, 11, 14, 15] {
        assert_eq!(b.write(DEBUGCTL, 1 << bit), Write::Fault, "{bit}");
    }
}

#[test]
fn misc_enable_keeps_what_belongs_to_absent_features() {
    let mut b = Bench::new();
    assert_eq!(b.read(MISC_ENABLE), Read::Value(0x1801));
    assert_eq!(b.write(MISC_ENABLE, 1 << 34 | 1 << 22 | 1 << 18), Write::Done);
    assert_eq!(b.read(MISC_ENABLE), Read::Value(0x1800));
}

#[test]
fn machine_check_status_can_only_be_cleared() {
    let mut b = Bench::new();
    assert_eq!(b.write(MCG_STATUS, 0), Write::Done);
    assert_eq!(b.write(MCG_STATUS, 4), Write::Fault);
    assert_eq!(b.read(MCG_STATUS), Read::Value(0));
}

proptest! {
    /// Nothing panics, and what a read returns a guest may mostly write back.
    #[test]
    fn any_access_is_answered(
        high in prop::sample::select(std::vec![0u32, 0xc000_0000]),
        low in 0u32..0x1000,
        value: u64,
        x2apic: bool,
    ) {
        let mut b = Bench::new();
        if x2apic {
            prop_assert_eq!(b.write(APIC_BASE, 0xfee0_0d00), Write::Done);
        }
        let msr = high | low;
        let written = b.write(msr, value);
        let read = b.read(msr);
        if written == Write::Unknown {
            prop_assert_eq!(read, Read::Unknown);
        }
    }
}
