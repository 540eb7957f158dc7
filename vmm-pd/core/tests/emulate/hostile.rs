//! Any bytes, any registers, any tables: an answer, soon, within memory.

use proptest::prelude::*;
use vmm_core::cpu::{Segment, SegmentRegister};
use vmm_core::emulate::Violation;
use vmm_core::types::Gpa;
use vmm_core::walk::AccessKind;

use crate::machine::{MODES, Mode, RAM, World};

#[derive(Clone, Debug)]
struct Anything {
    mode: usize,
    code: Vec<u8>,
    gprs: [u64; 16],
    rip: u64,
    state: [u64; 5],
    segments: [(u64, u32, u32); 8],
    /// Words strewn over RAM: tables, where CR3 leads there.
    words: Vec<(u16, u64)>,
    keep_mode: bool,
    gpa: u64,
    kind: u8,
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..RAM as u64 + 0x1000,
        2 => 0xfee0_0000_u64..0xfee0_2000,
        1 => any::<u64>(),
        1 => prop::sample::select(&[0_u64, u64::MAX, 0x7fff_ffff_fff8, 0xffff_8000_0000_0000, 0xffff_fffd][..]),
    ]
}

fn anything() -> impl Strategy<Value = Anything> {
    (
        (
            0_usize..5,
            prop::collection::vec(any::<u8>(), 1..16),
            prop::array::uniform16(address()),
            address(),
        ),
        (
            prop::array::uniform5(any::<u64>()),
            prop::array::uniform8((address(), any::<u32>(), any::<u32>())),
            prop::collection::vec((any::<u16>(), address()), 0..64),
            prop::bool::weighted(0.8),
            address(),
            0_u8..3,
        ),
    )
        .prop_map(
            |((mode, code, gprs, rip), (state, segments, words, keep_mode, gpa, kind))| Anything {
                mode,
                code,
                gprs,
                rip,
                state,
                segments,
                words,
                keep_mode,
                gpa,
                kind,
            },
        )
}

fn run(case: &Anything) {
    let mode: Mode = MODES[case.mode];
    let mut world = World::new(mode);
    world.cpu.gprs = case.gprs;
    world.cpu.rflags = case.state[0] | 2;
    if !case.keep_mode {
        world.cpu.cr0 = case.state[1];
        world.cpu.cr3 = case.state[2] & 0xf_ffff;
        world.cpu.cr4 = case.state[3];
        world.cpu.efer = case.state[4];
        world.cpu.rip = case.rip;
        for (to, (base, limit, access_rights)) in world.cpu.segments.iter_mut().zip(case.segments) {
            *to = Segment { selector: limit as u16, base, limit, access_rights };
        }
        world.cpu.segments[SegmentRegister::Cs as usize].base &= 0xf_f000;
    }
    for (at, word) in &case.words {
        // Present, writable, user, and somewhere in RAM, often.
        world.put_u64(u64::from(*at) * 8 % RAM as u64, word | 7);
    }
    let at = (world.cpu.rip as usize).min(RAM - 16) as u64;
    world.put(at, &case.code);
    let kind = [AccessKind::Read, AccessKind::Write, AccessKind::Fetch][usize::from(case.kind)];
    let violation = Violation { gpa: Gpa(case.gpa), kind, operand: case.gpa & 1 != 0 };
    // Whatever it answers: it answers, and memory's bounds were kept, which
    // `TestMemory` and the bus assert.
    let _ = world.machine().complete_mmio(violation);
    assert!(world.bus.seen.len() <= 4096, "{} accesses for one exit", world.bus.seen.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_guest_does_stops_the_vmm(case in anything()) {
        run(&case);
    }
}
