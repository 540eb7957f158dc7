//! Instruction bytes: our decoder against another one.

use vmm_core::decode::{CodeSize, decode, oracle};

use crate::Target;

/// Bytes that begin or make an instruction of interest.
pub(super) const PARTS: &[&[u8]] = &[
    &[0x66],
    &[0x67],
    &[0x48],
    &[0x4c],
    &[0x41],
    &[0xf0],
    &[0xf2],
    &[0xf3],
    &[0x2e],
    &[0x36],
    &[0x3e],
    &[0x26],
    &[0x64],
    &[0x65],
    &[0x0f],
    &[0x0f, 0x38],
    &[0x0f, 0xb6],
    &[0x0f, 0xba],
    &[0x0f, 0xc7],
    &[0x0f, 0xb0],
    &[0x0f, 0x90],
    &[0x0f, 0x40],
    &[0x88],
    &[0x89],
    &[0x8a],
    &[0x8b],
    &[0x8c],
    &[0x8e],
    &[0xa0],
    &[0xa3],
    &[0xa4],
    &[0xc6],
    &[0xc7],
    &[0x6c],
    &[0x6f],
    &[0xf6],
    &[0xf7],
    &[0xff],
    &[0x04, 0x25],
    &[0x05],
    &[0x84, 0x24],
    &[0xc4, 0xe2],
    &[0x62],
];

pub(super) const TARGET: Target = Target {
    runs: 300_000,
    longest: 20,
    words: PARTS,
    ..Target::new("decode", "an instruction is what another decoder says", check)
};

pub(super) const SHORT: Target = Target {
    runs: 100_000,
    longest: 16,
    words: PARTS,
    ..Target::new("decode-short", "a short move is what the full decoder says", check_short)
};

fn check(bytes: &[u8]) {
    for code in [CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64] {
        if let Some(what) = oracle::disagreement(bytes, code) {
            panic!("{what}");
        }
        if let Ok(instruction) = decode(bytes, code) {
            let length = usize::from(instruction.length);
            assert!((1..=15).contains(&length) && length <= bytes.len());
            // What lies behind an instruction has no part in it.
            assert_eq!(decode(&bytes[..length], code), Ok(instruction));
        }
    }
}

fn check_short(bytes: &[u8]) {
    let mut code = [0; 16];
    let length = bytes.len().min(16);
    code[..length].copy_from_slice(&bytes[..length]);
    oracle::short_agrees(&code);
}
