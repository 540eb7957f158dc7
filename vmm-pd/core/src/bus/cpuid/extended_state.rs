//! XSAVE and what needs it: AVX and AVX-512.
//!
//! A kernel switches the state components that it has switched on in XCR0, for
//! threads and guests alike, and never changes XCR0. So a guest's XCR0 *is* the
//! kernel's: the guest may write that one value, which is what an operating system
//! does that takes all that CPUID offers. The surprising fact: XGETBV does not exit,
//! so a guest reads the value even before it has written it. Without AVX in it
//! nothing is offered, not even XSAVE: FXSAVE does the rest.

use super::{Leaf, NOTHING};

/// Components of which a guest can be told (Intel SDM vol. 1, 13.1): x87, SSE,
/// AVX; opmask and the two parts of ZMM.
const AVX: u64 = 0b111;
const AVX512: u64 = 0b111 << 5;

/// Subleaves of leaf Dh for these.
const SUBLEAVES: usize = 8;

/// What leaf 1 offers with AVX. ECX: FMA, XSAVE, AVX, F16C.
const LEAF1_ECX: u32 = 1 << 12 | 1 << 26 | 1 << 28 | 1 << 29;
/// What leaf 1 says while CR4.OSXSAVE is set.
pub const LEAF1_ECX_OSXSAVE: u32 = 1 << 27;
/// What leaf 7 offers with AVX. EBX: AVX2.
const LEAF7_EBX: u32 = 1 << 5;
/// ECX: VAES, VPCLMULQDQ.
const LEAF7_ECX: u32 = 1 << 9 | 1 << 10;
/// What it offers with AVX-512. EBX: F, DQ, IFMA, CD, BW, VL.
const LEAF7_EBX_512: u32 = 1 << 16 | 1 << 17 | 1 << 21 | 1 << 28 | 1 << 30 | 1 << 31;
/// ECX: VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ.
const LEAF7_ECX_512: u32 = 1 << 1 | 1 << 6 | 1 << 11 | 1 << 12 | 1 << 14;
/// Leaf Dh, subleaf 1, EAX: XSAVEOPT, XSAVEC, XGETBV of ECX 1. Not XSAVES, whose
/// IA32_XSS nobody switches.
const INSTRUCTIONS: u32 = 0b111;
/// CPUID leaf 1, ECX: the host has AVX and lets it be used.
const HOST_AVX: u32 = LEAF1_ECX_OSXSAVE | 1 << 28;

/// What a guest is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExtendedState {
    /// XCR0; zero if nothing is offered.
    xcr0: u64,
    leaves: [Leaf; SUBLEAVES],
}

impl ExtendedState {
    /// `switched`: what the kernel has in XCR0, or zero if it does not switch that.
    /// A component that is unknown here hides all: the guest could read that it is on.
    pub fn new(switched: u64, mut host: impl FnMut(u32, u32) -> Leaf) -> Self {
        let known = switched & AVX == AVX
            && switched & !(AVX | AVX512) == 0
            && matches!(switched & AVX512, 0 | AVX512);
        if !known || host(1, 0).ecx & HOST_AVX != HOST_AVX {
            return ExtendedState::default();
        }
        let area = host(0xd, 0).ebx;
        let mut leaves = [NOTHING; SUBLEAVES];
        leaves[0] = Leaf {
            eax: (switched & 0xffff_ffff) as u32,
            ebx: area,
            ecx: area,
            edx: (switched >> 32) as u32,
        };
        leaves[1] = Leaf { eax: host(0xd, 1).eax & INSTRUCTIONS, ebx: area, ..NOTHING };
        for (n, leaf) in (0..).zip(&mut leaves).skip(2) {
            if switched >> n & 1 != 0 {
                *leaf = host(0xd, n);
            }
        }
        ExtendedState { xcr0: switched, leaves }
    }

    /// Whether anything is offered.
    #[inline]
    pub const fn is_offered(&self) -> bool {
        self.xcr0 != 0
    }

    /// The one value of XCR0; zero if XSETBV is unknown.
    pub const fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// Leaf Dh.
    pub fn leaf(&self, subleaf: u32) -> &Leaf {
        self.leaves.get(subleaf as usize).unwrap_or(&NOTHING)
    }

    /// Features of leaf 1, ECX, that pass if the host has them.
    pub const fn leaf1_ecx(&self) -> u32 {
        if self.is_offered() { LEAF1_ECX } else { 0 }
    }

    /// Features of leaf 7, subleaf 0, EBX and ECX, that pass if the host has them.
    pub const fn leaf7(&self) -> (u32, u32) {
        match (self.is_offered(), self.xcr0 & AVX512 != 0) {
            (false, _) => (0, 0),
            (true, false) => (LEAF7_EBX, LEAF7_ECX),
            (true, true) => (LEAF7_EBX | LEAF7_EBX_512, LEAF7_ECX | LEAF7_ECX_512),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(leaf: u32, subleaf: u32) -> Leaf {
        match (leaf, subleaf) {
            (0xd, 0) => Leaf { eax: 0xe7, ebx: 832, ecx: 2688, edx: 0 },
            (0xd, 1) => Leaf { eax: 0xf, ebx: 900, ecx: 0x100, edx: 0 },
            (0xd, n) => Leaf { eax: 256, ebx: 512 + n, ..NOTHING },
            _ => Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX },
        }
    }

    #[test]
    fn without_avx_in_xcr0_nothing_is_offered() {
        for switched in [0, 1, 0b11, 0b101, 0b100] {
            assert_eq!(ExtendedState::new(switched, host), ExtendedState::default(), "{switched}");
        }
    }

    #[test]
    fn a_component_that_is_not_known_hides_all() {
        for switched in [AVX | 1 << 9, AVX | 1 << 3, AVX | 1 << 5, AVX | 1 << 17, u64::MAX] {
            assert_eq!(
                ExtendedState::new(switched, host),
                ExtendedState::default(),
                "{switched:x}"
            );
        }
    }

    #[test]
    fn a_host_without_avx_or_osxsave_offers_nothing() {
        for missing in [1 << 27, 1 << 28] {
            let less = |leaf, subleaf| {
                let all = host(leaf, subleaf);
                if leaf == 1 { Leaf { ecx: all.ecx & !missing, ..all } } else { all }
            };
            assert!(!ExtendedState::new(AVX, less).is_offered());
        }
    }

    #[test]
    fn the_area_is_that_of_the_one_value() {
        let state = ExtendedState::new(AVX, host);
        assert_eq!(*state.leaf(0), Leaf { eax: 7, ebx: 832, ecx: 832, edx: 0 });
        assert_eq!(*state.leaf(1), Leaf { eax: 7, ebx: 832, ..NOTHING });
        assert_eq!(state.leaf(2).ebx, 514);
        assert_eq!(*state.leaf(5), NOTHING);
        assert_eq!(*state.leaf(u32::MAX), NOTHING);
        assert_eq!(state.leaf7(), (LEAF7_EBX, LEAF7_ECX));
        let more = ExtendedState::new(AVX | AVX512, host);
        assert_eq!(more.leaf(0).eax, 0xe7);
        assert_eq!(more.leaf(6).ebx, 518);
        assert_ne!(more.leaf7().0 & 1 << 16, 0);
    }
}
