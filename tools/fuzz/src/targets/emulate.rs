//! The emulator against the processor that runs this program.
//!
//! Any instruction that our decoder accepts and that user mode can run is run
//! on both, with registers that put its operands into memory which both have:
//! registers, memory and flags must agree. Then it is emulated once more with
//! the second page of that memory missing: a fault must name an address there,
//! and leave everything as it was. The surprising fact: another decoder says
//! what the instruction touches, so that nothing else is ever run natively.

use std::sync::{LazyLock, Mutex, PoisonError};

use arbitrary::Unstructured;
use cpu_oracle::{DATA_SIZE, Oracle, State};
use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register, RflagsBits,
};
use vmm_core::{
    cpu::{Exception, StateField, testing::FakeCpu},
    decode::{CodeSize, Operation, decode},
    emulate::{Completion, Machine, MmioBus, PortBus},
    memory::TestMemory,
    types::{Gpa, Port, Width},
    walk::PhysicalBits,
};

use super::input::take;
use crate::Target;

pub(super) const TARGET: Target = Target {
    runs: 60_000,
    longest: 96,
    words: super::decode::PARTS,
    ..Target::new("emulate", "an instruction does what the processor does", check)
};

/// RAM of the emulated side: code, page tables, the two pages of operands.
const RAM: usize = 0x10000;
const CODE: u64 = 0x1000;
const TABLES: u64 = 0x8000;
/// Where the operands' pages are; apart, so that an operand across their border
/// is in two pieces.
const PAGES: [u64; 2] = [0x3000, 0x6000];
const PAGE: usize = 0x1000;

/// Where operands may lie in the area: a bit index reaches 128 bytes further.
const FIRST: u64 = 0x200;
const LAST: u64 = DATA_SIZE as u64 - 0x200;
/// The stack pointer, likewise: a signal handler may take 512 bytes below.
const STACK: u64 = 0x1800;
const STACK_FIRST: u64 = 0x600;
const STACK_LAST: u64 = DATA_SIZE as u64 - 0x100;

const RCX: usize = 1;
const RSP: usize = 4;
const RSI: usize = 6;
const RDI: usize = 7;

/// The six status flags.
const STATUS: u64 = 0x8d5;

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let (place, fill, rflags): (u16, u8, u16) = take(&mut bytes);
    let mut gprs = [0; 16];
    for gpr in &mut gprs {
        let (kind, value): (u8, u32) = take(&mut bytes);
        *gpr = value_of(kind, value);
    }
    let code = bytes.take_rest();
    let Ok(ours) = decode(code, CodeSize::Bits64) else { return };
    let code = &code[..usize::from(ours.length)];
    let instruction = Decoder::with_ip(64, code, CODE, DecoderOptions::NONE).decode();
    if !can_run(&instruction, &ours.operation) {
        return;
    }
    // One thread at a time is inside; waiting here keeps it the same oracle.
    let mut oracle = ORACLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(oracle) = oracle.as_mut() else { return };
    let mut before = State { gprs, rflags: u64::from(rflags) & 0xcd5 };
    let area = oracle.0.data_address();
    if !arrange(&instruction, &ours.operation, place, area, &mut before) {
        return;
    }
    let mut data = [0; DATA_SIZE];
    for (n, byte) in data.iter_mut().enumerate() {
        *byte = fill.wrapping_mul(n as u8 | 1).wrapping_add((n >> 3) as u8);
    }
    oracle.0.set_data(&data);
    #[allow(unsafe_code, reason = "the processor itself is what is asked")]
    // SAFETY: `can_run` lets through only instructions of user mode that do not
    // jump, do not write RSP but by PUSH and POP, and need no feature that this
    // processor may lack; `arrange` has put every access that the other decoder
    // knows into the data area, with room for a bit index, 15 elements of a
    // string and what a signal handler takes below RSP.
    let after = unsafe { oracle.0.run(code, &before) }.expect("the host runs code");

    let mut world = World::new(area, true, &before, code, &data);
    assert_eq!(world.complete(), Ok(Completion::Done), "{code:02x?}");
    assert_eq!(world.cpu.rip, CODE + code.len() as u64, "{code:02x?}");
    assert_eq!(world.cpu.gprs, after.gprs, "{code:02x?} {before:x?}");
    let defined = STATUS & !undefined(&instruction, &before);
    let rflags = world.cpu.get(StateField::Rflags);
    assert_eq!(rflags & defined, after.rflags & defined, "{code:02x?} {before:x?}");
    assert!(world.data() == oracle.0.data(), "{code:02x?} {before:x?}");
    faults(area, &before, code, &data, &instruction);
}

struct Ours(Oracle);

#[allow(unsafe_code, reason = "the oracle's memory may be used by one thread after another")]
// SAFETY: an `Oracle` is two mappings of this process and the right to use them,
// which no thread owns more than another; the mutex lets one in at a time. The
// lock that it holds inside is never released: it lives as long as the process.
unsafe impl Send for Ours {}

static ORACLE: LazyLock<Mutex<Option<Ours>>> =
    LazyLock::new(|| Mutex::new(Oracle::new().ok().map(Ours)));

/// Values near which results change, and any others.
fn value_of(kind: u8, value: u32) -> u64 {
    const SIGNS: [u64; 8] = [0, 1, 0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x7fff_ffff_ffff_ffff];
    match kind & 3 {
        0 => SIGNS[value as usize & 7],
        1 => !SIGNS[value as usize & 7],
        2 => value.into(),
        _ => u64::from(value) << 32 | u64::from(value.swap_bytes()),
    }
}

/// Whether user mode of any processor with 64 bits runs it, and runs it alone.
fn can_run(instruction: &Instruction, ours: &Operation) -> bool {
    let feature = |feature: &CpuidFeature| match feature {
        CpuidFeature::INTEL8086
        | CpuidFeature::INTEL186
        | CpuidFeature::INTEL386
        | CpuidFeature::INTEL486
        | CpuidFeature::X64
        | CpuidFeature::CMOV
        | CpuidFeature::CX8 => true,
        CpuidFeature::MOVBE => std::is_x86_feature_detected!("movbe"),
        _ => false,
    };
    let ports = matches!(
        instruction.mnemonic(),
        Mnemonic::Insb
            | Mnemonic::Insw
            | Mnemonic::Insd
            | Mnemonic::Outsb
            | Mnemonic::Outsw
            | Mnemonic::Outsd
    );
    let selectors = (0..instruction.op_count()).any(|n| {
        instruction.op_kind(n) == OpKind::Register
            && (instruction.op_register(n).is_segment_register()
                // PUSH and POP of RSP, and moves to it.
                || (n == 0 && instruction.op_register(n).full_register() == Register::RSP))
    });
    instruction.code() != Code::INVALID
        && !matches!(ours, Operation::Hint)
        && instruction.cpuid_features().iter().all(feature)
        && !ports
        && !selectors
        && !instruction.is_privileged()
        && !instruction.is_ip_rel_memory_operand()
        && !matches!(instruction.memory_segment(), Register::FS | Register::GS)
        && !writes_stack_pointer(instruction)
}

fn writes_stack_pointer(instruction: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let writes = |access| !matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::None);
    !matches!(instruction.mnemonic(), Mnemonic::Push | Mnemonic::Pop)
        && factory
            .info(instruction)
            .used_registers()
            .iter()
            .any(|used| used.register().full_register() == Register::RSP && writes(used.access()))
}

fn number(register: Register) -> usize {
    register.full_register().number()
}

/// Chooses registers so that all operands lie in the area.
///
/// # Returns
/// Whether there is a choice.
fn arrange(
    instruction: &Instruction,
    ours: &Operation,
    place: u16,
    area: u64,
    state: &mut State,
) -> bool {
    state.gprs[RSP] = area + STACK;
    // Around the border of the pages half of the time.
    let span = LAST - FIRST;
    let offset = match place & 1 {
        0 => 0x1000 - 8 + u64::from(place >> 1) % 16,
        _ => FIRST + u64::from(place >> 1) % span,
    };
    if instruction.is_string_instruction() {
        state.gprs[RSI] = area + FIRST + u64::from(place) % span;
        state.gprs[RDI] = area + offset;
        state.gprs[RCX] &= 15;
    }
    if let Operation::Bit { .. } = ours
        && instruction.op_kind(1) == OpKind::Register
    {
        let index = number(instruction.op_register(1));
        if index == RSP {
            return false;
        }
        state.gprs[index] = (state.gprs[index] & 0x7ff).wrapping_sub(0x400);
    }
    let operand = (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory);
    if operand && !address(instruction, ours, area + offset, state) {
        return false;
    }
    let stack = state.gprs[RSP].wrapping_sub(area);
    if !(STACK_FIRST..STACK_LAST).contains(&stack) {
        return false;
    }
    let locked = instruction.has_lock_prefix() || instruction.mnemonic() == Mnemonic::Xchg;
    touched(instruction, state).into_iter().all(|(at, size)| {
        // A locked access across two cache lines may be a fault of its own.
        let split = locked && at % 64 + size > 64;
        let offset = at.wrapping_sub(area);
        !split && (FIRST - 0x100..LAST + 0x100 - size).contains(&offset)
    })
}

/// Solves base + index * scale + displacement = `wanted` for one register.
fn address(instruction: &Instruction, ours: &Operation, wanted: u64, state: &mut State) -> bool {
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    let used = |register: Register| register != Register::None;
    let wide = |register: Register| !used(register) || register.size() == 8;
    if !wide(base) || !wide(index) {
        return false;
    }
    let displacement = instruction.memory_displacement64();
    let rest = wanted.wrapping_sub(displacement);
    // A bit's index is chosen already.
    let bit = match ours {
        Operation::Bit { .. } if instruction.op_kind(1) == OpKind::Register => {
            Some(number(instruction.op_register(1)))
        }
        _ => None,
    };
    let fixed = |register: Register| bit == Some(number(register));
    match (used(base), used(index)) {
        (true, true) if base == index || fixed(base) => false,
        (true, true) => {
            let scaled =
                state.gprs[number(index)].wrapping_mul(u64::from(instruction.memory_index_scale()));
            state.gprs[number(base)] = rest.wrapping_sub(scaled);
            true
        }
        (true, false) if !fixed(base) => {
            state.gprs[number(base)] = rest;
            true
        }
        (false, true) if !fixed(index) && instruction.memory_index_scale() == 1 => {
            state.gprs[number(index)] = rest;
            true
        }
        _ => false,
    }
}

/// Address and size of every access that the other decoder knows.
fn touched(instruction: &Instruction, state: &State) -> Vec<(u64, u64)> {
    let mut factory = InstructionInfoFactory::new();
    let value = |register: Register, _, _| match register {
        r if r.is_segment_register() => Some(0),
        r => Some(state.gprs[number(r)]),
    };
    let string = instruction.is_string_instruction();
    factory
        .info(instruction)
        .used_memory()
        .iter()
        .map(|memory| {
            let at = match (string, memory.base()) {
                (true, Register::RSI) => Some(state.gprs[RSI]),
                (true, Register::RDI) => Some(state.gprs[RDI]),
                // 32-bit addresses do not reach the area.
                (true, _) => None,
                (false, _) => memory.virtual_address(0, value),
            };
            (at.unwrap_or(0), memory.memory_size().size() as u64)
        })
        .collect()
}

/// Flags that the manual leaves undefined.
fn undefined(instruction: &Instruction, state: &State) -> u64 {
    let bits = instruction.rflags_undefined();
    let mut flags = [
        (RflagsBits::CF, 0x1),
        (RflagsBits::PF, 0x4),
        (RflagsBits::AF, 0x10),
        (RflagsBits::ZF, 0x40),
        (RflagsBits::SF, 0x80),
        (RflagsBits::OF, 0x800),
    ]
    .into_iter()
    .fold(0, |flags, (bit, flag)| if bits & bit != 0 { flags | flag } else { flags });
    let width = match instruction.op_kind(0) {
        OpKind::Memory => instruction.memory_size().size(),
        _ => instruction.op_register(0).size(),
    } as u64
        * 8;
    let shifts = matches!(
        instruction.mnemonic(),
        Mnemonic::Shl
            | Mnemonic::Sal
            | Mnemonic::Shr
            | Mnemonic::Sar
            | Mnemonic::Rol
            | Mnemonic::Ror
            | Mnemonic::Rcl
            | Mnemonic::Rcr
    );
    if shifts {
        let count = match instruction.op_kind(1) {
            OpKind::Immediate8 => u64::from(instruction.immediate8()),
            _ => state.gprs[RCX] & 0xff,
        } & if width == 64 { 63 } else { 31 };
        // By more than one OF is undefined, beyond the operand CF is, too
        // (Intel SDM vol. 2B, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR).
        if count != 1 {
            flags |= 0x800;
        }
        if count >= width {
            flags |= 0x1;
        }
    }
    flags
}

/// With the second page missing.
fn faults(
    area: u64,
    before: &State,
    code: &[u8],
    data: &[u8; DATA_SIZE],
    instruction: &Instruction,
) {
    let reg_bit = matches!(
        instruction.mnemonic(),
        Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
    );
    // Parts of a string instruction are done; a bit's place is not known here.
    if instruction.is_string_instruction() || reg_bit {
        return;
    }
    let border = area + PAGE as u64;
    let touches =
        touched(instruction, before).iter().any(|(at, size)| at.wrapping_add(*size) > border);
    let mut world = World::new(area, false, before, code, data);
    let was = (world.cpu.gprs, world.cpu.rip, world.cpu.get(StateField::Rflags));
    match world.complete() {
        Ok(Completion::Done) => assert!(!touches, "{code:02x?} did not fault"),
        Ok(Completion::Exception(Exception::PageFault { address, .. })) => {
            assert!(touches, "{code:02x?} faulted at {address:#x}");
            assert!((border..border + PAGE as u64).contains(&address), "{address:#x}");
            let is = (world.cpu.gprs, world.cpu.rip, world.cpu.get(StateField::Rflags));
            assert_eq!(is, was, "{code:02x?} changed something and faulted");
            assert!(world.data() == *data, "{code:02x?} wrote and faulted");
        }
        other => panic!("{code:02x?}: {other:?}"),
    }
}

/// The emulated side.
struct World {
    cpu: FakeCpu,
    memory: TestMemory,
}

/// All memory is RAM here.
struct NoBus;

impl MmioBus for NoBus {
    fn read(&mut self, gpa: Gpa, _: Width) -> u64 {
        panic!("{gpa:?} is no RAM");
    }
    fn write(&mut self, gpa: Gpa, _: Width, _: u64) {
        panic!("{gpa:?} is no RAM");
    }
}

impl PortBus for NoBus {
    fn port_read(&mut self, port: Port, _: Width) -> u32 {
        panic!("{port:?}");
    }
    fn port_write(&mut self, port: Port, _: Width, _: u32) {
        panic!("{port:?}");
    }
}

impl World {
    /// `whole` says whether the second page of the area is there.
    fn new(area: u64, whole: bool, state: &State, code: &[u8], data: &[u8; DATA_SIZE]) -> Self {
        let mut cpu = FakeCpu::long_mode(TABLES);
        cpu.gprs = state.gprs;
        cpu.rip = CODE;
        cpu.set(StateField::Rflags, state.rflags | 2);
        let mut memory = TestMemory::new(RAM);
        let ram = &mut memory.0;
        ram[CODE as usize..][..code.len()].copy_from_slice(code);
        for (page, bytes) in PAGES.iter().zip(data.chunks(PAGE)) {
            ram[*page as usize..][..PAGE].copy_from_slice(bytes);
        }
        let mut put = |at: u64, value: u64| {
            ram[at as usize..][..8].copy_from_slice(&value.to_le_bytes());
        };
        let index = |linear: u64, shift: u32| (linear >> shift & 0x1ff) * 8;
        let table = |n: u64| TABLES + n * 0x1000;
        // The code's first GiB; the area is far from it.
        put(table(0), table(1) | 7);
        put(table(1), 0x87);
        // The area's pages may lie on both sides of a table's end, or of two.
        for (n, page) in (0..2).zip(PAGES) {
            let linear = area + n * PAGE as u64;
            put(table(0) + index(linear, 39), table(2) | 7);
            put(table(2) + index(linear, 30), table(3 + n) | 7);
            let directory = table(3 + n);
            put(directory + index(linear, 21), table(5 + n) | 7);
            if n == 0 || whole {
                put(table(5 + n) + index(linear, 12), page | 7);
            }
        }
        let second = area + PAGE as u64;
        if area >> 30 == second >> 30 {
            // One directory for both.
            put(table(2) + index(area, 30), table(3) | 7);
            put(table(3) + index(second, 21), table(6) | 7);
            put(table(3) + index(area, 21), table(5) | 7);
            if area >> 21 == second >> 21 {
                let page = if whole { PAGES[1] | 7 } else { 0 };
                put(table(5) + index(second, 12), page);
            }
        }
        World { cpu, memory }
    }

    fn complete(&mut self) -> Result<Completion, vmm_core::emulate::Refusal> {
        let mut bus = NoBus;
        let physical = PhysicalBits::new(46).expect("between 32 and 52");
        Machine { cpu: &mut self.cpu, memory: &mut self.memory, bus: &mut bus, physical }.complete()
    }

    fn data(&self) -> [u8; DATA_SIZE] {
        let mut data = [0; DATA_SIZE];
        for (page, bytes) in PAGES.iter().zip(data.chunks_mut(PAGE)) {
            bytes.copy_from_slice(&self.memory.0[*page as usize..][..PAGE]);
        }
        data
    }
}
