//! The prefixes of an instruction (Intel SDM vol. 2A, 2.1.1 and 2.2.1).

use super::{CodeSize, Repeat, Undecodable};
use crate::cpu::SegmentRegister;
use crate::types::Width;

/// What the prefixes say, for the mode they are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefixes {
    /// A segment override that counts; in 64-bit mode only FS and GS do.
    pub(super) segment: Option<SegmentRegister>,
    /// Address size.
    pub(super) address: Width,
    /// Operand size of an instruction whose size is not a byte and does not
    /// default to 64 bits.
    pub(super) operand: Width,
    /// A repeat prefix; which instructions it repeats is not known here.
    pub(super) repeat: Repeat,
    /// The first byte after the prefixes.
    pub(super) opcode: u8,
    /// Whether the last prefix is a REX.
    pub(super) rex: bool,
    /// Whether another REX stands before it, where it has no effect.
    pub(super) idle_rex: bool,
    /// How many bytes of prefixes there are.
    pub(super) length: usize,
}

/// Reads the prefixes at the start of `bytes`.
pub(super) fn scan(bytes: &[u8], code: CodeSize) -> Result<Prefixes, Undecodable> {
    let long = code == CodeSize::Bits64;
    let mut segment = None;
    let mut operand_size = false;
    let mut address_size = false;
    let mut repeat = Repeat::Once;
    let mut rex = 0;
    let mut idle_rex = false;
    for (length, &byte) in bytes.iter().enumerate() {
        match byte {
            0x26 if !long => segment = Some(SegmentRegister::Es),
            0x2e if !long => segment = Some(SegmentRegister::Cs),
            0x36 if !long => segment = Some(SegmentRegister::Ss),
            0x3e if !long => segment = Some(SegmentRegister::Ds),
            0x64 => segment = Some(SegmentRegister::Fs),
            0x65 => segment = Some(SegmentRegister::Gs),
            0x66 => operand_size = true,
            0x67 => address_size = true,
            0xf2 => repeat = Repeat::WhileNotEqual,
            0xf3 => repeat = Repeat::WhileEqual,
            0x26 | 0x2e | 0x36 | 0x3e | 0xf0 => {}
            0x40..=0x4f if long => {
                // Only right before the opcode does it count.
                idle_rex |= rex != 0;
                rex = byte;
                continue;
            }
            _ => {
                let wide = rex & 8 != 0;
                return Ok(Prefixes {
                    segment,
                    address: match (code, address_size) {
                        (CodeSize::Bits64, false) => Width::Qword,
                        (CodeSize::Bits32, false) | (CodeSize::Bits64 | CodeSize::Bits16, true) => {
                            Width::Dword
                        }
                        (CodeSize::Bits16, false) | (CodeSize::Bits32, true) => Width::Word,
                    },
                    operand: match (code, wide, operand_size) {
                        (CodeSize::Bits64, true, _) => Width::Qword,
                        (CodeSize::Bits64 | CodeSize::Bits32, _, false)
                        | (CodeSize::Bits16, _, true) => Width::Dword,
                        (CodeSize::Bits64 | CodeSize::Bits32, _, true)
                        | (CodeSize::Bits16, _, false) => Width::Word,
                    },
                    repeat,
                    opcode: byte,
                    rex: rex != 0,
                    idle_rex,
                    length,
                });
            }
        }
        idle_rex |= rex != 0;
        rex = 0;
    }
    Err(Undecodable::Incomplete)
}
