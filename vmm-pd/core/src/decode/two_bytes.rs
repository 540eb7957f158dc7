//! Opcodes of two and three bytes, those after 0Fh and 0Fh 38h (Intel SDM vol.
//! 2D, tables ).

use super::operands::Decoder;
use super::refusal;
use super::{Bit, Condition, Operation, Place, Repeat, Source, Undecodable};
use crate::types::Width;

/// In the order of their encoding, in the opcode and in ModRM.
const BIT: [Bit; 4] = [Bit::Test, Bit::Set, Bit::Reset, Bit::Complement];

fn bit(number: u8) -> Bit {
    BIT[usize::from(number & 3)]
}

impl Decoder<'_> {
    /// What the opcode after 0Fh does; its operands are read.
    pub(super) fn two_bytes(&mut self) -> Result<Operation, Undecodable> {
        let opcode = self.reader.byte()?;
        let operand = self.prefixes.operand;
        let repeated = self.prefixes.repeat != Repeat::Once;
        match opcode {
            // Prefetches and NOPs, one of which was given other meanings.
            0x0d | 0x18..=0x1f => self.modrm().map(|_| Operation::Hint),
            0x38 => self.three_bytes(),
            0x40..=0x4f => {
                let condition = Condition::from_encoding(opcode);
                let modrm = self.modrm()?;
                let destination = self.reg(&modrm, operand);
                let source = self.rm(&modrm, operand);
                Ok(Operation::MoveCondition { condition, width: operand, destination, source })
            }
            0x90..=0x9f => {
                let condition = Condition::from_encoding(opcode);
                let modrm = self.modrm()?;
                let destination = self.rm(&modrm, Width::Byte);
                Ok(Operation::SetCondition { condition, destination })
            }
            0xa3 | 0xab | 0xb3 | 0xbb => {
                let modrm = self.modrm()?;
                let place = self.rm(&modrm, operand);
                let index = Source::Place(Place::Register(self.reg(&modrm, operand)));
                Ok(Operation::Bit { kind: bit(opcode >> 3), width: operand, place, index })
            }
            0xae => self.cache_line(),
            0xb0 | 0xb1 => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                let (place, register) = (self.rm(&modrm, width), self.reg(&modrm, width));
                Ok(Operation::CompareExchange { width, place, register })
            }
            0xb6 | 0xb7 | 0xbe | 0xbf => {
                let from = if opcode & 1 == 0 { Width::Byte } else { Width::Word };
                let modrm = self.modrm()?;
                let (destination, source) = (self.reg(&modrm, operand), self.rm(&modrm, from));
                let signed = opcode & 8 != 0;
                Ok(Operation::Extend { from, to: operand, signed, destination, source })
            }
            0xba => {
                let modrm = self.modrm()?;
                let place = self.rm(&modrm, operand);
                let index = self.constant(Width::Byte)?;
                match modrm.reg {
                    4.. => {
                        Ok(Operation::Bit { kind: bit(modrm.reg), width: operand, place, index })
                    }
                    _ => Err(Undecodable::Invalid),
                }
            }
            0xc0 | 0xc1 => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                let (place, register) = (self.rm(&modrm, width), self.reg(&modrm, width));
                Ok(Operation::ExchangeAdd { width, place, register })
            }
            0xc3 => {
                // MOVNTI has no form of 16 bits, in 16-bit code neither.
                let width = if operand == Width::Qword { operand } else { Width::Dword };
                let modrm = self.modrm()?;
                match modrm.memory() {
                    Some(memory) if !repeated && !self.prefixes.operand_size => {
                        let destination = Place::Memory(memory);
                        let source = Source::Place(Place::Register(self.reg(&modrm, width)));
                        Ok(Operation::Move { width, destination, source })
                    }
                    _ => Err(Undecodable::Invalid),
                }
            }
            0xc7 => {
                let modrm = self.modrm()?;
                match (modrm.memory(), modrm.reg) {
                    // With REX.W it is CMPXCHG16B.
                    (Some(memory), 1) if operand != Width::Qword => {
                        Ok(Operation::CompareExchangePair { memory })
                    }
                    _ => Err(Undecodable::Unsupported),
                }
            }
            _ => Err(refusal::two_bytes(opcode, &self.prefixes)),
        }
    }

    /// MOVBE, the only one of its map.
    fn three_bytes(&mut self) -> Result<Operation, Undecodable> {
        let opcode = self.reader.byte()?;
        if !matches!(opcode, 0xf0 | 0xf1) || self.prefixes.repeat != Repeat::Once {
            return Err(refusal::three_bytes(opcode));
        }
        let width = self.prefixes.operand;
        let modrm = self.modrm()?;
        let memory = Place::Memory(modrm.memory().ok_or(Undecodable::Invalid)?);
        let register = Place::Register(self.reg(&modrm, width));
        let (destination, source) =
            if opcode & 1 == 0 { (register, memory) } else { (memory, register) };
        Ok(Operation::MoveSwapped { width, destination, source })
    }

    /// CLFLUSH, CLFLUSHOPT and CLWB, among loads and stores of the
    /// floating-point state.
    fn cache_line(&mut self) -> Result<Operation, Undecodable> {
        let modrm = self.modrm()?;
        match (modrm.memory(), modrm.reg, self.prefixes.repeat) {
            (Some(_), 7, Repeat::Once) => Ok(Operation::Hint),
            (Some(_), 6, Repeat::Once) if self.prefixes.operand_size => Ok(Operation::Hint),
            (Some(_), _, Repeat::Once) => Err(Undecodable::NeedsVectorState),
            _ => Err(Undecodable::Unsupported),
        }
    }
}
