//! The prefixes of an instruction (Intel SDM vol. 2A, 2.1.1 and 2.2.1).

use super::reader::Reader;
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
    /// Whether 66h is there, which means more than a size to some instructions.
    pub(super) operand_size: bool,
    /// A repeat prefix; which instructions it repeats is not known here.
    pub(super) repeat: Repeat,
    /// Whether F0h is there.
    pub(super) lock: bool,
    /// REX, if it is the last prefix: elsewhere it has no effect.
    pub(super) rex: Option<u8>,
}

impl Prefixes {
    /// Reads the prefixes and the first byte after them.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        code: CodeSize,
    ) -> Result<(Prefixes, u8), Undecodable> {
        let long = code == CodeSize::Bits64;
        let mut segment = None;
        let mut operand_size = false;
        let mut address_size = false;
        let mut repeat = Repeat::Once;
        let mut lock = false;
        let mut rex = None;
        // It ends, because the bytes do.
        let opcode = loop {
            let byte = reader.byte()?;
            match byte {
                0x26 if !long => segment = Some(SegmentRegister::Es),
                0x2e if !long => segment = Some(SegmentRegister::Cs),
                0x36 if !long => segment = Some(SegmentRegister::Ss),
                0x3e if !long => segment = Some(SegmentRegister::Ds),
                0x26 | 0x2e | 0x36 | 0x3e => {}
                0x64 => segment = Some(SegmentRegister::Fs),
                0x65 => segment = Some(SegmentRegister::Gs),
                0x66 => operand_size = true,
                0x67 => address_size = true,
                0xf0 => lock = true,
                0xf2 => repeat = Repeat::WhileNotEqual,
                0xf3 => repeat = Repeat::WhileEqual,
                0x40..=0x4f if long => {
                    rex = Some(byte);
                    continue;
                }
                _ => break byte,
            }
            rex = None;
        };
        let wide = rex.is_some_and(|rex| rex & 8 != 0);
        let address = match (code, address_size) {
            (CodeSize::Bits64, false) => Width::Qword,
            (CodeSize::Bits32, false) | (CodeSize::Bits64 | CodeSize::Bits16, true) => Width::Dword,
            (CodeSize::Bits16, false) | (CodeSize::Bits32, true) => Width::Word,
        };
        let operand = match (code, wide, operand_size) {
            (CodeSize::Bits64, true, _) => Width::Qword,
            (CodeSize::Bits64 | CodeSize::Bits32, _, false) | (CodeSize::Bits16, _, true) => {
                Width::Dword
            }
            (CodeSize::Bits64 | CodeSize::Bits32, _, true) | (CodeSize::Bits16, _, false) => {
                Width::Word
            }
        };
        let prefixes = Prefixes { segment, address, operand, operand_size, repeat, lock, rex };
        Ok((prefixes, opcode))
    }

    /// A register's encoding: three bits, and the bit of REX that extends them.
    pub(super) fn extended(&self, number: u8, by: Extension) -> u8 {
        let bit = match (self.rex, by) {
            (None, _) => 0,
            (Some(rex), Extension::R) => (rex >> 2) & 1,
            (Some(rex), Extension::X) => (rex >> 1) & 1,
            (Some(rex), Extension::B) => rex & 1,
        };
        (number & 7) | (bit << 3)
    }
}

/// The bits of REX that extend a register's encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extension {
    /// ModRM's reg.
    R,
    /// SIB's index.
    X,
    /// ModRM's rm, SIB's base, or the opcode's own register.
    B,
}
