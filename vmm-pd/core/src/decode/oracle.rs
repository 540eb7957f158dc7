//! Another decoder's opinion, in our types: `iced-x86`, which shares nothing
//! with the one that the VMM uses.

mod opinion;

use std::format;
use std::string::String;

use self::opinion::{Opinion, opinion};
use super::{
    CodeSize, Instruction, Memory, Operation, Place, Register, ShortMove, Source, Undecodable,
    decode, short_move,
};
use crate::types::Width;

/// Equal operations may hold constants of different sign extension; only the
/// bits within the operation's width mean anything.
fn normal(instruction: Instruction) -> Instruction {
    let memory = |memory: Memory| Memory {
        displacement: memory.displacement & memory.address.mask(),
        ..memory
    };
    let place = |p| match p {
        Place::Memory(m) => Place::Memory(memory(m)),
        register @ Place::Register(_) => register,
    };
    let source = |s, width: Width| match s {
        Source::Immediate(value) => Source::Immediate(value & width.mask()),
        Source::Place(p) => Source::Place(place(p)),
    };
    let operation = match instruction.operation {
        Operation::Move { width, destination, source: s } => {
            Operation::Move { width, destination: place(destination), source: source(s, width) }
        }
        Operation::Extend { from, to, signed, destination, source } => {
            Operation::Extend { from, to, signed, destination, source: place(source) }
        }
        Operation::MoveSwapped { width, destination, source } => {
            Operation::MoveSwapped { width, destination: place(destination), source: place(source) }
        }
        Operation::StoreSelector { width, destination, source } => {
            Operation::StoreSelector { width, destination: place(destination), source }
        }
        Operation::LoadSelector { destination, source } => {
            Operation::LoadSelector { destination, source: place(source) }
        }
        Operation::Binary { kind, width, destination, source: s } => Operation::Binary {
            kind,
            width,
            destination: place(destination),
            source: source(s, width),
        },
        Operation::Unary { kind, width, place: p } => {
            Operation::Unary { kind, width, place: place(p) }
        }
        Operation::Shift { kind, width, place: p, count } => {
            Operation::Shift { kind, width, place: place(p), count: source(count, Width::Byte) }
        }
        Operation::Bit { kind, width, place: p, index } => {
            Operation::Bit { kind, width, place: place(p), index: source(index, Width::Byte) }
        }
        Operation::Exchange { width, place: p, register } => {
            Operation::Exchange { width, place: place(p), register }
        }
        Operation::CompareExchange { width, place: p, register } => {
            Operation::CompareExchange { width, place: place(p), register }
        }
        Operation::CompareExchangePair { memory: m } => {
            Operation::CompareExchangePair { memory: memory(m) }
        }
        Operation::ExchangeAdd { width, place: p, register } => {
            Operation::ExchangeAdd { width, place: place(p), register }
        }
        Operation::Push { width, source: s } => Operation::Push { width, source: source(s, width) },
        Operation::Pop { width, destination } => {
            Operation::Pop { width, destination: place(destination) }
        }
        Operation::SetCondition { condition, destination } => {
            Operation::SetCondition { condition, destination: place(destination) }
        }
        Operation::MoveCondition { condition, width, destination, source } => {
            Operation::MoveCondition { condition, width, destination, source: place(source) }
        }
        same @ (Operation::String(_) | Operation::Hint) => same,
    };
    Instruction { operation, length: instruction.length }
}

/// What the two decoders disagree about, if they do. Ours may know fewer
/// instructions, but must know every one of its own kinds that touches memory,
/// must take nothing for an instruction that is none, must not blame the bytes
/// or vector registers wrongly, and must see that an instruction has no end yet.
pub fn disagreement(bytes: &[u8], code: CodeSize) -> Option<String> {
    let ours = decode(bytes, code);
    let theirs = match (ours, opinion(bytes, code)) {
        (Ok(ours), Opinion::Known { instruction, memory: true }) => {
            let (ours, theirs) = (normal(ours), normal(instruction));
            (ours != theirs).then(|| format!("{theirs:?}"))
        }
        (
            Ok(ours),
            Opinion::Known { instruction: Instruction { length, .. }, memory: false }
            | Opinion::Hint { length }
            | Opinion::Other { length, memory: false, .. },
        ) => (ours.length != length).then(|| format!("{length} bytes")),
        (Ok(_), Opinion::Other { memory: true, .. }) => Some("something else".into()),
        (Err(_), Opinion::Known { instruction, memory: true }) => Some(format!("{instruction:?}")),
        (Err(Undecodable::NeedsVectorState), Opinion::Other { .. }) => None,
        (Err(_), Opinion::Other { vector: true, .. }) => Some("one of vector registers".into()),
        (
            Err(Undecodable::Invalid | Undecodable::Incomplete),
            Opinion::Known { .. } | Opinion::Other { .. } | Opinion::Hint { .. },
        ) => Some("an instruction".into()),
        (Err(_), Opinion::Known { .. } | Opinion::Other { .. } | Opinion::Hint { .. }) => None,
        (Ok(_), Opinion::Invalid) => Some("none".into()),
        (Err(_), Opinion::Invalid) => None,
        (Ok(_), Opinion::Incomplete) => Some("incomplete".into()),
        (Err(_), Opinion::Incomplete) => None,
    };
    let theirs = theirs.or_else(|| {
        let ours = bytes.get(..usize::from(ours.ok()?.length))?;
        let shorter = (0..ours.len()).map(|length| &ours[..length]);
        let early = |bytes: &&[u8]| decode(bytes, code) != Err(Undecodable::Incomplete);
        shorter.into_iter().find(early).map(|bytes| format!("without end in {bytes:02x?}"))
    });
    theirs.map(|theirs| format!("{bytes:02x?} {code:?}: {ours:?}, not {theirs}"))
}

/// Holds the decoder's short way for moves to its long one.
///
/// # Returns
/// Whether it was a short move at all.
///
/// # Panics
/// They disagree.
pub fn short_agrees(bytes: &[u8; 16]) -> bool {
    let Some(short) = short_move(u128::from_le_bytes(*bytes)) else { return false };
    let full = decode(bytes, CodeSize::Bits64).expect("a short move is an instruction");
    let Operation::Move { width, destination, source } = full.operation else {
        panic!("{full:?}");
    };
    match (short, destination, source) {
        (
            ShortMove::Load { width: w, register, length },
            Place::Register(r),
            Source::Place(Place::Memory(_)),
        )
        | (
            ShortMove::Store { width: w, register, length },
            Place::Memory(_),
            Source::Place(Place::Register(r)),
        ) => {
            assert_eq!((w, Register::low(register), length), (width, r, full.length));
        }
        (
            ShortMove::StoreImmediate { width: w, value, length },
            Place::Memory(_),
            Source::Immediate(v),
        ) => assert_eq!((w, value, length), (width, v, full.length)),
        _ => panic!("{short:?} {full:?}"),
    }
    true
}
