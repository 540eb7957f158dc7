//! Why an opcode is none of the VMM's operations. An instruction that the
//! processor began to execute is hardly ever invalid; what a reader of the
//! report wants to know is whether it needed registers that the VMM cannot read.

use super::operands::{Decoder, ModRm};
use super::prefixes::Prefixes;
use super::{Repeat, Undecodable};

/// Of an opcode of one byte.
pub(super) fn one_byte(opcode: u8, decoder: &Decoder<'_>) -> Undecodable {
    let long = decoder.long();
    match opcode {
        0xd8..=0xdf => Undecodable::NeedsVectorState,
        // VEX and EVEX: outside 64-bit code, if what follows would be a register.
        0x62 | 0xc4 | 0xc5 => match decoder.reader.peek() {
            Err(end) => end,
            Ok(next) if long || next >= 0xc0 => extended(opcode, decoder),
            Ok(_) => Undecodable::Unsupported,
        },
        // What 64-bit code lost (Intel SDM vol. 2D, table A-2).
        0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f | 0x27 | 0x2f | 0x37 | 0x3f | 0x60
        | 0x61 | 0x82 | 0x9a | 0xce | 0xd4 | 0xd5 | 0xd6 | 0xea
            if long =>
        {
            Undecodable::Invalid
        }
        _ => Undecodable::Unsupported,
    }
}

/// Of an opcode after VEX or EVEX. All use vector or mask registers but those
/// of BMI1 and BMI2, which VEX of three bytes encodes.
fn extended(opcode: u8, decoder: &Decoder<'_>) -> Undecodable {
    let mut reader = decoder.reader.clone();
    if opcode != 0xc4 {
        return Undecodable::NeedsVectorState;
    }
    match (reader.byte(), reader.byte(), reader.byte()) {
        (Ok(map), Ok(_), Ok(opcode)) => match (map & 0x1f, opcode) {
            (2, 0xf2..=0xf7) | (3, 0xf0) => Undecodable::Unsupported,
            _ => Undecodable::NeedsVectorState,
        },
        (Err(end), ..) | (_, Err(end), _) | (.., Err(end)) => end,
    }
}

/// Of an opcode of one byte that ModRM continues.
pub(super) fn one_byte_group(opcode: u8, modrm: &ModRm) -> Undecodable {
    match (opcode, modrm.reg) {
        // In registers there are XABORT and XBEGIN.
        (0xc6 | 0xc7, _) if modrm.memory().is_some() => Undecodable::Invalid,
        (0xfe, _) | (0xff, 7) => Undecodable::Invalid,
        _ => Undecodable::Unsupported,
    }
}

/// Of an opcode after 0Fh.
pub(super) fn two_bytes(opcode: u8, prefixes: &Prefixes) -> Undecodable {
    match opcode {
        // VMREAD and VMWRITE; with a prefix, AMD's SSE4a.
        0x78 | 0x79 if prefixes.operand_size || prefixes.repeat != Repeat::Once => {
            Undecodable::NeedsVectorState
        }
        0x0f..=0x17 | 0x28..=0x2f | 0x3a | 0x50..=0x77 | 0x7c..=0x7f => {
            Undecodable::NeedsVectorState
        }
        0xc2 | 0xc4..=0xc6 | 0xd0..=0xfe => Undecodable::NeedsVectorState,
        0x04 | 0x0a | 0x0c | 0x24..=0x27 | 0x36 | 0x39 | 0x3b..=0x3f => Undecodable::Invalid,
        _ => Undecodable::Unsupported,
    }
}

/// Of an opcode after 0Fh 38h.
pub(super) fn three_bytes(opcode: u8) -> Undecodable {
    match opcode {
        // Invalidations, CRC32, and what adds and stores registers.
        0x80..=0x82 | 0xf0..=0xff => Undecodable::Unsupported,
        _ => Undecodable::NeedsVectorState,
    }
}
