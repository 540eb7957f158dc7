//! Instruction bytes to a typed [`Operation`]: what compilers and Linux emit
//! against memory-mapped registers, and the string port instructions.
//!
//! An operation that the VMM cannot complete does not exist here, and no
//! register's value or memory is known. The surprising fact: it is written by
//! hand, though crates decode the whole architecture. Tables for all of it took
//! nearly half of what a VMM owns, and a device's registers are accessed by a
//! few dozen opcodes. Another decoder, of all instructions, is
//! the judge on the host (`oracle`).

mod one_byte;
mod operands;
mod prefixes;
mod reader;
mod refusal;
mod short;
mod two_bytes;

#[cfg(any(test, feature = "testing"))]
pub mod oracle;
#[cfg(test)]
mod tests;

use core::fmt;

pub use short::{ShortMove, short_move};

use self::operands::Decoder;
use self::prefixes::Prefixes;
use self::reader::Reader;
use crate::cpu::{Gpr, SegmentRegister};
use crate::types::Width;

/// The longest instruction (Intel SDM vol. 2A, 2.3.11).
pub const MAX_LENGTH: usize = 15;

/// What the code segment says of the code in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeSize {
    /// 16-bit: real mode, virtual-8086 mode, or a segment with D clear.
    Bits16,
    /// 32-bit: a segment with D set.
    Bits32,
    /// 64-bit mode.
    Bits64,
}

/// A general-purpose register as an operand; its width is the operation's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register {
    /// Which.
    pub gpr: Gpr,
    /// Bits 15:8: AH, CH, DH or BH.
    pub high: bool,
}

impl Register {
    /// The low part, whatever the width.
    pub const fn low(gpr: Gpr) -> Register {
        Register { gpr, high: false }
    }
}

/// What an address starts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// A register.
    Gpr(Gpr),
    /// The address of the next instruction.
    NextInstruction,
}

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Segment, overrides and defaults applied.
    pub segment: SegmentRegister,
    /// Start of the address.
    pub base: Option<Base>,
    /// Index register and its scale, 1, 2, 4 or 8.
    pub index: Option<(Gpr, u8)>,
    /// Displacement, sign-extended.
    pub displacement: u64,
    /// Address size: the offset is computed modulo this.
    pub address: Width,
}

/// Where an operation writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A register.
    Register(Register),
    /// Memory.
    Memory(Memory),
}

/// Where an operation reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A register or memory.
    Place(Place),
    /// A constant, sign-extended to 64 bits.
    Immediate(u64),
}

/// Operations on two values that set all six arithmetic flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    /// Sum.
    Add,
    /// Union.
    Or,
    /// Sum with carry.
    Adc,
    /// Difference with borrow.
    Sbb,
    /// Intersection.
    And,
    /// Difference.
    Sub,
    /// Exclusive or.
    Xor,
    /// Difference, of which only the flags are kept.
    Cmp,
    /// Intersection, of which only the flags are kept.
    Test,
}

/// Operations on one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    /// Plus one; CF unchanged.
    Inc,
    /// Minus one; CF unchanged.
    Dec,
    /// Two's complement.
    Neg,
    /// One's complement; no flags.
    Not,
}

/// Shifts and rotations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    /// Rotate left.
    Rol,
    /// Rotate right.
    Ror,
    /// Rotate left through CF.
    Rcl,
    /// Rotate right through CF.
    Rcr,
    /// Shift left.
    Shl,
    /// Shift right, zeros in.
    Shr,
    /// Shift right, sign in.
    Sar,
}

/// Operations on one bit, which is copied to CF first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bit {
    /// No more than that.
    Test,
    /// Set.
    Set,
    /// Clear.
    Reset,
    /// Invert.
    Complement,
}

/// A condition, in the order of its encoding (Intel SDM vol. 2, appendix B,
/// table B-10); an odd one is the opposite of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Condition {
    /// OF.
    Overflow,
    /// Not OF.
    NoOverflow,
    /// CF.
    Below,
    /// Not CF.
    AboveOrEqual,
    /// ZF.
    Equal,
    /// Not ZF.
    NotEqual,
    /// CF or ZF.
    BelowOrEqual,
    /// Neither.
    Above,
    /// SF.
    Sign,
    /// Not SF.
    NoSign,
    /// PF.
    Parity,
    /// Not PF.
    NoParity,
    /// SF differs from OF.
    Less,
    /// SF equals OF.
    GreaterOrEqual,
    /// ZF, or SF differs from OF.
    LessOrEqual,
    /// Neither.
    Greater,
}

impl Condition {
    /// All, in encoding order.
    const ALL: [Condition; 16] = [
        Condition::Overflow,
        Condition::NoOverflow,
        Condition::Below,
        Condition::AboveOrEqual,
        Condition::Equal,
        Condition::NotEqual,
        Condition::BelowOrEqual,
        Condition::Above,
        Condition::Sign,
        Condition::NoSign,
        Condition::Parity,
        Condition::NoParity,
        Condition::Less,
        Condition::GreaterOrEqual,
        Condition::LessOrEqual,
        Condition::Greater,
    ];

    /// The condition in the low four bits of an opcode.
    const fn from_encoding(opcode: u8) -> Condition {
        Condition::ALL[(opcode & 15) as usize]
    }
}

/// What a string instruction does with each element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StringKind {
    /// \[rDI] = \[rSI].
    Movs,
    /// \[rDI] = rAX.
    Stos,
    /// rAX = \[rSI].
    Lods,
    /// Flags of \[rSI] - \[rDI].
    Cmps,
    /// Flags of rAX - \[rDI].
    Scas,
    /// \[rDI] = port DX.
    Ins,
    /// Port DX = \[rSI].
    Outs,
}

/// How often a string instruction runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// Once.
    Once,
    /// rCX times; CMPS and SCAS stop at the first difference.
    WhileEqual,
    /// rCX times; CMPS and SCAS stop at the first match.
    WhileNotEqual,
}

/// A string instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StringOperation {
    /// What it does.
    pub kind: StringKind,
    /// Size of an element.
    pub width: Width,
    /// Size of rSI, rDI and rCX.
    pub address: Width,
    /// Segment of rSI; that of rDI is ES.
    pub segment: SegmentRegister,
    /// How often.
    pub repeat: Repeat,
}

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the operands are those of the architecture, named in it")]
pub enum Operation {
    /// MOV, MOVNTI.
    Move { width: Width, destination: Place, source: Source },
    /// MOVZX, MOVSX, MOVSXD.
    Extend { from: Width, to: Width, signed: bool, destination: Register, source: Place },
    /// MOVBE.
    MoveSwapped { width: Width, destination: Place, source: Place },
    /// MOV from a segment register; memory gets 16 bits.
    StoreSelector { width: Width, destination: Place, source: SegmentRegister },
    /// MOV to a segment register.
    LoadSelector { destination: SegmentRegister, source: Place },
    /// ADD and its kin.
    Binary { kind: Binary, width: Width, destination: Place, source: Source },
    /// INC and its kin.
    Unary { kind: Unary, width: Width, place: Place },
    /// SHL and its kin; only the low byte of `count` is used.
    Shift { kind: Shift, width: Width, place: Place, count: Source },
    /// BT and its kin. A register as `index` reaches beyond a memory operand.
    Bit { kind: Bit, width: Width, place: Place, index: Source },
    /// XCHG.
    Exchange { width: Width, place: Place, register: Register },
    /// CMPXCHG.
    CompareExchange { width: Width, place: Place, register: Register },
    /// CMPXCHG8B.
    CompareExchangePair { memory: Memory },
    /// XADD.
    ExchangeAdd { width: Width, place: Place, register: Register },
    /// PUSH of a register, constant or memory.
    Push { width: Width, source: Source },
    /// POP to a register or memory.
    Pop { width: Width, destination: Place },
    /// SETcc.
    SetCondition { condition: Condition, destination: Place },
    /// CMOVcc.
    MoveCondition { condition: Condition, width: Width, destination: Register, source: Place },
    /// MOVS and its kin.
    String(StringOperation),
    /// PREFETCHh, CLFLUSH and multi-byte NOP: nothing that a guest can see.
    Hint,
}

impl Operation {
    /// Whether LOCK may stand before it: it reads and writes memory, and
    /// nothing else (Intel SDM vol. 2A, LOCK).
    fn may_lock(&self) -> bool {
        let place = match self {
            Operation::Binary { kind: Binary::Cmp | Binary::Test, .. }
            | Operation::Bit { kind: Bit::Test, .. } => return false,
            Operation::CompareExchangePair { .. } => return true,
            Operation::Binary { destination: place, .. }
            | Operation::Unary { place, .. }
            | Operation::Bit { place, .. }
            | Operation::Exchange { place, .. }
            | Operation::CompareExchange { place, .. }
            | Operation::ExchangeAdd { place, .. } => place,
            Operation::Move { .. }
            | Operation::Extend { .. }
            | Operation::MoveSwapped { .. }
            | Operation::StoreSelector { .. }
            | Operation::LoadSelector { .. }
            | Operation::Shift { .. }
            | Operation::Push { .. }
            | Operation::Pop { .. }
            | Operation::SetCondition { .. }
            | Operation::MoveCondition { .. }
            | Operation::String(_)
            | Operation::Hint => return false,
        };
        matches!(place, Place::Memory(_))
    }
}

/// A decoded instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// What it does.
    pub operation: Operation,
    /// Its length in bytes.
    pub length: u8,
}

/// Why bytes are no [`Instruction`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecodable {
    /// The instruction is longer than the bytes given.
    Incomplete,
    /// The bytes are no instruction of the architecture.
    Invalid,
    /// The instruction reads or writes x87, MMX, SSE or AVX registers, which a
    /// VMM does not see.
    NeedsVectorState,
    /// A real instruction that the VMM does not complete.
    Unsupported,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Undecodable::Incomplete => "the instruction does not end within its bytes",
            Undecodable::Invalid => "not an instruction of this mode",
            Undecodable::NeedsVectorState => {
                "unsupported: needs x87, MMX, XMM or wider registers, which the VMM cannot read"
            }
            Undecodable::Unsupported => "unsupported instruction for emulated memory",
        })
    }
}

/// Decodes the instruction at the start of `bytes`, of which the first
/// [`MAX_LENGTH`] count.
///
/// # Errors
/// [`Undecodable`], which says whether more bytes would help.
pub fn decode(bytes: &[u8], code: CodeSize) -> Result<Instruction, Undecodable> {
    /// What opcodes of two bytes begin with.
    const ESCAPE: u8 = 0x0f;
    let mut reader = Reader::new(bytes);
    let (prefixes, opcode) = Prefixes::read(&mut reader, code)?;
    let mut decoder = Decoder { reader, prefixes, code };
    let operation = match opcode {
        ESCAPE => decoder.two_bytes()?,
        opcode => decoder.one_byte(opcode)?,
    };
    if prefixes.lock && !operation.may_lock() {
        return Err(Undecodable::Invalid);
    }
    Ok(Instruction { operation, length: decoder.reader.taken() })
}
