//! Operands: ModRM, SIB, displacements, constants and the registers that an
//! opcode names (Intel SDM vol. 2A, 2.1.3 to 2.1.5 and 2.2.1).

use super::prefixes::{Extension, Prefixes};
use super::reader::Reader;
use super::{Base, CodeSize, Memory, Place, Register, Source, Undecodable};
use crate::cpu::{Gpr, SegmentRegister};
use crate::types::Width;

/// An instruction being decoded: what is known after its prefixes.
pub(super) struct Decoder<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) prefixes: Prefixes,
    pub(super) code: CodeSize,
}

/// What ModRM and the bytes that belong to it say. The width of a register in
/// it is the operation's.
pub(super) struct ModRm {
    /// The middle three bits: a register, or part of the opcode.
    pub(super) reg: u8,
    rm: Rm,
}

enum Rm {
    Register(u8),
    Memory(Memory),
}

impl ModRm {
    /// The operand in memory, if it is there.
    pub(super) fn memory(&self) -> Option<Memory> {
        match self.rm {
            Rm::Register(_) => None,
            Rm::Memory(memory) => Some(memory),
        }
    }
}

impl Decoder<'_> {
    pub(super) fn long(&self) -> bool {
        self.code == CodeSize::Bits64
    }

    /// The width of an operand by the opcode's lowest bit.
    pub(super) fn width(&self, opcode: u8) -> Width {
        if opcode & 1 == 0 { Width::Byte } else { self.prefixes.operand }
    }

    /// The width of what PUSH and POP move: in 64-bit code not 32.
    pub(super) fn stack_width(&self) -> Width {
        match (self.code, self.prefixes.operand) {
            (CodeSize::Bits64, Width::Dword) => Width::Qword,
            (_, width) => width,
        }
    }

    /// A register by its encoding. Without REX, bytes 4 to 7 are AH to BH.
    fn register(&self, number: u8, width: Width) -> Register {
        if width == Width::Byte && self.prefixes.rex.is_none() && number & 4 != 0 {
            Register { gpr: Gpr::from_encoding(number & 3), high: true }
        } else {
            Register::low(Gpr::from_encoding(number))
        }
    }

    /// The register in an opcode's low three bits.
    pub(super) fn of_opcode(&self, opcode: u8, width: Width) -> Register {
        self.register(self.prefixes.extended(opcode, Extension::B), width)
    }

    /// ModRM's register operand.
    pub(super) fn reg(&self, modrm: &ModRm, width: Width) -> Register {
        self.register(self.prefixes.extended(modrm.reg, Extension::R), width)
    }

    /// ModRM's register or memory operand.
    pub(super) fn rm(&self, modrm: &ModRm, width: Width) -> Place {
        match modrm.rm {
            Rm::Register(number) => Place::Register(self.register(number, width)),
            Rm::Memory(memory) => Place::Memory(memory),
        }
    }

    /// Both operands of ModRM, in the order that the opcode's second bit says.
    pub(super) fn pair(&mut self, opcode: u8) -> Result<(Width, Place, Source), Undecodable> {
        let width = self.width(opcode);
        let modrm = self.modrm()?;
        let (rm, reg) = (self.rm(&modrm, width), Place::Register(self.reg(&modrm, width)));
        Ok(match opcode & 2 {
            0 => (width, rm, Source::Place(reg)),
            _ => (width, reg, Source::Place(rm)),
        })
    }

    /// A constant of an operation of this width; of 64 bits there are 32.
    pub(super) fn immediate(&mut self, width: Width) -> Result<Source, Undecodable> {
        let width = if width == Width::Qword { Width::Dword } else { width };
        self.constant(width)
    }

    /// A constant of this width.
    pub(super) fn constant(&mut self, width: Width) -> Result<Source, Undecodable> {
        self.reader.integer(width).map(Source::Immediate)
    }

    /// Memory at an address that follows the opcode.
    pub(super) fn absolute(&mut self) -> Result<Place, Undecodable> {
        let displacement = self.reader.integer(self.prefixes.address)?;
        Ok(Place::Memory(self.memory(None, None, displacement)))
    }

    /// Reads ModRM, SIB and the displacement.
    pub(super) fn modrm(&mut self) -> Result<ModRm, Undecodable> {
        let byte = self.reader.byte()?;
        let (mode, reg, rm) = (byte >> 6, (byte >> 3) & 7, byte & 7);
        let rm = if mode == 3 {
            Rm::Register(self.prefixes.extended(rm, Extension::B))
        } else if self.prefixes.address == Width::Word {
            Rm::Memory(self.memory_16(mode, rm)?)
        } else {
            Rm::Memory(self.memory_32(mode, rm)?)
        };
        Ok(ModRm { reg, rm })
    }

    /// 16-bit addresses (vol. 2A, table 2-1).
    fn memory_16(&mut self, mode: u8, rm: u8) -> Result<Memory, Undecodable> {
        let index = |gpr| Some((gpr, 1));
        let (base, index) = match rm {
            0 => (Some(Gpr::Rbx), index(Gpr::Rsi)),
            1 => (Some(Gpr::Rbx), index(Gpr::Rdi)),
            2 => (Some(Gpr::Rbp), index(Gpr::Rsi)),
            3 => (Some(Gpr::Rbp), index(Gpr::Rdi)),
            4 => (Some(Gpr::Rsi), None),
            5 => (Some(Gpr::Rdi), None),
            6 if mode == 0 => (None, None),
            6 => (Some(Gpr::Rbp), None),
            _ => (Some(Gpr::Rbx), None),
        };
        let displacement = self.displacement(mode, base.is_none(), Width::Word)?;
        Ok(self.memory(base.map(Base::Gpr), index, displacement))
    }

    /// 32- and 64-bit addresses (vol. 2A, tables 2-2 and 2-3).
    fn memory_32(&mut self, mode: u8, rm: u8) -> Result<Memory, Undecodable> {
        let mut index = None;
        let mut base = rm;
        if rm == 4 {
            let sib = self.reader.byte()?;
            base = sib & 7;
            let number = self.prefixes.extended(sib >> 3, Extension::X);
            // RSP is no index; R12 is.
            if number != 4 {
                index = Some((Gpr::from_encoding(number), 1 << (sib >> 6)));
            }
        }
        let base = match (mode, base) {
            (0, 5) if rm == 5 && self.long() => Some(Base::NextInstruction),
            (0, 5) => None,
            _ => Some(Base::Gpr(Gpr::from_encoding(self.prefixes.extended(base, Extension::B)))),
        };
        let alone = !matches!(base, Some(Base::Gpr(_)));
        let displacement = self.displacement(mode, alone, Width::Dword)?;
        Ok(self.memory(base, index, displacement))
    }

    /// A displacement by ModRM's mode; one that stands for a base is `full`.
    fn displacement(&mut self, mode: u8, alone: bool, full: Width) -> Result<u64, Undecodable> {
        match mode {
            1 => self.reader.integer(Width::Byte),
            2 => self.reader.integer(full),
            _ if alone => self.reader.integer(full),
            _ => Ok(0),
        }
    }

    fn memory(&self, base: Option<Base>, index: Option<(Gpr, u8)>, displacement: u64) -> Memory {
        let default = match base {
            Some(Base::Gpr(Gpr::Rsp | Gpr::Rbp)) => SegmentRegister::Ss,
            _ => SegmentRegister::Ds,
        };
        Memory {
            segment: self.prefixes.segment.unwrap_or(default),
            base,
            index,
            displacement,
            address: self.prefixes.address,
        }
    }
}
