//! Encodings and their meaning: a table, and the oracle over everything else.

use std::vec::Vec;

use proptest::prelude::*;

use super::oracle::disagreement;
use super::*;

const SIZES: [CodeSize; 3] = [CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64];

/// What opcodes begin with, by their map.
const MAPS: [&[u8]; 3] = [&[], &[0x0f], &[0x0f, 0x38]];

/// Bytes for the displacements and constants of an instruction; all are negative.
const REST: [u8; 12] = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c];

/// SIB matters where ModRM asks for it; elsewhere it is one more byte.
fn sibs(modrm: u8) -> &'static [u8] {
    if modrm & 7 == 4 && modrm < 0xc0 {
        &[0x00, 0x05, 0x25, 0x64, 0x65, 0xac, 0xe4]
    } else {
        &[0x8d]
    }
}

/// What is disagreed about, one finding for each opcode.
fn every_opcode(code: CodeSize, prefixes: &[&[u8]]) {
    let mut bytes = Vec::new();
    let mut found = Vec::new();
    for (prefixes, map) in prefixes.iter().flat_map(|p| MAPS.map(|map| (p, map))) {
        for opcode in 0..=255_u8 {
            let with = (0..=255_u8).flat_map(|modrm| sibs(modrm).iter().map(move |s| (modrm, *s)));
            found.extend(with.into_iter().find_map(|(modrm, sib)| {
                bytes.clear();
                bytes.extend_from_slice(prefixes);
                bytes.extend_from_slice(map);
                bytes.extend_from_slice(&[opcode, modrm, sib]);
                bytes.extend_from_slice(&REST);
                bytes.truncate(MAX_LENGTH);
                disagreement(&bytes, code)
            }));
        }
    }
    assert!(found.is_empty(), "{} opcodes:\n{}", found.len(), found.join("\n"));
}

/// Prefixes that mean something in every size of code.
const COMMON: [&[u8]; 8] =
    [&[], &[0x66], &[0x67], &[0x66, 0x67], &[0x65], &[0xf3], &[0xf2], &[0xf0]];

#[test]
fn every_opcode_means_what_the_oracle_says_16_bit() {
    every_opcode(CodeSize::Bits16, &COMMON);
    every_opcode(CodeSize::Bits16, &[&[0x2e]]);
}

#[test]
fn every_opcode_means_what_the_oracle_says_32_bit() {
    every_opcode(CodeSize::Bits32, &COMMON);
    every_opcode(CodeSize::Bits32, &[&[0x36]]);
}

#[test]
fn every_opcode_means_what_the_oracle_says_64_bit() {
    every_opcode(CodeSize::Bits64, &COMMON);
    every_opcode(
        CodeSize::Bits64,
        &[
            &[0x40],
            &[0x48],
            &[0x4f],
            &[0x41],
            &[0x66, 0x48],
            &[0x64, 0x44],
            &[0x3e],
            &[0xf2, 0x48],
            &[0xf0, 0x49],
            // Without effect, for it is not last.
            &[0x48, 0x66],
        ],
    );
}

#[test]
fn every_address_is_what_the_oracle_says() {
    /// MOV of a constant, which follows the address.
    const MOV: u8 = 0xc7;
    for code in SIZES {
        let rex: &[u8] = if code == CodeSize::Bits64 {
            &[0x40, 0x41, 0x42, 0x43, 0x48, 0x49, 0x4a, 0x4b]
        } else {
            &[0x26]
        };
        for (size, rex) in [0x66_u8, 0x67].iter().flat_map(|s| rex.iter().map(move |r| (s, r))) {
            let modrms = [0x00, 0x40, 0x80].iter().flat_map(|mode| (0..8).map(move |rm| mode | rm));
            for (modrm, sib) in modrms.flat_map(|m| (0..=255_u8).map(move |s| (m, s))) {
                let mut bytes = [0xff; MAX_LENGTH];
                bytes[..5].copy_from_slice(&[*size, *rex, MOV, modrm, sib]);
                assert_eq!(disagreement(&bytes, code), None);
            }
        }
    }
}

#[test]
fn fifteen_bytes_may_be_fourteen_prefixes_and_an_opcode() {
    let mut bytes = [0x66; 15];
    bytes[14] = 0xad;
    for size in SIZES {
        assert_eq!(disagreement(&bytes, size), None);
        assert_eq!(decode(&bytes, size).unwrap().length, 15);
    }
    // Every prefix once, and three REX.
    let mut bytes =
        [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x41, 0x42, 0x48, 0xab];
    bytes[8] = 0xf3;
    assert_eq!(disagreement(&bytes, CodeSize::Bits64), None);
    // A sixteenth byte is one too many.
    let mut bytes = [0x66; 16];
    bytes[14..].copy_from_slice(&[0x89, 0x07]);
    for size in SIZES {
        assert!(decode(&bytes, size).is_err());
        assert_eq!(disagreement(&bytes, size), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes_mean_what_the_oracle_says(
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        size in 0_usize..3,
    ) {
        prop_assert_eq!(disagreement(&bytes, SIZES[size]), None);
    }

    #[test]
    fn prefixed_bytes_mean_what_the_oracle_says(
        prefixes in prop::collection::vec(
            prop::sample::select(&[0x26_u8, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3, 0x40, 0x48, 0x4d][..]),
            0..5,
        ),
        opcode in prop::sample::select(&[
            0x00_u8, 0x01, 0x03, 0x63, 0x6c, 0x6d, 0x6e, 0x6f, 0x80, 0x81, 0x83, 0x84, 0x86, 0x88, 0x89, 0x8a,
            0x8b, 0x8c, 0x8e, 0x8f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad,
            0xae, 0xaf, 0xc6, 0xc7, 0xd3, 0xf6, 0xf7, 0xfe, 0xff, 0x0f,
        ][..]),
        rest in prop::collection::vec(any::<u8>(), 0..12),
        size in 0_usize..3,
    ) {
        let mut bytes = prefixes;
        bytes.push(opcode);
        bytes.extend_from_slice(&rest);
        prop_assert_eq!(disagreement(&bytes, SIZES[size]), None);
    }

    #[test]
    fn a_short_move_is_what_the_full_decoder_says(bytes in any::<[u8; 16]>()) {
        oracle::short_agrees(&bytes);
    }

    #[test]
    fn a_likely_short_move_is_what_the_full_decoder_says(
        rex in 0x3f_u8..=0x4f,
        opcode in prop::sample::select(&[0x8b_u8, 0x89, 0xc7][..]),
        rest in any::<[u8; 14]>(),
    ) {
        let mut bytes = [0_u8; 16];
        let head: &[u8] = if rex == 0x3f { &[opcode] } else { &[rex, opcode] };
        bytes[..head.len()].copy_from_slice(head);
        bytes[head.len()..head.len() + 14].copy_from_slice(&rest);
        prop_assert_eq!(oracle::short_agrees(&bytes), rest[0] < 0xc0 && (opcode != 0xc7 || rest[0] & 0x38 == 0));
    }
}
