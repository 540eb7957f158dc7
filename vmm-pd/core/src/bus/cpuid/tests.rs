use proptest::prelude::*;

use super::*;

const BOTH: Switchable =
    Switchable { rdtscp: true, invpcid: true, debug_registers: true, cr2: true, extended_state: 0 };
const NEITHER: Switchable = Switchable {
    rdtscp: false,
    invpcid: false,
    debug_registers: false,
    cr2: false,
    extended_state: 0,
};

fn tsc() -> TscFrequency {
    TscFrequency::new(100_000_000).unwrap()
}

/// A host that has everything, also what does not exist yet.
fn everything(leaf: u32, _subleaf: u32) -> Leaf {
    match leaf {
        0 => Leaf { eax: 0x20, ..signature(0, b"GenuntelineI") },
        0x8000_0000 => Leaf { eax: 0x8000_0008, ..NOTHING },
        0x8000_0008 => Leaf { eax: 0x302e, ..NOTHING },
        _ => Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX },
    }
}

fn full() -> Cpuid {
    Cpuid::new(everything, BOTH, tsc())
}

#[test]
fn no_feature_is_offered_whose_state_is_not_switched() {
    let cpuid = full();
    let one = cpuid.answer(1, 0, true);
    // MONITOR, VMX, SMX, FMA, PDCM, XSAVE, OSXSAVE, AVX, F16C.
    for bit in [3, 5, 6, 12, 15, 26, 27, 28, 29] {
        assert_eq!(one.ecx & 1 << bit, 0, "leaf 1 ECX {bit}");
    }
    // DS, ACPI, HTT, TM, PBE.
    for bit in [21, 22, 28, 29, 31] {
        assert_eq!(one.edx & 1 << bit, 0, "leaf 1 EDX {bit}");
    }
    let seven = cpuid.answer(7, 0, true);
    // SGX, HLE, AVX2, RTM, MPX, AVX-512, PT.
    for bit in [2, 4, 5, 11, 14, 16, 17, 21, 25, 26, 27, 28, 30, 31] {
        assert_eq!(seven.ebx & 1 << bit, 0, "leaf 7 EBX {bit}");
    }
    // AVX512_VBMI, PKU, OSPKE, WAITPKG, CET_SS, VAES, LA57, MOVDIRI, MOVDIR64B, PKS.
    for bit in [1, 3, 4, 5, 7, 9, 16, 27, 28, 31] {
        assert_eq!(seven.ecx & 1 << bit, 0, "leaf 7 ECX {bit}");
    }
    // CET_IBT, AMX, SPEC_CTRL, STIBP, L1D_FLUSH, ARCH_CAPABILITIES, SSBD.
    for bit in [20, 22, 24, 25, 26, 27, 28, 29, 31] {
        assert_eq!(seven.edx & 1 << bit, 0, "leaf 7 EDX {bit}");
    }
    // Performance counters, XSAVE, PT, SGX, key locker.
    for leaf in [5, 9, 0xa, 0xd, 0xf, 0x10, 0x12, 0x14] {
        assert_eq!(*cpuid.answer(leaf, 0, true), NOTHING, "leaf {leaf:#x}");
    }
    // SVM and the rest of AMD's.
    assert_eq!(cpuid.answer(0x8000_0001, 0, true).ecx & !0x121, 0);
}

#[test]
fn what_linux_needs_is_always_there() {
    let nothing = Cpuid::new(|_, _| NOTHING, NEITHER, tsc());
    let one = nothing.answer(1, 0, true);
    for bit in [21, 24, 31] {
        assert_ne!(one.ecx & 1 << bit, 0);
    }
    assert_ne!(one.edx & leaf1::EDX_APIC, 0);
    assert_eq!(nothing.answer(7, 0, true).ebx, leaf7::EBX_ALWAYS);
    assert_eq!(nothing.answer(6, 0, true).eax, 1 << 2);
    assert_eq!(nothing.answer(0x8000_0007, 0, true).edx, 1 << 8);
    assert_eq!(nothing.physical_bits(), 36);
}

#[test]
fn one_processor_with_identity_zero() {
    let cpuid = full();
    assert_eq!(cpuid.answer(1, 0, true).ebx, 0x0001_ffff);
    let smt = cpuid.answer(0xb, 0, true);
    assert_eq!((smt.eax, smt.ebx, smt.ecx, smt.edx), (0, 1, 0x100, 0));
    let core = cpuid.answer(0xb, 1, true);
    assert_eq!((core.eax, core.ebx, core.ecx, core.edx), (0, 1, 0x201, 0));
    assert_eq!(cpuid.answer(0xb, 2, true).ebx, 0);
    // Cache leaves: no sharing, one core.
    assert_eq!(cpuid.answer(4, 0, true).eax >> 14, 0);
    assert_eq!(*cpuid.answer(4, 4, true), NOTHING);
    assert_eq!(*cpuid.answer(4, u32::MAX, true), NOTHING);
}

#[test]
fn the_tsc_frequency_is_exact() {
    for hz in [99_999_999, 100_000_000, 2_893_123_456, 4_400_000_000] {
        let cpuid = Cpuid::new(everything, BOTH, TscFrequency::new(hz).unwrap());
        let l = cpuid.answer(0x15, 0, true);
        let tsc = u64::from(l.ecx) * u64::from(l.ebx) / u64::from(l.eax);
        assert!(hz - tsc < 2, "{hz} {tsc}");
        assert_eq!(u64::from(cpuid.answer(0x16, 0, true).eax), hz / 1_000_000);
        assert_eq!(u64::from(cpuid.answer(0x4000_0010, 0, true).eax), hz / 1000);
    }
}

#[test]
fn the_apic_bit_follows_the_base_register() {
    let cpuid = full();
    assert_eq!(cpuid.answer(1, 0, false).edx, cpuid.answer(1, 0, true).edx & !leaf1::EDX_APIC);
    assert_eq!(cpuid.answer(1, 0, false).ecx, cpuid.answer(1, 0, true).ecx);
}

#[test]
fn what_the_back_end_cannot_switch_on_is_not_offered() {
    let with = full();
    let without = Cpuid::new(everything, NEITHER, tsc());
    assert!(with.has_rdtscp() && !without.has_rdtscp());
    assert_ne!(with.answer(7, 0, true).ebx & 1 << 10, 0);
    assert_eq!(without.answer(7, 0, true).ebx & 1 << 10, 0);
    assert_eq!(without.answer(7, 0, true).ecx & 1 << 22, 0);
}

#[test]
fn hypervisor_leaves_name_kvm_and_bulkhead() {
    let cpuid = full();
    let kvm = cpuid.answer(0x4000_0000, 0, true);
    assert_eq!(kvm.ebx.to_le_bytes(), *b"KVMK");
    assert_eq!(kvm.ecx.to_le_bytes(), *b"VMKV");
    assert_eq!(kvm.edx.to_le_bytes(), *b"M\0\0\0");
    assert_eq!(cpuid.answer(0x4000_0001, 0, true).eax, 1 << 1 | 1 << 6);
    let own = cpuid.answer(0x4000_0100, 0, true);
    assert_eq!(own.eax, 0x4000_0103);
    assert_eq!(own.ebx.to_le_bytes(), *b"Bulk");
    assert_eq!(*cpuid.answer(0x4000_0002, 0, true), NOTHING);
}

#[test]
fn leaves_out_of_range_answer_as_the_highest_basic_one() {
    let cpuid = full();
    for leaf in [0x17, 0x1f, 0x3fff_ffff, 0x8000_0009, u32::MAX] {
        assert_eq!(cpuid.answer(leaf, 0, true), cpuid.answer(0x16, 0, true), "{leaf:#x}");
    }
}

#[test]
fn a_host_is_not_asked_beyond_its_highest_leaf() {
    let small = |leaf: u32, _: u32| match leaf {
        0 => Leaf { eax: 1, ..NOTHING },
        0x8000_0000 => Leaf { eax: 0x8000_0001, ..NOTHING },
        1 | 0x8000_0001 => NOTHING,
        _ => panic!("asked for {leaf:#x}"),
    };
    let cpuid = Cpuid::new(small, BOTH, tsc());
    assert_eq!(*cpuid.answer(2, 0, true), NOTHING);
}

#[test]
fn cr4_bits_follow_the_features() {
    let owned = full().cr4_policy().host_owned();
    for bit in [control::CR4_PCIDE, control::CR4_SMEP, control::CR4_SMAP, control::CR4_FSGSBASE] {
        assert_eq!(owned & bit, 0);
    }
    let owned = Cpuid::new(|_, _| NOTHING, BOTH, tsc()).cr4_policy().host_owned();
    for bit in [control::CR4_PCIDE, control::CR4_SMEP, control::CR4_SMAP, control::CR4_FSGSBASE] {
        assert_ne!(owned & bit, 0);
    }
}

proptest! {
    #[test]
    fn any_leaf_has_an_answer(leaf: u32, small in 0u32..0x20, subleaf: u32, apic: bool) {
        let cpuid = full();
        for base in [0, 0x4000_0000, 0x4000_0100, 0x8000_0000] {
            cpuid.answer(base + small, subleaf, apic);
        }
        cpuid.answer(leaf, subleaf, apic);
    }

    #[test]
    fn any_host_is_survived(
        eax: u32, ebx: u32, ecx: u32, edx: u32, hz in 1_000_000u64..100_000_000_000,
    ) {
        let leaf = Leaf { eax, ebx, ecx, edx };
        let cpuid = Cpuid::new(|_, _| leaf, BOTH, TscFrequency::new(hz).unwrap());
        prop_assert!((32..=52).contains(&cpuid.physical_bits()));
        prop_assert_eq!(PhysicalBits::new(cpuid.physical_bits()), Some(cpuid.max_physical()));
    }
}
