//! Encodings and their meaning: a table, and the oracle over everything else.

use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::oracle::{Opinion, opinion};
use super::*;

const SIZES: [CodeSize; 3] = [CodeSize::Bits16, CodeSize::Bits32, CodeSize::Bits64];

/// Equal operations may hold constants of different sign extension; only the
/// bits within the operation's width mean anything.
fn normal(instruction: Instruction) -> Instruction {
    let memory = |memory: Memory| Memory {
        displacement: memory.displacement & memory.address.mask(),
        ..memory
    };
    let place = |p| match p {
        Place::Memory(m) => Place::Memory(memory(m)),
        register @ Place::Register(_) => register,
    };
    let source = |s, width: Width| match s {
        Source::Immediate(value) => Source::Immediate(value & width.mask()),
        Source::Place(p) => Source::Place(place(p)),
    };
    let operation = match instruction.operation {
        Operation::Move { width, destination, source: s } => {
            Operation::Move { width, destination: place(destination), source: source(s, width) }
        }
        Operation::Extend { from, to, signed, destination, source } => {
            Operation::Extend { from, to, signed, destination, source: place(source) }
        }
        Operation::MoveSwapped { width, destination, source } => {
            Operation::MoveSwapped { width, destination: place(destination), source: place(source) }
        }
        Operation::StoreSelector { width, destination, source } => {
            Operation::StoreSelector { width, destination: place(destination), source }
        }
        Operation::LoadSelector { destination, source } => {
            Operation::LoadSelector { destination, source: place(source) }
        }
        Operation::Binary { kind, width, destination, source: s } => Operation::Binary {
            kind,
            width,
            destination: place(destination),
            source: source(s, width),
        },
        Operation::Unary { kind, width, place: p } => {
            Operation::Unary { kind, width, place: place(p) }
        }
        Operation::Shift { kind, width, place: p, count } => {
            Operation::Shift { kind, width, place: place(p), count: source(count, Width::Byte) }
        }
        Operation::Bit { kind, width, place: p, index } => {
            Operation::Bit { kind, width, place: place(p), index: source(index, Width::Byte) }
        }
        Operation::Exchange { width, place: p, register } => {
            Operation::Exchange { width, place: place(p), register }
        }
        Operation::CompareExchange { width, place: p, register } => {
            Operation::CompareExchange { width, place: place(p), register }
        }
        Operation::CompareExchangePair { memory: m } => {
            Operation::CompareExchangePair { memory: memory(m) }
        }
        Operation::ExchangeAdd { width, place: p, register } => {
            Operation::ExchangeAdd { width, place: place(p), register }
        }
        Operation::Push { width, source: s } => Operation::Push { width, source: source(s, width) },
        Operation::Pop { width, destination } => {
            Operation::Pop { width, destination: place(destination) }
        }
        Operation::SetCondition { condition, destination } => {
            Operation::SetCondition { condition, destination: place(destination) }
        }
        Operation::MoveCondition { condition, width, destination, source } => {
            Operation::MoveCondition { condition, width, destination, source: place(source) }
        }
        same @ (Operation::String(_) | Operation::Hint) => same,
    };
    Instruction { operation, length: instruction.length }
}

/// What the two decoders disagree about.
fn disagreement(bytes: &[u8], code: CodeSize) -> Option<String> {
    let ours = decode(bytes, code);
    match (ours, opinion(bytes, code)) {
        (
            Ok(ours),
            Opinion::Known { instruction: Instruction { length, .. }, memory: false }
            | Opinion::Hint { length },
        ) => (ours.length != length)
            .then(|| format!("{bytes:02x?} {code:?}: {ours:?}, not {length}")),
        (Ok(ours), Opinion::Known { instruction, memory: true }) => {
            let (ours, theirs) = (normal(ours), normal(instruction));
            (ours != theirs).then(|| format!("{bytes:02x?} {code:?}: {ours:?}, not {theirs:?}"))
        }
        (Err(e), Opinion::Known { instruction, memory: true }) => {
            Some(format!("{bytes:02x?} {code:?}: {e}, not {instruction:?}"))
        }
        (Ok(ours), Opinion::Other { memory: true } | Opinion::Incomplete) => {
            Some(format!("{bytes:02x?} {code:?}: {ours:?}, not something else"))
        }
        _ => None,
    }
}

fn every_opcode(code: CodeSize, prefixes: &[u8]) {
    let mut bytes = Vec::new();
    let mut found = Vec::new();
    for map in 0..2 {
        for opcode in 0..=255_u8 {
            let mut of_this = None;
            for modrm in 0..=255_u8 {
                for sib in [0x00_u8, 0x25, 0x64, 0xac] {
                    bytes.clear();
                    bytes.extend_from_slice(prefixes);
                    if map == 1 {
                        bytes.push(0x0f);
                    }
                    bytes.extend_from_slice(&[opcode, modrm, sib]);
                    bytes.extend_from_slice(&[0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88]);
                    bytes.truncate(15);
                    of_this = of_this.or_else(|| disagreement(&bytes, code));
                }
            }
            found.extend(of_this);
        }
    }
    assert!(found.is_empty(), "{} opcodes:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_opcode_means_what_the_oracle_says_16_bit() {
    for prefixes in [&[][..], &[0x66], &[0x67], &[0x66, 0x67], &[0x2e], &[0xf3], &[0xf0]] {
        every_opcode(CodeSize::Bits16, prefixes);
    }
}

#[test]
fn every_opcode_means_what_the_oracle_says_32_bit() {
    for prefixes in [&[][..], &[0x66], &[0x67], &[0x66, 0x67], &[0x36], &[0xf2], &[0xf0]] {
        every_opcode(CodeSize::Bits32, prefixes);
    }
}

#[test]
fn every_opcode_means_what_the_oracle_says_64_bit() {
    for prefixes in [
        &[][..],
        &[0x66],
        &[0x67],
        &[0x48],
        &[0x4f],
        &[0x41],
        &[0x66, 0x48],
        &[0x64, 0x44],
        &[0x3e],
        &[0xf3],
        &[0xf2, 0x48],
        &[0xf0],
    ] {
        every_opcode(CodeSize::Bits64, prefixes);
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
        short_agrees(bytes);
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
        prop_assert_eq!(short_agrees(bytes), rest[0] < 0xc0 && (opcode != 0xc7 || rest[0] & 0x38 == 0));
    }
}

/// Whether it was a short move at all.
fn short_agrees(bytes: [u8; 16]) -> bool {
    let Some(short) = short_move(u128::from_le_bytes(bytes)) else { return false };
    let full = decode(&bytes, CodeSize::Bits64).unwrap();
    let Operation::Move { width, destination, source } = full.operation else {
        panic!("{full:?}");
    };
    match (short, destination, source) {
        (
            ShortMove::Load { width: w, register, length },
            Place::Register(r),
            Source::Place(Place::Memory(_)),
        )
        | (
            ShortMove::Store { width: w, register, length },
            Place::Memory(_),
            Source::Place(Place::Register(r)),
        ) => {
            assert_eq!((w, Register::low(register), length), (width, r, full.length));
        }
        (
            ShortMove::StoreImmediate { width: w, value, length },
            Place::Memory(_),
            Source::Immediate(v),
        ) => assert_eq!((w, value, length), (width, v, full.length)),
        _ => panic!("{short:?} {full:?}"),
    }
    true
}
