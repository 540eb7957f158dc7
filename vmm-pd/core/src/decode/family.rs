//! The decoder's types for 16-, 32- and 64-bit code, each into ours. They are
//! three families of equal names and different content, hence a macro with the
//! differences as its arguments.

use super::{
    Base, Binary, Bit, CodeSize, Condition, Instruction, MAX_LENGTH, Memory, Operation, Place,
    Register, Repeat, Shift, Source, StringKind, StringOperation, Unary, Undecodable,
};
use crate::cpu::{Gpr, SegmentRegister};
use crate::decode::prefixes::Prefixes;
use crate::types::Width;

/// The operand's width and segment defaults do not depend on the family.
fn memory(
    prefixes: &Prefixes,
    base: Option<Base>,
    index: Option<(Gpr, u8)>,
    displacement: i64,
) -> Memory {
    let default = match base {
        Some(Base::Gpr(Gpr::Rsp | Gpr::Rbp)) => SegmentRegister::Ss,
        _ => SegmentRegister::Ds,
    };
    Memory {
        segment: prefixes.segment.unwrap_or(default),
        base,
        index,
        displacement: displacement.cast_unsigned(),
        address: prefixes.address,
    }
}

fn string(kind: StringKind, prefixes: &Prefixes, code: CodeSize) -> Operation {
    let ports = matches!(kind, StringKind::Ins | StringKind::Outs);
    let width = match (prefixes.opcode & 1, prefixes.operand) {
        (0, _) => Width::Byte,
        // There is no I/O of 64 bits.
        (_, Width::Qword) if ports || code != CodeSize::Bits64 => Width::Dword,
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
    Operation::String(StringOperation { kind, width, address: prefixes.address, segment, repeat })
}

/// A byte register by its encoding in code without REX.
fn byte_register(number: u8) -> Register {
    if number & 4 != 0 {
        Register { gpr: Gpr::from_encoding(number & 3), high: true }
    } else {
        Register::low(Gpr::from_encoding(number))
    }
}

macro_rules! family {
    (
        $name:ident, $isa:ident, $code:ident,
        registers { $($class:ident => $class_width:ident),* },
        displacement $disp:ident,
        next_instruction { $($next:ident),* },
        immediates { $($immediate:ident),* },
        absolutes { $($absolute:ident as $absolute_type:ty),* }
    ) => {
        pub(super) mod $name {
            use yaxpeax_arch::LengthedInstruction;
            use yaxpeax_x86::$isa::{
                ConditionCode, DecodeError, InstDecoder, Instruction as Decoded, Opcode, Operand,
                RegSpec, register_class as class,
            };

            use super::*;

            /// One operand, of any kind.
            enum Any {
                General(Place, Width),
                Constant(u64),
                Selector(SegmentRegister),
                Vector,
                Other,
            }

            pub(in crate::decode) fn decode(
                bytes: &[u8],
                prefixes: &Prefixes,
            ) -> Result<Instruction, Undecodable> {
                let decoded = InstDecoder::default().decode_slice(bytes).map_err(|e| match e {
                    DecodeError::ExhaustedInput if bytes.len() < MAX_LENGTH => {
                        Undecodable::Incomplete
                    }
                    DecodeError::IncompleteDecoder => Undecodable::Unsupported,
                    _ => Undecodable::Invalid,
                })?;
                let length = u8::try_from(decoded.len().to_const())
                    .map_err(|_| Undecodable::Invalid)?;
                Ok(Instruction { operation: convert(&decoded, prefixes)?, length })
            }

            fn gpr(reg: RegSpec) -> Gpr {
                Gpr::from_encoding(reg.num())
            }

            fn register(reg: RegSpec) -> Any {
                match reg.class() {
                    class::B => {
                        Any::General(Place::Register(byte_register(reg.num())), Width::Byte)
                    }
                    $(class::$class => {
                        Any::General(Place::Register(Register::low(gpr(reg))), Width::$class_width)
                    })*
                    class::S => match SegmentRegister::ALL.get(usize::from(reg.num())) {
                        Some(selector) if reg.num() < 6 => Any::Selector(*selector),
                        _ => Any::Other,
                    },
                    class::X | class::Y | class::Z | class::MM | class::ST | class::K => {
                        Any::Vector
                    }
                    _ => Any::Other,
                }
            }

            fn base(reg: RegSpec) -> Base {
                match reg.class() {
                    $(class::$next => Base::NextInstruction,)*
                    _ => Base::Gpr(gpr(reg)),
                }
            }

            fn operand(decoded: &Decoded, prefixes: &Prefixes, number: u8) -> Any {
                if number >= decoded.operand_count() {
                    return Any::Other;
                }
                let at = |base_register: Option<RegSpec>, index: Option<(RegSpec, u8)>, disp| {
                    let index = index.map(|(index, scale)| (gpr(index), scale));
                    memory(prefixes, base_register.map(base), index, disp)
                };
                let memory = match decoded.operand(number) {
                    Operand::Register { reg } => return register(reg),
                    $(Operand::$immediate { imm } => {
                        return Any::Constant((imm as i64).cast_unsigned());
                    })*
                    $(Operand::$absolute { addr } => at(None, None, addr as $absolute_type as i64),)*
                    Operand::MemDeref { base } => at(Some(base), None, 0),
                    Operand::$disp { base, disp } => at(Some(base), None, i64::from(disp)),
                    Operand::MemIndexScale { index, scale } => at(None, Some((index, scale)), 0),
                    Operand::MemIndexScaleDisp { index, scale, disp } => {
                        at(None, Some((index, scale)), i64::from(disp))
                    }
                    Operand::MemBaseIndexScale { base, index, scale } => {
                        at(Some(base), Some((index, scale)), 0)
                    }
                    Operand::MemBaseIndexScaleDisp { base, index, scale, disp } => {
                        at(Some(base), Some((index, scale)), i64::from(disp))
                    }
                    Operand::RegisterMaskMerge { .. }
                    | Operand::RegisterMaskMergeSae { .. }
                    | Operand::RegisterMaskMergeSaeNoround { .. } => return Any::Vector,
                    _ => return Any::Other,
                };
                let width = decoded
                    .mem_size()
                    .and_then(|size| size.bytes_size())
                    .and_then(|bytes| Width::from_bytes(u64::from(bytes)));
                match width {
                    Some(width) => Any::General(Place::Memory(memory), width),
                    None => Any::Other,
                }
            }

            /// What a supported opcode may look like and still not be supported.
            fn refusal(decoded: &Decoded, prefixes: &Prefixes) -> Undecodable {
                let vector = (0..decoded.operand_count().min(4))
                    .any(|n| matches!(operand(decoded, prefixes, n), Any::Vector));
                if vector { Undecodable::NeedsVectorState } else { Undecodable::Unsupported }
            }

            fn condition(code: ConditionCode) -> Condition {
                match code {
                    ConditionCode::O => Condition::Overflow,
                    ConditionCode::NO => Condition::NoOverflow,
                    ConditionCode::B => Condition::Below,
                    ConditionCode::AE => Condition::AboveOrEqual,
                    ConditionCode::Z => Condition::Equal,
                    ConditionCode::NZ => Condition::NotEqual,
                    ConditionCode::A => Condition::Above,
                    ConditionCode::BE => Condition::BelowOrEqual,
                    ConditionCode::S => Condition::Sign,
                    ConditionCode::NS => Condition::NoSign,
                    ConditionCode::P => Condition::Parity,
                    ConditionCode::NP => Condition::NoParity,
                    ConditionCode::L => Condition::Less,
                    ConditionCode::GE => Condition::GreaterOrEqual,
                    ConditionCode::G => Condition::Greater,
                    ConditionCode::LE => Condition::LessOrEqual,
                }
            }

            fn convert(decoded: &Decoded, prefixes: &Prefixes) -> Result<Operation, Undecodable> {
                let refused = || refusal(decoded, prefixes);
                let any = |n| operand(decoded, prefixes, n);
                let place = |n| match any(n) {
                    Any::General(place, width) => Ok((place, width)),
                    _ => Err(refused()),
                };
                let register = |n| match any(n) {
                    Any::General(Place::Register(register), width) => Ok((register, width)),
                    _ => Err(refused()),
                };
                let source = |n| match any(n) {
                    Any::General(place, _) => Ok(Source::Place(place)),
                    Any::Constant(value) => Ok(Source::Immediate(value)),
                    _ => Err(refused()),
                };
                let binary = |kind| {
                    let (destination, width) = place(0)?;
                    Ok(Operation::Binary { kind, width, destination, source: source(1)? })
                };
                let unary = |kind| {
                    place(0).map(|(place, width)| Operation::Unary { kind, width, place })
                };
                let shift = |kind| {
                    let (place, width) = place(0)?;
                    Ok(Operation::Shift { kind, width, place, count: source(1)? })
                };
                let bit = |kind| {
                    // The decoder says 64 bits for 32 of BT with a constant.
                    let (width, (place, _)) = (prefixes.operand, place(0)?);
                    Ok(Operation::Bit { kind, width, place, index: source(1)? })
                };
                let extend = |signed| {
                    let (destination, to) = register(0)?;
                    let (source, from) = place(1)?;
                    Ok(Operation::Extend { from, to, signed, destination, source })
                };
                let string = |kind| Ok(string(kind, prefixes, CodeSize::$code));
                match decoded.opcode() {
                    Opcode::MOV | Opcode::MOVNTI => match (any(0), any(1)) {
                        (Any::General(destination, width), Any::General(source, _)) => {
                            let source = Source::Place(source);
                            Ok(Operation::Move { width, destination, source })
                        }
                        (Any::General(destination, width), Any::Constant(value)) => {
                            let source = Source::Immediate(value);
                            Ok(Operation::Move { width, destination, source })
                        }
                        (Any::General(destination, width), Any::Selector(source)) => {
                            Ok(Operation::StoreSelector { width, destination, source })
                        }
                        (Any::Selector(destination), Any::General(source, _)) => {
                            Ok(Operation::LoadSelector { destination, source })
                        }
                        _ => Err(refused()),
                    },
                    Opcode::MOVZX => extend(false),
                    Opcode::MOVSX => extend(true),
                    // The decoder always says 64 bits.
                    Opcode::MOVSXD => {
                        let to = prefixes.operand;
                        let from = if to == Width::Word { Width::Word } else { Width::Dword };
                        let (destination, _) = register(0)?;
                        let (source, _) = place(1)?;
                        Ok(Operation::Extend { from, to, signed: true, destination, source })
                    }
                    Opcode::MOVBE => {
                        let (destination, width) = place(0)?;
                        let (source, _) = place(1)?;
                        Ok(Operation::MoveSwapped { width, destination, source })
                    }
                    Opcode::ADD => binary(Binary::Add),
                    Opcode::OR => binary(Binary::Or),
                    Opcode::ADC => binary(Binary::Adc),
                    Opcode::SBB => binary(Binary::Sbb),
                    Opcode::AND => binary(Binary::And),
                    Opcode::SUB => binary(Binary::Sub),
                    Opcode::XOR => binary(Binary::Xor),
                    Opcode::CMP => binary(Binary::Cmp),
                    Opcode::TEST => binary(Binary::Test),
                    Opcode::INC => unary(Unary::Inc),
                    Opcode::DEC => unary(Unary::Dec),
                    Opcode::NEG => unary(Unary::Neg),
                    Opcode::NOT => unary(Unary::Not),
                    Opcode::ROL => shift(Shift::Rol),
                    Opcode::ROR => shift(Shift::Ror),
                    Opcode::RCL => shift(Shift::Rcl),
                    Opcode::RCR => shift(Shift::Rcr),
                    Opcode::SHL | Opcode::SAL => shift(Shift::Shl),
                    Opcode::SHR => shift(Shift::Shr),
                    Opcode::SAR => shift(Shift::Sar),
                    Opcode::BT => bit(Bit::Test),
                    Opcode::BTS => bit(Bit::Set),
                    Opcode::BTR => bit(Bit::Reset),
                    Opcode::BTC => bit(Bit::Complement),
                    Opcode::XCHG => match (place(0)?, place(1)?) {
                        ((place, width), (Place::Register(register), _))
                        | ((Place::Register(register), width), (place, _)) => {
                            Ok(Operation::Exchange { width, place, register })
                        }
                        _ => Err(Undecodable::Unsupported),
                    },
                    Opcode::CMPXCHG => {
                        let (place, width) = place(0)?;
                        let (register, _) = register(1)?;
                        Ok(Operation::CompareExchange { width, place, register })
                    }
                    Opcode::CMPXCHG8B => match place(0)? {
                        (Place::Memory(memory), _) => {
                            Ok(Operation::CompareExchangePair { memory })
                        }
                        (Place::Register(_), _) => Err(Undecodable::Invalid),
                    },
                    Opcode::XADD => {
                        let (place, width) = place(0)?;
                        let (register, _) = register(1)?;
                        Ok(Operation::ExchangeAdd { width, place, register })
                    }
                    Opcode::PUSH => {
                        let width = stack_width(prefixes);
                        source(0).map(|source| Operation::Push { width, source })
                    }
                    Opcode::POP => {
                        let width = stack_width(prefixes);
                        place(0).map(|(destination, _)| Operation::Pop { width, destination })
                    }
                    Opcode::MOVS => string(StringKind::Movs),
                    Opcode::STOS => string(StringKind::Stos),
                    Opcode::LODS => string(StringKind::Lods),
                    Opcode::CMPS => string(StringKind::Cmps),
                    Opcode::SCAS => string(StringKind::Scas),
                    Opcode::INS => string(StringKind::Ins),
                    Opcode::OUTS => string(StringKind::Outs),
                    Opcode::PREFETCHNTA
                    | Opcode::PREFETCH0
                    | Opcode::PREFETCH1
                    | Opcode::PREFETCH2
                    | Opcode::PREFETCHW
                    | Opcode::CLFLUSH
                    | Opcode::CLFLUSHOPT
                    | Opcode::CLWB
                    | Opcode::NOP => Ok(Operation::Hint),
                    opcode => match opcode.condition().map(condition) {
                        Some(condition) if opcode.is_setcc() => {
                            let (destination, _) = place(0)?;
                            Ok(Operation::SetCondition { condition, destination })
                        }
                        Some(condition) if opcode.is_cmovcc() => {
                            let (destination, width) = register(0)?;
                            let (source, _) = place(1)?;
                            Ok(Operation::MoveCondition { condition, width, destination, source })
                        }
                        _ => Err(refused()),
                    },
                }
            }

            /// PUSH and POP default to 64 bits in 64-bit code, and have no 32.
            fn stack_width(prefixes: &Prefixes) -> Width {
                match (CodeSize::$code, prefixes.operand) {
                    (CodeSize::Bits64, Width::Dword) => Width::Qword,
                    (_, width) => width,
                }
            }
        }
    };
}

family! {
    bits16, real_mode, Bits16,
    registers { W => Word, D => Dword },
    displacement MemDisp,
    next_instruction {},
    immediates { ImmediateI8, ImmediateU8, ImmediateI16, ImmediateU16, ImmediateI32, ImmediateU32 },
    absolutes { AbsoluteU16 as u16, AbsoluteU32 as u32 }
}

family! {
    bits32, protected_mode, Bits32,
    registers { W => Word, D => Dword },
    displacement Disp,
    next_instruction {},
    immediates { ImmediateI8, ImmediateU8, ImmediateI16, ImmediateU16, ImmediateI32, ImmediateU32 },
    absolutes { AbsoluteU16 as u16, AbsoluteU32 as u32 }
}

family! {
    bits64, long_mode, Bits64,
    registers { RB => Byte, W => Word, D => Dword, Q => Qword },
    displacement Disp,
    next_instruction { RIP, EIP },
    immediates {
        ImmediateI8, ImmediateU8, ImmediateI16, ImmediateU16, ImmediateI32, ImmediateU32,
        ImmediateI64, ImmediateU64
    },
    absolutes { AbsoluteU32 as i32, AbsoluteU64 as i64 }
}
