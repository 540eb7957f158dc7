//! What `iced-x86` makes of an instruction, in our types.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderError, DecoderOptions, Instruction as Iced, Mnemonic,
    OpKind, Register as IcedRegister,
};

use crate::cpu::{Gpr, SegmentRegister};
use crate::decode::{
    Base, Binary, Bit, CodeSize, Condition, Instruction, Memory, Operation, Place, Register,
    Repeat, Shift, Source, StringKind, StringOperation, Unary,
};
use crate::types::Width;

/// What `iced-x86` says of the instruction at the start of `bytes`.
pub(super) enum Opinion {
    /// Not an instruction.
    Invalid,
    /// Longer than the bytes.
    Incomplete,
    /// An instruction that has no place among our operations.
    Other { length: u8, vector: bool, memory: bool },
    /// Nothing that a guest can see.
    Hint { length: u8 },
    /// One of our operations.
    Known { instruction: Instruction, memory: bool },
}

/// Its opinion.
pub(super) fn opinion(bytes: &[u8], code: CodeSize) -> Opinion {
    let bits = match code {
        CodeSize::Bits16 => 16,
        CodeSize::Bits32 => 32,
        CodeSize::Bits64 => 64,
    };
    let mut decoder = Decoder::with_ip(bits, bytes, 0, DecoderOptions::NONE);
    let iced = decoder.decode();
    match decoder.last_error() {
        DecoderError::None => {}
        DecoderError::NoMoreBytes if bytes.len() < 15 => return Opinion::Incomplete,
        _ => return Opinion::Invalid,
    }
    let memory = iced.is_string_instruction()
        || (0..iced.op_count()).any(|n| iced.op_kind(n) == OpKind::Memory);
    let length = u8::try_from(iced.len()).unwrap();
    match operation(&iced, code) {
        Some(Operation::Hint) => Opinion::Hint { length },
        Some(operation) => {
            Opinion::Known { instruction: Instruction { operation, length }, memory }
        }
        None => {
            let vector = (0..iced.op_count()).any(|n| is_vector(iced.op_register(n)));
            Opinion::Other { length, vector, memory }
        }
    }
}

/// Whether a VMM cannot see the register.
fn is_vector(r: IcedRegister) -> bool {
    r.is_vector_register() || r.is_mm() || r.is_st() || r.is_k()
}

fn register(r: IcedRegister) -> Option<(Register, Width)> {
    if !r.is_gpr() {
        return None;
    }
    let number = u8::try_from(r.number()).unwrap();
    let width = Width::from_bytes(r.size() as u64)?;
    let high =
        matches!(r, IcedRegister::AH | IcedRegister::CH | IcedRegister::DH | IcedRegister::BH);
    let gpr = match r {
        IcedRegister::AH => Gpr::Rax,
        IcedRegister::CH => Gpr::Rcx,
        IcedRegister::DH => Gpr::Rdx,
        IcedRegister::BH => Gpr::Rbx,
        _ => Gpr::from_encoding(u8::try_from(r.full_register().number()).unwrap_or(number)),
    };
    Some((Register { gpr, high }, width))
}

fn selector(r: IcedRegister) -> Option<SegmentRegister> {
    Some(match r {
        IcedRegister::ES => SegmentRegister::Es,
        IcedRegister::CS => SegmentRegister::Cs,
        IcedRegister::SS => SegmentRegister::Ss,
        IcedRegister::DS => SegmentRegister::Ds,
        IcedRegister::FS => SegmentRegister::Fs,
        IcedRegister::GS => SegmentRegister::Gs,
        _ => return None,
    })
}

fn memory(iced: &Iced, code: CodeSize) -> Option<Memory> {
    let base = match iced.memory_base() {
        IcedRegister::None => None,
        IcedRegister::RIP | IcedRegister::EIP => Some(Base::NextInstruction),
        r => Some(Base::Gpr(register(r)?.0.gpr)),
    };
    let index = match iced.memory_index() {
        IcedRegister::None => None,
        r => Some((register(r)?.0.gpr, u8::try_from(iced.memory_index_scale()).unwrap())),
    };
    let address = [iced.memory_base(), iced.memory_index()]
        .into_iter()
        .find(|r| *r != IcedRegister::None)
        .map_or_else(
            || match iced.memory_displ_size() {
                0 => unreachable!("an address without any part"),
                2 => Width::Word,
                4 => Width::Dword,
                _ => Width::Qword,
            },
            |r| Width::from_bytes(r.size() as u64).unwrap(),
        );
    // The oracle reports overrides that 64-bit code ignores.
    let default = match base {
        Some(Base::Gpr(Gpr::Rsp | Gpr::Rbp)) => SegmentRegister::Ss,
        _ => SegmentRegister::Ds,
    };
    let segment = match selector(iced.memory_segment())? {
        segment @ (SegmentRegister::Fs | SegmentRegister::Gs) => segment,
        _ if code == CodeSize::Bits64 => default,
        segment => segment,
    };
    let displacement = match base {
        // The oracle reports the target.
        Some(Base::NextInstruction) => iced.memory_displacement64().wrapping_sub(iced.len() as u64),
        _ => iced.memory_displacement64(),
    };
    Some(Memory { segment, base, index, displacement, address })
}

fn place(iced: &Iced, n: u32, code: CodeSize) -> Option<(Place, Width)> {
    match iced.op_kind(n) {
        OpKind::Register => {
            register(iced.op_register(n)).map(|(r, width)| (Place::Register(r), width))
        }
        OpKind::Memory => Some((
            Place::Memory(memory(iced, code)?),
            Width::from_bytes(iced.memory_size().size() as u64)?,
        )),
        _ => None,
    }
}

fn source(iced: &Iced, n: u32, code: CodeSize) -> Option<Source> {
    match iced.try_immediate(n) {
        Ok(value) => Some(Source::Immediate(value)),
        Err(_) => place(iced, n, code).map(|(place, _)| Source::Place(place)),
    }
}

fn condition(iced: &Iced) -> Option<Condition> {
    Some(match iced.condition_code() {
        ConditionCode::None => return None,
        ConditionCode::o => Condition::Overflow,
        ConditionCode::no => Condition::NoOverflow,
        ConditionCode::b => Condition::Below,
        ConditionCode::ae => Condition::AboveOrEqual,
        ConditionCode::e => Condition::Equal,
        ConditionCode::ne => Condition::NotEqual,
        ConditionCode::be => Condition::BelowOrEqual,
        ConditionCode::a => Condition::Above,
        ConditionCode::s => Condition::Sign,
        ConditionCode::ns => Condition::NoSign,
        ConditionCode::p => Condition::Parity,
        ConditionCode::np => Condition::NoParity,
        ConditionCode::l => Condition::Less,
        ConditionCode::ge => Condition::GreaterOrEqual,
        ConditionCode::le => Condition::LessOrEqual,
        ConditionCode::g => Condition::Greater,
    })
}

fn string(iced: &Iced, code: CodeSize, kind: StringKind, width: Width) -> Operation {
    let (mut address, mut segment) = (Width::Qword, SegmentRegister::Ds);
    for n in 0..iced.op_count() {
        address = match iced.op_kind(n) {
            OpKind::MemorySegSI | OpKind::MemoryESDI => Width::Word,
            OpKind::MemorySegESI | OpKind::MemoryESEDI => Width::Dword,
            OpKind::MemorySegRSI | OpKind::MemoryESRDI => Width::Qword,
            _ => continue,
        };
        if matches!(
            iced.op_kind(n),
            OpKind::MemorySegSI | OpKind::MemorySegESI | OpKind::MemorySegRSI
        ) {
            segment = match selector(iced.memory_segment()).unwrap() {
                segment @ (SegmentRegister::Fs | SegmentRegister::Gs) => segment,
                _ if code == CodeSize::Bits64 => SegmentRegister::Ds,
                segment => segment,
            };
        }
    }
    let compares = matches!(kind, StringKind::Cmps | StringKind::Scas);
    let repeat = if iced.has_repne_prefix() && compares {
        Repeat::WhileNotEqual
    } else if iced.has_rep_prefix() || iced.has_repne_prefix() {
        Repeat::WhileEqual
    } else {
        Repeat::Once
    };
    Operation::String(StringOperation { kind, width, address, segment, repeat })
}

fn string_kind(mnemonic: Mnemonic) -> Option<(StringKind, Width)> {
    use StringKind::{Cmps, Ins, Lods, Movs, Outs, Scas, Stos};
    use Width::{Byte, Dword, Qword, Word};
    Some(match mnemonic {
        Mnemonic::Movsb => (Movs, Byte),
        Mnemonic::Movsw => (Movs, Word),
        Mnemonic::Movsd => (Movs, Dword),
        Mnemonic::Movsq => (Movs, Qword),
        Mnemonic::Stosb => (Stos, Byte),
        Mnemonic::Stosw => (Stos, Word),
        Mnemonic::Stosd => (Stos, Dword),
        Mnemonic::Stosq => (Stos, Qword),
        Mnemonic::Lodsb => (Lods, Byte),
        Mnemonic::Lodsw => (Lods, Word),
        Mnemonic::Lodsd => (Lods, Dword),
        Mnemonic::Lodsq => (Lods, Qword),
        Mnemonic::Cmpsb => (Cmps, Byte),
        Mnemonic::Cmpsw => (Cmps, Word),
        Mnemonic::Cmpsd => (Cmps, Dword),
        Mnemonic::Cmpsq => (Cmps, Qword),
        Mnemonic::Scasb => (Scas, Byte),
        Mnemonic::Scasw => (Scas, Word),
        Mnemonic::Scasd => (Scas, Dword),
        Mnemonic::Scasq => (Scas, Qword),
        Mnemonic::Insb => (Ins, Byte),
        Mnemonic::Insw => (Ins, Word),
        Mnemonic::Insd => (Ins, Dword),
        Mnemonic::Outsb => (Outs, Byte),
        Mnemonic::Outsw => (Outs, Word),
        Mnemonic::Outsd => (Outs, Dword),
        _ => return None,
    })
}

fn operation(iced: &Iced, code: CodeSize) -> Option<Operation> {
    if iced.is_string_instruction() {
        let (kind, width) = string_kind(iced.mnemonic())?;
        return Some(string(iced, code, kind, width));
    }
    let binary = |kind| {
        let (destination, width) = place(iced, 0, code)?;
        Some(Operation::Binary { kind, width, destination, source: source(iced, 1, code)? })
    };
    let unary = |kind| {
        let (place, width) = place(iced, 0, code)?;
        Some(Operation::Unary { kind, width, place })
    };
    let shift = |kind| {
        let (place, width) = place(iced, 0, code)?;
        Some(Operation::Shift { kind, width, place, count: source(iced, 1, code)? })
    };
    let bit = |kind| {
        let (place, width) = place(iced, 0, code)?;
        Some(Operation::Bit { kind, width, place, index: source(iced, 1, code)? })
    };
    let extend = |signed| {
        let (destination, to) = register(iced.op_register(0))?;
        let (source, from) = place(iced, 1, code)?;
        Some(Operation::Extend { from, to, signed, destination, source })
    };
    match iced.mnemonic() {
        Mnemonic::Mov | Mnemonic::Movnti => {
            if iced.op_kind(0) == OpKind::Register && selector(iced.op_register(0)).is_some() {
                let destination = selector(iced.op_register(0))?;
                return Some(Operation::LoadSelector {
                    destination,
                    source: place(iced, 1, code)?.0,
                });
            }
            let (destination, width) = place(iced, 0, code)?;
            if iced.op_kind(1) == OpKind::Register
                && let Some(source) = selector(iced.op_register(1))
            {
                return Some(Operation::StoreSelector { width, destination, source });
            }
            Some(Operation::Move { width, destination, source: source(iced, 1, code)? })
        }
        Mnemonic::Movzx => extend(false),
        Mnemonic::Movsx | Mnemonic::Movsxd => extend(true),
        Mnemonic::Movbe => {
            let (destination, width) = place(iced, 0, code)?;
            let (source, _) = place(iced, 1, code)?;
            Some(Operation::MoveSwapped { width, destination, source })
        }
        Mnemonic::Add => binary(Binary::Add),
        Mnemonic::Or => binary(Binary::Or),
        Mnemonic::Adc => binary(Binary::Adc),
        Mnemonic::Sbb => binary(Binary::Sbb),
        Mnemonic::And => binary(Binary::And),
        Mnemonic::Sub => binary(Binary::Sub),
        Mnemonic::Xor => binary(Binary::Xor),
        Mnemonic::Cmp => binary(Binary::Cmp),
        Mnemonic::Test => binary(Binary::Test),
        Mnemonic::Inc => unary(Unary::Inc),
        Mnemonic::Dec => unary(Unary::Dec),
        Mnemonic::Neg => unary(Unary::Neg),
        Mnemonic::Not => unary(Unary::Not),
        Mnemonic::Rol => shift(Shift::Rol),
        Mnemonic::Ror => shift(Shift::Ror),
        Mnemonic::Rcl => shift(Shift::Rcl),
        Mnemonic::Rcr => shift(Shift::Rcr),
        Mnemonic::Shl | Mnemonic::Sal => shift(Shift::Shl),
        Mnemonic::Shr => shift(Shift::Shr),
        Mnemonic::Sar => shift(Shift::Sar),
        Mnemonic::Bt => bit(Bit::Test),
        Mnemonic::Bts => bit(Bit::Set),
        Mnemonic::Btr => bit(Bit::Reset),
        Mnemonic::Btc => bit(Bit::Complement),
        Mnemonic::Xchg => {
            let (place, width) = place(iced, 0, code)?;
            let (register, _) = register(iced.op_register(1))?;
            Some(Operation::Exchange { width, place, register })
        }
        Mnemonic::Cmpxchg => {
            let (place, width) = place(iced, 0, code)?;
            let (register, _) = register(iced.op_register(1))?;
            Some(Operation::CompareExchange { width, place, register })
        }
        Mnemonic::Cmpxchg8b => Some(Operation::CompareExchangePair { memory: memory(iced, code)? }),
        Mnemonic::Xadd => {
            let (place, width) = place(iced, 0, code)?;
            let (register, _) = register(iced.op_register(1))?;
            Some(Operation::ExchangeAdd { width, place, register })
        }
        Mnemonic::Push => {
            let width = Width::from_bytes(iced.stack_pointer_increment().unsigned_abs().into())?;
            source(iced, 0, code).map(|source| Operation::Push { width, source })
        }
        Mnemonic::Pop => {
            let width = Width::from_bytes(iced.stack_pointer_increment().unsigned_abs().into())?;
            let (destination, _) = place(iced, 0, code)?;
            Some(Operation::Pop { width, destination })
        }
        Mnemonic::Prefetchnta
        | Mnemonic::Prefetcht0
        | Mnemonic::Prefetcht1
        | Mnemonic::Prefetcht2
        | Mnemonic::Prefetchw
        | Mnemonic::Prefetchwt1
        | Mnemonic::Prefetch
        | Mnemonic::Clflush
        | Mnemonic::Clflushopt
        | Mnemonic::Clwb
        | Mnemonic::Reservednop
        | Mnemonic::Cldemote
        | Mnemonic::Prefetchit0
        | Mnemonic::Prefetchit1
        | Mnemonic::Bndcl
        | Mnemonic::Bndcn
        | Mnemonic::Bndcu
        | Mnemonic::Bndldx
        | Mnemonic::Bndmk
        | Mnemonic::Bndmov
        | Mnemonic::Bndstx
        | Mnemonic::Nop => Some(Operation::Hint),
        _ if iced.is_jcc_short_or_near() => None,
        _ if iced.code() == Code::INVALID => None,
        _ => {
            let condition = condition(iced)?;
            let (destination, width) = place(iced, 0, code)?;
            match iced.op_count() {
                1 => Some(Operation::SetCondition { condition, destination }),
                _ => {
                    let (destination, _) = register(iced.op_register(0))?;
                    let (source, _) = place(iced, 1, code)?;
                    Some(Operation::MoveCondition { condition, width, destination, source })
                }
            }
        }
    }
}
