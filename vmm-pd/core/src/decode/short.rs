//! The few encodings that make up nearly all accesses to device registers,
//! decoded in a dozen machine instructions: MOV between a 32- or 64-bit
//! register and memory, MOV of a constant to memory, in 64-bit code.
//!
//! The bytes come in one integer, so that nothing here needs a vector register
//! (whose first use after a guest ran costs a trap). A test holds it to the full
//! decoder.

use crate::cpu::Gpr;
use crate::types::Width;

/// A MOV with one memory operand, whose address is not decoded: the exit says
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShortMove {
    /// Memory to register.
    Load {
        /// Size of the access.
        width: Width,
        /// Register written.
        register: Gpr,
        /// Length of the instruction.
        length: u8,
    },
    /// Register to memory.
    Store {
        /// Size of the access.
        width: Width,
        /// Register read.
        register: Gpr,
        /// Length of the instruction.
        length: u8,
    },
    /// Constant to memory.
    StoreImmediate {
        /// Size of the access.
        width: Width,
        /// The constant, sign-extended.
        value: u64,
        /// Length of the instruction.
        length: u8,
    },
}

/// Recognises a short move in the first 16 bytes of 64-bit code, given as a
/// little-endian integer. Nothing is wrong with code that it does not know.
pub fn short_move(code: u128) -> Option<ShortMove> {
    let first = byte(code, 0);
    let (rex, at) = if first & 0xf0 == 0x40 { (first, 1_u8) } else { (0, 0) };
    let opcode = byte(code, at);
    let modrm = byte(code, at + 1);
    let mode = modrm >> 6;
    let rm = modrm & 7;
    if mode == 3 {
        return None;
    }
    let sib = rm == 4;
    let absolute = mode == 0 && (rm == 5 || (sib && byte(code, at + 2) & 7 == 5));
    let displacement = match mode {
        1 => 1,
        2 => 4,
        _ if absolute => 4,
        _ => 0,
    };
    let end = at + 2 + u8::from(sib) + displacement;
    let width = if rex & 8 != 0 { Width::Qword } else { Width::Dword };
    let register = Gpr::from_encoding(((modrm >> 3) & 7) | ((rex & 4) << 1));
    match opcode {
        0x8b => Some(ShortMove::Load { width, register, length: end }),
        0x89 => Some(ShortMove::Store { width, register, length: end }),
        0xc7 if modrm & 0x38 == 0 => {
            let value = (code >> (u32::from(end) * 8)) as u32;
            Some(ShortMove::StoreImmediate {
                width,
                value: i64::from(value.cast_signed()).cast_unsigned(),
                length: end + 4,
            })
        }
        _ => None,
    }
}

/// `at` is below 4 wherever this is called.
const fn byte(code: u128, at: u8) -> u8 {
    (code >> (at as u32 * 8)) as u8
}
