//! What CPUID tells a guest.
//!
//! The host's answers are taken once ([`Cpuid::new`]), masked by the policy
//! below and kept as a small table: an exit looks up and executes no CPUID. What
//! is not named is not offered. The surprising fact: "the host has it" is the
//! weaker half of the rule; the stronger is that its *state* is switched between
//! guests. So SSE4.2, AES and SHA, which need XMM registers only, are offered, and
//! AVX only on a kernel that switches its state ([`ExtendedState`]).
//!
//! | leaf | what a guest sees |
//! | --- | --- |
//! | 0 | host's vendor; highest leaf 16h |
//! | 1 | host's family and model; one processor, APIC ID 0; the features of [`leaf1`]; APIC as IA32_APIC_BASE says; always x2APIC, TSC-deadline, hypervisor; XSAVE, AVX, FMA, F16C by [`ExtendedState`], OSXSAVE as CR4 has it; never MONITOR, VMX, PDCM, DS, HTT |
//! | 2, 4 | host's caches, shared by one processor |
//! | 6 | ARAT only: the APIC timer never stops |
//! | 7.0 | the features of [`leaf7`]; always TSC_ADJUST; AVX2, VAES, VPCLMULQDQ, AVX-512 by [`ExtendedState`]; never HLE, RTM, MPX, PT, PKU, CET, LA57, WAITPKG, MOVDIR64B, and no speculation control whose MSRs are not switched |
//! | Bh | one processor: one thread, one core |
//! | Dh | by [`ExtendedState`]: areas of XSAVE |
//! | 15h | TSC and core crystal clock, exact: Linux takes the TSC's frequency from here and measures nothing |
//! | 16h | the same in MHz |
//! | 4000_0000h | "KVMKVMKVM": Linux then uses x2APIC without interrupt remapping and skips delays on port 80h |
//! | 4000_0001h | KVM features: NOP_IO_DELAY, PV_EOI; no hypercall, no paravirtual clock, no steal time |
//! | 4000_0010h | EAX TSC, EBX APIC timer, in kHz (VMware's convention) |
//! | 4000_0100h | "Bulkhead"; EAX highest leaf of ours |
//! | 4000_0101h | EAX version of this interface, 3; EBX bit 0: breakpoints strike (the kernel switches debug registers), bit 1: an instruction that the VMM executes for the guest can end in a page fault (the kernel sets CR2) |
//! | 4000_0102h | exits with reason ECX so far, this one included: EAX low, EBX high half; ECX of 80: all other reasons; EDX 1 |
//! | 4000_0103h | counter ECX ([`Counter`]) as of this exit: EAX low, EBX high half; EDX 1, or 0 if there is none |
//! | 8000_0001h | LAHF, LZCNT, PREFETCHW, SYSCALL, NX, 1 GiB pages, RDTSCP, long mode, where the host has them |
//! | 8000_0002h-4h, 6h | host's brand string and L2 |
//! | 8000_0007h | invariant TSC: a host without one cannot run this VMM at all |
//! | 8000_0008h | host's physical address width, because the processor walks the guest's tables by it; 48 linear bits |
//! | others | zero; above 16h, as leaf 16h (Intel SDM vol. 2A, "CPUID") |

mod extended_state;

use statistics::{Counter, Recorder};

pub use extended_state::{ExtendedState, LEAF1_ECX_OSXSAVE};

use crate::control;
use crate::devices::lapic::CoreCrystal;
use crate::time::TscFrequency;
use crate::walk::PhysicalBits;

/// EAX, EBX, ECX and EDX.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct Leaf {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// What the CPU back end can switch on for a guest, beyond what CPUID of the
/// host says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Switchable {
    /// RDTSCP and RDPID work and IA32_TSC_AUX is switched.
    pub rdtscp: bool,
    /// INVPCID works.
    pub invpcid: bool,
    /// DR0 to DR3 and DR6 are switched. Without, the guest's are
    /// [`DebugRegisters`](crate::debug_registers::DebugRegisters).
    pub debug_registers: bool,
    /// CR2 can be set with a page fault.
    pub cr2: bool,
    /// The state components (bits of XCR0) that XSAVE switches; zero if none.
    pub extended_state: u64,
}

/// Features of leaf 1 that pass if the host has them.
pub mod leaf1 {
    /// ECX: SSE3, PCLMULQDQ, SSSE3, CX16, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT,
    /// AES, RDRAND.
    pub const ECX: u32 = 1
        | 1 << 1
        | 1 << 9
        | 1 << 13
        | 1 << 17
        | 1 << 19
        | 1 << 20
        | 1 << 22
        | 1 << 23
        | 1 << 25
        | 1 << 30;
    /// ECX, whatever the host has: x2APIC, TSC-deadline, hypervisor.
    pub const ECX_ALWAYS: u32 = 1 << 21 | 1 << 24 | 1 << 31;
    /// EDX: FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, SEP, MTRR, PGE, MCA,
    /// CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE, SSE2, SS.
    pub const EDX: u32 = 0x1ff | 0x3f << 11 | 1 << 17 | 1 << 19 | 0x1f << 23;
    /// EDX: the local APIC, which follows IA32_APIC_BASE.
    pub const EDX_APIC: u32 = 1 << 9;
}

/// Features of leaf 7, subleaf 0, that pass if the host has them.
pub mod leaf7 {
    /// EBX: FSGSBASE, BMI1, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, FCS/FDS
    /// deprecation, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
    pub const EBX: u32 = 1
        | 1 << 3
        | 1 << 6
        | 1 << 7
        | 1 << 8
        | 1 << 9
        | 1 << 13
        | 1 << 18
        | 1 << 19
        | 1 << 20
        | 1 << 23
        | 1 << 24
        | 1 << 29;
    /// EBX, whatever the host has: TSC_ADJUST, which Linux wants before it trusts
    /// a TSC.
    pub const EBX_ALWAYS: u32 = 1 << 1;
    /// EBX: INVPCID, if the back end can switch it on.
    pub const EBX_INVPCID: u32 = 1 << 10;
    /// ECX: UMIP, GFNI.
    pub const ECX: u32 = 1 << 2 | 1 << 8;
    /// ECX: RDPID, which reads IA32_TSC_AUX.
    pub const ECX_RDPID: u32 = 1 << 22;
    /// EDX: FSRM, MD_CLEAR, SERIALIZE.
    pub const EDX: u32 = 1 << 4 | 1 << 10 | 1 << 14;
}

/// Features of leaf 8000_0001h that pass if the host has them.
pub mod extended1 {
    /// ECX: LAHF in 64-bit mode, LZCNT, PREFETCHW.
    pub const ECX: u32 = 1 | 1 << 5 | 1 << 8;
    /// EDX: SYSCALL, NX, 1 GiB pages, long mode.
    pub const EDX: u32 = 1 << 11 | 1 << 20 | 1 << 26 | 1 << 29;
    /// EDX: RDTSCP, if the back end can switch it on.
    pub const EDX_RDTSCP: u32 = 1 << 27;
}

/// Highest basic leaf.
const BASIC_MAX: u32 = 0x16;
/// First extended leaf.
const EXTENDED: u32 = 0x8000_0000;
/// Highest extended leaf.
const EXTENDED_MAX: u32 = 0x8000_0008;
/// KVM's leaves.
const KVM: u32 = 0x4000_0000;
/// Its features.
const KVM_FEATURES: u32 = 0x4000_0001;
/// Highest of them: frequencies.
const KVM_MAX: u32 = 0x4000_0010;
/// KVM_FEATURE_NOP_IO_DELAY (Linux, Documentation/virt/kvm/x86/cpuid.rst).
const KVM_NOP_IO_DELAY: u32 = 1 << 1;
/// KVM_FEATURE_PV_EOI: [`crate::paravirtual_eoi`].
const KVM_PV_EOI: u32 = 1 << 6;
/// Bulkhead's leaves.
const BULKHEAD: u32 = 0x4000_0100;
/// Highest of them.
const BULKHEAD_MAX: u32 = BULKHEAD_COUNTERS;
/// The version.
const BULKHEAD_INTERFACE: u32 = 0x4000_0101;
/// Exits by reason.
const BULKHEAD_EXITS: u32 = 0x4000_0102;
/// Other counters.
const BULKHEAD_COUNTERS: u32 = 0x4000_0103;
/// Version of the interface behind them.
const BULKHEAD_VERSION: u32 = 3;
/// EBX of [`BULKHEAD_INTERFACE`]: breakpoints strike.
const BULKHEAD_BREAKPOINTS: u32 = 1 << 0;
/// The VMM can give the guest a page fault.
const BULKHEAD_PAGE_FAULTS: u32 = 1 << 1;
/// The width of linear addresses: four-level paging.
const LINEAR_BITS: u32 = 48;
/// Physical address width of a host that does not say (Intel SDM vol. 3A,
/// 4.1.4).
const PHYSICAL_BITS_DEFAULT: u8 = 36;
const MAX_PHYSICAL_DEFAULT: PhysicalBits = match PhysicalBits::new(PHYSICAL_BITS_DEFAULT) {
    Some(bits) => bits,
    None => panic!("36 lies between 32 and 52"),
};

const BASIC_LEAVES: usize = BASIC_MAX as usize + 1;
const EXTENDED_LEAVES: usize = (EXTENDED_MAX - EXTENDED) as usize + 1;
/// Caches that a host is asked about: L1 data, L1 code, L2, L3.
const CACHES: usize = 4;

const NOTHING: Leaf = Leaf { eax: 0, ebx: 0, ecx: 0, edx: 0 };

/// The answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cpuid {
    basic: [Leaf; BASIC_LEAVES],
    caches: [Leaf; CACHES],
    extended_state: ExtendedState,
    topology: [Leaf; 2],
    extended: [Leaf; EXTENDED_LEAVES],
    kvm: Leaf,
    kvm_features: Leaf,
    frequencies: Leaf,
    bulkhead: Leaf,
    bulkhead_version: Leaf,
    /// Leaf 1 while the local APIC is switched off.
    without_apic: Leaf,
    physical_bits: u8,
    max_physical: PhysicalBits,
}

impl Cpuid {
    /// Applies the policy to the host's answers; `host` is CPUID itself, of a
    /// leaf and subleaf.
    pub fn new(
        mut host: impl FnMut(u32, u32) -> Leaf,
        switchable: Switchable,
        tsc: TscFrequency,
    ) -> Self {
        let first = host(0, 0);
        let extended_first = host(EXTENDED, 0);
        let mut ask = |leaf: u32, subleaf: u32| {
            let max = if leaf < EXTENDED { first.eax } else { extended_first.eax };
            if leaf <= max { host(leaf, subleaf) } else { NOTHING }
        };

        let extended_state = ExtendedState::new(switchable.extended_state, &mut ask);
        let mut basic = [NOTHING; BASIC_LEAVES];
        basic[0] = Leaf { eax: BASIC_MAX, ..first };
        basic[1] = features(ask(1, 0), &extended_state);
        basic[2] = ask(2, 0);
        basic[6] = Leaf { eax: 1 << 2, ..NOTHING };
        basic[7] = structured_features(ask(7, 0), switchable, &extended_state);
        let crystal = CoreCrystal::of(tsc);
        basic[0x15] =
            Leaf { eax: crystal.denominator, ebx: crystal.numerator, ecx: crystal.hz, edx: 0 };
        let mhz = u32::try_from(tsc.hz() / 1_000_000).unwrap_or(u32::MAX) & 0xffff;
        basic[0x16] = Leaf { eax: mhz, ebx: mhz, ecx: 100, edx: 0 };

        let mut caches = [NOTHING; CACHES];
        for (subleaf, cache) in (0..).zip(&mut caches) {
            let leaf = ask(4, subleaf);
            if leaf.eax & 0x1f == 0 {
                break;
            }
            // 31:26 cores less one, 25:14 sharing processors less one.
            *cache = Leaf { eax: leaf.eax & 0x3fff, ..leaf };
        }

        let mut extended = [NOTHING; EXTENDED_LEAVES];
        extended[0].eax = EXTENDED_MAX;
        extended[1] = extended_features(ask(0x8000_0001, 0), switchable);
        for leaf in [2, 3, 4, 6] {
            extended[leaf as usize] = ask(EXTENDED | leaf, 0);
        }
        extended[7].edx = 1 << 8;
        let [stated, ..] = ask(EXTENDED_MAX, 0).eax.to_le_bytes();
        let (physical_bits, max_physical) = match PhysicalBits::new(stated) {
            Some(bits) => (stated, bits),
            None => (PHYSICAL_BITS_DEFAULT, MAX_PHYSICAL_DEFAULT),
        };
        extended[8].eax = LINEAR_BITS << 8 | u32::from(physical_bits);

        let khz = |hz: u64| u32::try_from(hz / 1000).unwrap_or(u32::MAX);
        Cpuid {
            without_apic: Leaf { edx: basic[1].edx & !leaf1::EDX_APIC, ..basic[1] },
            physical_bits,
            max_physical,
            basic,
            caches,
            extended_state,
            // One thread in the core, one core in the package: no bits to shift.
            topology: [
                Leaf { eax: 0, ebx: 1, ecx: 1 << 8, edx: 0 },
                Leaf { eax: 0, ebx: 1, ecx: 2 << 8 | 1, edx: 0 },
            ],
            extended,
            kvm: signature(KVM_MAX, b"KVMKVMKVM\0\0\0"),
            kvm_features: Leaf { eax: KVM_NOP_IO_DELAY | KVM_PV_EOI, ..NOTHING },
            frequencies: Leaf { eax: khz(tsc.hz()), ebx: khz(u64::from(crystal.hz)), ..NOTHING },
            bulkhead: signature(BULKHEAD_MAX, b"Bulkhead\0\0\0\0"),
            bulkhead_version: Leaf {
                eax: BULKHEAD_VERSION,
                ebx: if switchable.debug_registers { BULKHEAD_BREAKPOINTS } else { 0 }
                    | if switchable.cr2 { BULKHEAD_PAGE_FAULTS } else { 0 },
                ..NOTHING
            },
        }
    }

    /// The answer to CPUID with EAX `leaf` and ECX `subleaf`, while the local
    /// APIC is enabled or not.
    ///
    /// # Returns
    /// `None` for what is no constant: [`counted`] knows.
    #[inline]
    pub fn look_up(&self, leaf: u32, subleaf: u32, apic: bool) -> Option<&Leaf> {
        Some(match leaf {
            1 if !apic => &self.without_apic,
            4 => self.caches.get(subleaf as usize).unwrap_or(&NOTHING),
            7 if subleaf != 0 => &NOTHING,
            0xd => self.extended_state.leaf(subleaf),
            0xb => self.topology.get(subleaf as usize).unwrap_or(&NOTHING),
            0..=BASIC_MAX => &self.basic[leaf as usize],
            BULKHEAD_EXITS | BULKHEAD_COUNTERS => return None,
            0x4000_0000..=0x4fff_ffff => self.hypervisor(leaf),
            EXTENDED..=EXTENDED_MAX => &self.extended[(leaf - EXTENDED) as usize],
            // Out of range: the highest basic leaf answers.
            _ => &self.basic[BASIC_MAX as usize],
        })
    }

    /// The same where only constants are asked for.
    pub fn answer(&self, leaf: u32, subleaf: u32, apic: bool) -> &Leaf {
        self.look_up(leaf, subleaf, apic).unwrap_or(&NOTHING)
    }

    /// Leaves that no processor uses and hypervisors do.
    const fn hypervisor(&self, leaf: u32) -> &Leaf {
        match leaf {
            KVM => &self.kvm,
            KVM_FEATURES => &self.kvm_features,
            KVM_MAX => &self.frequencies,
            BULKHEAD => &self.bulkhead,
            BULKHEAD_INTERFACE => &self.bulkhead_version,
            _ => &NOTHING,
        }
    }

    /// XSAVE and what needs it.
    #[inline]
    pub const fn extended_state(&self) -> &ExtendedState {
        &self.extended_state
    }

    /// Whether a guest may use RDTSCP and RDPID.
    pub const fn has_rdtscp(&self) -> bool {
        self.extended[1].edx & extended1::EDX_RDTSCP != 0
    }

    /// Whether a guest may set EFER.NXE.
    pub const fn has_nx(&self) -> bool {
        self.extended[1].edx & 1 << 20 != 0
    }

    /// MAXPHYADDR: the width of physical addresses in bits.
    pub const fn physical_bits(&self) -> u8 {
        self.physical_bits
    }

    /// MAXPHYADDR, for walking the guest's page tables.
    pub const fn max_physical(&self) -> PhysicalBits {
        self.max_physical
    }

    /// The CR4 bits whose features are offered and can be left to the guest.
    pub fn cr4_policy(&self) -> control::Cr4Policy {
        let l1 = self.basic[1].ecx;
        let l7 = &self.basic[7];
        let bit = |offered: bool, cr4: u64| if offered { cr4 } else { 0 };
        control::Cr4Policy::new(
            bit(l1 & 1 << 17 != 0, control::CR4_PCIDE)
                | bit(self.extended_state.is_offered(), control::CR4_OSXSAVE)
                | bit(l7.ebx & 1 != 0, control::CR4_FSGSBASE)
                | bit(l7.ebx & 1 << 7 != 0, control::CR4_SMEP)
                | bit(l7.ebx & 1 << 20 != 0, control::CR4_SMAP)
                | bit(l7.ecx & 1 << 2 != 0, control::CR4_UMIP),
        )
    }
}

/// What the VMM counts of the guest that asks.
#[cold]
pub fn counted(leaf: u32, subleaf: u32, statistics: &Recorder) -> Leaf {
    let count = match leaf {
        BULKHEAD_EXITS => Some(statistics.exits(subleaf)),
        _ => Counter::from_number(subleaf).map(|counter| statistics.get(counter)),
    };
    let value = count.unwrap_or(0);
    Leaf {
        eax: (value & 0xffff_ffff) as u32,
        ebx: (value >> 32) as u32,
        ecx: 0,
        edx: count.is_some().into(),
    }
}

fn features(host: Leaf, state: &ExtendedState) -> Leaf {
    Leaf {
        eax: host.eax,
        // 31:24 APIC ID 0, 23:16 one processor, 15:8 CLFLUSH line, 7:0 brand.
        ebx: host.ebx & 0xffff | 1 << 16,
        ecx: host.ecx & (leaf1::ECX | state.leaf1_ecx()) | leaf1::ECX_ALWAYS,
        edx: host.edx & leaf1::EDX | leaf1::EDX_APIC,
    }
}

fn structured_features(host: Leaf, switchable: Switchable, state: &ExtendedState) -> Leaf {
    let (ebx, ecx) = state.leaf7();
    let invpcid = if switchable.invpcid { leaf7::EBX_INVPCID } else { 0 };
    let rdpid = if switchable.rdtscp { leaf7::ECX_RDPID } else { 0 };
    Leaf {
        eax: 0,
        ebx: host.ebx & (leaf7::EBX | invpcid | ebx) | leaf7::EBX_ALWAYS,
        ecx: host.ecx & (leaf7::ECX | rdpid | ecx),
        edx: host.edx & leaf7::EDX,
    }
}

fn extended_features(host: Leaf, switchable: Switchable) -> Leaf {
    let rdtscp = if switchable.rdtscp { extended1::EDX_RDTSCP } else { 0 };
    Leaf {
        eax: host.eax,
        ebx: 0,
        ecx: host.ecx & extended1::ECX,
        edx: host.edx & (extended1::EDX | rdtscp),
    }
}

/// A leaf that names its owner in EBX, ECX and EDX.
const fn signature(max: u32, name: &[u8; 12]) -> Leaf {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *name;
    Leaf {
        eax: max,
        ebx: u32::from_le_bytes([a, b, c, d]),
        ecx: u32::from_le_bytes([e, f, g, h]),
        edx: u32::from_le_bytes([i, j, k, l]),
    }
}

#[cfg(test)]
mod tests;
