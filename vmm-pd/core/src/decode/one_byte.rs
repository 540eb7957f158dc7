//! Opcodes of one byte (Intel SDM vol. 2D, tables ).

use super::operands::Decoder;
use super::refusal;
use super::{
    Binary, Operation, Place, Register, Repeat, Shift, Source, StringKind, StringOperation, Unary,
    Undecodable,
};
use crate::cpu::{Gpr, SegmentRegister};
use crate::types::Width;

/// In the order of their encoding, in the opcode and in ModRM.
const BINARY: [Binary; 8] = [
    Binary::Add,
    Binary::Or,
    Binary::Adc,
    Binary::Sbb,
    Binary::And,
    Binary::Sub,
    Binary::Xor,
    Binary::Cmp,
];

/// The same for shifts; the seventh is another name of the fifth, which
/// processors take and manuals leave out.
const SHIFT: [Shift; 8] = [
    Shift::Rol,
    Shift::Ror,
    Shift::Rcl,
    Shift::Rcr,
    Shift::Shl,
    Shift::Shr,
    Shift::Shl,
    Shift::Sar,
];

/// Three bits of an encoding as what they stand for.
fn of<T: Copy>(table: &[T; 8], number: u8) -> T {
    table[usize::from(number & 7)]
}

impl Decoder<'_> {
    /// What an opcode does; its operands are read.
    pub(super) fn one_byte(&mut self, opcode: u8) -> Result<Operation, Undecodable> {
        let long = self.long();
        match opcode {
            0x00..=0x3f if opcode & 7 < 6 => {
                let kind = of(&BINARY, opcode >> 3);
                let (width, destination, source) = match opcode & 4 {
                    0 => self.pair(opcode)?,
                    _ => self.accumulator(opcode)?,
                };
                Ok(Operation::Binary { kind, width, destination, source })
            }
            0x40..=0x4f if !long => {
                let kind = if opcode & 8 == 0 { Unary::Inc } else { Unary::Dec };
                let width = self.prefixes.operand;
                let place = Place::Register(self.of_opcode(opcode, width));
                Ok(Operation::Unary { kind, width, place })
            }
            0x50..=0x57 => {
                let width = self.stack_width();
                let source = Source::Place(Place::Register(self.of_opcode(opcode, width)));
                Ok(Operation::Push { width, source })
            }
            0x58..=0x5f => {
                let width = self.stack_width();
                let destination = Place::Register(self.of_opcode(opcode, width));
                Ok(Operation::Pop { width, destination })
            }
            0x63 if long => {
                let to = self.prefixes.operand;
                let from = if to == Width::Word { Width::Word } else { Width::Dword };
                let modrm = self.modrm()?;
                let (destination, source) = (self.reg(&modrm, to), self.rm(&modrm, from));
                Ok(Operation::Extend { from, to, signed: true, destination, source })
            }
            0x68 => {
                let width = self.stack_width();
                Ok(Operation::Push { width, source: self.immediate(width)? })
            }
            0x6a => {
                let width = self.stack_width();
                Ok(Operation::Push { width, source: self.constant(Width::Byte)? })
            }
            0x6c | 0x6d => Ok(self.string(StringKind::Ins, opcode)),
            0x6e | 0x6f => Ok(self.string(StringKind::Outs, opcode)),
            0x80..=0x83 if opcode != 0x82 || !long => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                let destination = self.rm(&modrm, width);
                let source = match opcode {
                    0x81 => self.immediate(width)?,
                    _ => self.constant(Width::Byte)?,
                };
                Ok(Operation::Binary { kind: of(&BINARY, modrm.reg), width, destination, source })
            }
            0x84 | 0x85 => {
                let (width, destination, source) = self.pair(opcode & 1)?;
                Ok(Operation::Binary { kind: Binary::Test, width, destination, source })
            }
            0x86 | 0x87 => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                let (place, register) = (self.rm(&modrm, width), self.reg(&modrm, width));
                Ok(Operation::Exchange { width, place, register })
            }
            0x88..=0x8b => {
                let (width, destination, source) = self.pair(opcode)?;
                Ok(Operation::Move { width, destination, source })
            }
            0x8c => {
                let modrm = self.modrm()?;
                let source = selector(modrm.reg).ok_or(Undecodable::Invalid)?;
                let in_memory = modrm.memory().is_some();
                let width = if in_memory { Width::Word } else { self.prefixes.operand };
                let destination = self.rm(&modrm, width);
                Ok(Operation::StoreSelector { width, destination, source })
            }
            0x8e => {
                let modrm = self.modrm()?;
                let destination = match selector(modrm.reg) {
                    // CS is loaded by jumps only.
                    Some(SegmentRegister::Cs) | None => return Err(Undecodable::Invalid),
                    Some(selector) => selector,
                };
                let source = self.rm(&modrm, Width::Word);
                Ok(Operation::LoadSelector { destination, source })
            }
            0x8f => {
                // If anything else, then XOP, AMD's early vectors, whose next byte is
                // no ModRM.
                if self.reader.peek()? & 0x38 != 0 {
                    return Err(Undecodable::NeedsVectorState);
                }
                let width = self.stack_width();
                let modrm = self.modrm()?;
                Ok(Operation::Pop { width, destination: self.rm(&modrm, width) })
            }
            0x90..=0x97 => {
                let width = self.prefixes.operand;
                let register = self.of_opcode(opcode, width);
                if register.gpr == Gpr::Rax {
                    return Ok(Operation::Hint);
                }
                let place = Place::Register(Register::low(Gpr::Rax));
                Ok(Operation::Exchange { width, place, register })
            }
            0xa0..=0xa3 => {
                let width = self.width(opcode);
                let memory = self.absolute()?;
                let register = Place::Register(Register::low(Gpr::Rax));
                let (destination, source) =
                    if opcode & 2 == 0 { (register, memory) } else { (memory, register) };
                Ok(Operation::Move { width, destination, source: Source::Place(source) })
            }
            0xa4 | 0xa5 => Ok(self.string(StringKind::Movs, opcode)),
            0xa6 | 0xa7 => Ok(self.string(StringKind::Cmps, opcode)),
            0xa8 | 0xa9 => {
                let (width, destination, source) = self.accumulator(opcode)?;
                Ok(Operation::Binary { kind: Binary::Test, width, destination, source })
            }
            0xaa | 0xab => Ok(self.string(StringKind::Stos, opcode)),
            0xac | 0xad => Ok(self.string(StringKind::Lods, opcode)),
            0xae | 0xaf => Ok(self.string(StringKind::Scas, opcode)),
            0xb0..=0xbf => {
                let width = if opcode & 8 == 0 { Width::Byte } else { self.prefixes.operand };
                let destination = Place::Register(self.of_opcode(opcode, width));
                Ok(Operation::Move { width, destination, source: self.constant(width)? })
            }
            0xc0 | 0xc1 | 0xd0..=0xd3 => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                let place = self.rm(&modrm, width);
                let count = match opcode {
                    0xc0 | 0xc1 => self.constant(Width::Byte)?,
                    0xd0 | 0xd1 => Source::Immediate(1),
                    _ => Source::Place(Place::Register(Register::low(Gpr::Rcx))),
                };
                Ok(Operation::Shift { kind: of(&SHIFT, modrm.reg), width, place, count })
            }
            0xc6 | 0xc7 => {
                let width = self.width(opcode);
                let modrm = self.modrm()?;
                if modrm.reg != 0 {
                    return Err(refusal::one_byte_group(opcode, &modrm));
                }
                let destination = self.rm(&modrm, width);
                Ok(Operation::Move { width, destination, source: self.immediate(width)? })
            }
            0xf6 | 0xf7 | 0xfe | 0xff => self.one_operand(opcode),
            _ => Err(refusal::one_byte(opcode, self)),
        }
    }

    /// The groups of F6h and FEh: an operation by ModRM's middle bits.
    fn one_operand(&mut self, opcode: u8) -> Result<Operation, Undecodable> {
        let width = self.width(opcode);
        let modrm = self.modrm()?;
        let place = self.rm(&modrm, width);
        let kind = match (opcode & 8, modrm.reg) {
            // Test has two encodings here.
            (0, 0 | 1) => {
                let source = self.immediate(width)?;
                return Ok(Operation::Binary {
                    kind: Binary::Test,
                    width,
                    destination: place,
                    source,
                });
            }
            (0, 2) => Unary::Not,
            (0, 3) => Unary::Neg,
            (8, 0) => Unary::Inc,
            (8, 1) => Unary::Dec,
            (8, 6) if opcode == 0xff => {
                let width = self.stack_width();
                return Ok(Operation::Push { width, source: Source::Place(place) });
            }
            _ => return Err(refusal::one_byte_group(opcode, &modrm)),
        };
        Ok(Operation::Unary { kind, width, place })
    }

    /// AL, AX, EAX or RAX and a constant.
    fn accumulator(&mut self, opcode: u8) -> Result<(Width, Place, Source), Undecodable> {
        let width = self.width(opcode);
        let register = Place::Register(Register::low(Gpr::Rax));
        Ok((width, register, self.immediate(width)?))
    }

    fn string(&self, kind: StringKind, opcode: u8) -> Operation {
        let prefixes = &self.prefixes;
        let width = match (kind, self.width(opcode)) {
            // There is no I/O of 64 bits.
            (StringKind::Ins | StringKind::Outs, Width::Qword) => Width::Dword,
            (_, width) => width,
        };
        // Only CMPS and SCAS tell the two repeat prefixes apart.
        let repeat = match (prefixes.repeat, kind) {
            (Repeat::WhileNotEqual, StringKind::Cmps | StringKind::Scas) => Repeat::WhileNotEqual,
            (Repeat::WhileNotEqual, _) => Repeat::WhileEqual,
            (repeat, _) => repeat,
        };
        let segment = match kind {
            StringKind::Movs | StringKind::Lods | StringKind::Cmps | StringKind::Outs => {
                prefixes.segment.unwrap_or(SegmentRegister::Ds)
            }
            StringKind::Stos | StringKind::Scas | StringKind::Ins => SegmentRegister::Ds,
        };
        let address = prefixes.address;
        Operation::String(StringOperation { kind, width, address, segment, repeat })
    }
}

/// A segment register by ModRM's middle bits, which REX does not extend.
fn selector(number: u8) -> Option<SegmentRegister> {
    const SELECTORS: u8 = 6;
    let selector = SegmentRegister::ALL.get(usize::from(number))?;
    (number < SELECTORS).then_some(*selector)
}
