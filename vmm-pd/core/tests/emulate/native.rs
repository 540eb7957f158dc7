//! The same instruction with the same operands, here and on the host's
//! processor: registers, memory and flags afterwards must be equal.
//!
//! Operand memory is RAM, since the host has no device to offer; that devices
//! see the same values is `cases`' concern.

use cpu_oracle::{DATA_SIZE, Oracle, State};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use vmm_core::emulate::{Completion, alu};

use crate::machine::{Mode, TABLES, World};

/// Where the oracle's data area appears, guest-physical.
const HERE: u64 = 0x4_0000;
/// Tables that map its linear address there.
const MORE_TABLES: u64 = 0x9_0000;
/// Prefixes for an operand of 32, 16 and 64 bits.
const WIDTHS: &[&[u8]] = &[&[], &[0x66], &[0x48]];
const REPEATS: &[&[u8]] = &[&[], &[0xf2], &[0xf3]];
const STATUS: u64 = alu::ARITHMETIC;

/// An instruction with a memory operand at \[RDI + disp8], or none.
#[derive(Clone, Debug)]
struct Case {
    code: Vec<u8>,
    gprs: [u64; 16],
    rflags: u64,
    fill: [u8; 64],
    /// Flags that the manual leaves undefined for this instruction.
    undefined: u64,
}

fn modrm(register: u8, memory: bool, rm: u8) -> Vec<u8> {
    if memory { vec![0x47 | register << 3, 0x10] } else { vec![0xc0 | register << 3 | rm] }
}

/// Encodings by their opcode; `modrm` and prefixes are added.
fn instructions() -> impl Strategy<Value = (Vec<u8>, u64)> {
    let width = prop::sample::select(WIDTHS);
    let register = 0_u8..8;
    // RSP, RSI and RDI keep their addresses.
    let rm = prop::sample::select(&[0_u8, 1, 2, 3, 5][..]);
    let alu = (0_u8..8, 0_u8..4).prop_map(|(op, form)| (vec![op << 3 | form], None, 0_usize, 0));
    let immediate = (0_u8..8, prop::sample::select(&[0x80_u8, 0x81, 0x83][..]))
        .prop_map(|(op, opcode)| (vec![opcode], Some(op), if opcode == 0x81 { 4 } else { 1 }, 0));
    let unary = (2_u8..4, prop::sample::select(&[0xf6_u8, 0xf7][..]))
        .prop_map(|(op, opcode)| (vec![opcode], Some(op), 0, 0));
    let step = (0_u8..2, prop::sample::select(&[0xfe_u8, 0xff][..]))
        .prop_map(|(op, opcode)| (vec![opcode], Some(op), 0, 0));
    let test = prop::sample::select(&[0xf6_u8, 0xf7][..])
        .prop_map(|opcode| (vec![opcode], Some(0), if opcode == 0xf6 { 1 } else { 4 }, alu::AF));
    let shift = (0_u8..8, prop::sample::select(&[0xc0_u8, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3][..]))
        .prop_map(|(op, opcode)| {
            let undefined = if op >= 4 { alu::AF | alu::OF | alu::CF } else { alu::OF };
            (vec![opcode], Some(op), usize::from(opcode < 0xd0), undefined)
        });
    let bits =
        (4_u8..8).prop_map(|op| (vec![0x0f, 0xba], Some(op), 1, STATUS & !(alu::CF | alu::ZF)));
    let two_byte =
        prop::sample::select(
            &[
                0xb6_u8, 0xb7, 0xbe, 0xbf, 0xb0, 0xb1, 0xc0, 0xc1, 0x90, 0x95, 0x9c, 0x9f, 0x42,
                0x4d,
            ][..],
        )
        .prop_map(|opcode| (vec![0x0f, opcode], None, 0, 0));
    let bit_register = prop::sample::select(&[0xa3_u8, 0xab, 0xb3, 0xbb][..])
        .prop_map(|opcode| (vec![0x0f, opcode], Some(1), 0, STATUS & !(alu::CF | alu::ZF)));
    let moves =
        prop::sample::select(&[0x84_u8, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x63][..])
            .prop_map(|opcode| (vec![opcode], None, 0, if opcode < 0x86 { alu::AF } else { 0 }));
    let move_immediate = prop::sample::select(&[0xc6_u8, 0xc7][..])
        .prop_map(|opcode| (vec![opcode], Some(0), if opcode == 0xc6 { 1 } else { 4 }, 0));
    let push_pop = prop::sample::select(&[(0xff_u8, 6_u8), (0x8f, 0)][..])
        .prop_map(|(opcode, op)| (vec![opcode], Some(op), 0, 0));
    let any_of = prop_oneof![
        4 => alu, 4 => immediate, 1 => unary, 1 => step, 1 => test, 6 => shift, 2 => bits,
        4 => two_byte, 2 => bit_register, 4 => moves, 1 => move_immediate, 1 => push_pop,
    ];
    (width, any_of, register, any::<bool>(), rm, any::<[u8; 4]>()).prop_map(
        |(width, (opcode, extension, size, undefined), register, memory, rm, constant)| {
            // A register operand must not be RSP, RSI or RDI either.
            let register = match extension {
                Some(extension) => extension,
                None if matches!(register, 4 | 6 | 7) => 0,
                None => register,
            };
            let size = if size == 4 && width == [0x66] { 2 } else { size };
            let memory = memory || opcode == [0x8f] || opcode[..] == [0xff];
            // And, or, xor leave AF undefined.
            let logic = match (opcode[0], extension) {
                (op @ 0..=0x3f, None) => matches!(op >> 3, 1 | 4 | 6),
                (0x80..=0x83, Some(op)) => matches!(op, 1 | 4 | 6),
                _ => false,
            };
            let undefined = undefined | if logic { alu::AF } else { 0 };
            let mut code = width.to_vec();
            code.extend_from_slice(&opcode);
            code.extend(modrm(register, memory, rm));
            code.extend_from_slice(&constant[..size]);
            (code, undefined)
        },
    )
}

fn strings() -> impl Strategy<Value = (Vec<u8>, u64)> {
    let width = prop::sample::select(WIDTHS);
    let repeat = prop::sample::select(REPEATS);
    let opcode =
        prop::sample::select(&[0xa4_u8, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf][..]);
    (repeat, width, opcode).prop_map(|(repeat, width, opcode)| {
        let mut code = repeat.to_vec();
        code.extend_from_slice(width);
        code.push(opcode);
        (code, 0)
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let code = prop_oneof![6 => instructions(), 1 => strings()];
    (code, any::<[u64; 16]>(), any::<u64>(), any::<[u8; 64]>(), any::<bool>()).prop_map(
        |((code, undefined), gprs, rflags, fill, small)| {
            let mut case = Case { code, gprs, rflags: rflags & 0xcd5, fill, undefined };
            if small {
                // Where interesting results are: near zero, near the signs.
                for gpr in &mut case.gprs {
                    *gpr = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, u64::MAX]
                        [*gpr as usize & 7];
                }
                case.fill = [case.fill[0] & 0x81; 64];
            }
            case
        },
    )
}

/// Four levels to the oracle's data area, besides what is there.
fn map(world: &mut World, linear: u64) {
    let index = |shift: u32| ((linear >> shift) & 511) * 8;
    let table = |n: u64| (MORE_TABLES + n * 0x1000) | 7;
    // The pages may lie on both sides of a table's end.
    world.put_u64(TABLES + index(39), table(0));
    world.put_u64(MORE_TABLES + index(30), table(1));
    for page in 0..2 {
        let at = linear + page * 0x1000;
        let which = 2 + u64::from(page == 1 && at & 0x1f_f000 == 0);
        world.put_u64(MORE_TABLES + 0x1000 + ((at >> 21) & 511) * 8, table(which));
        world.put_u64(
            MORE_TABLES + which * 0x1000 + ((at >> 12) & 511) * 8,
            (HERE + page * 0x1000) | 7,
        );
    }
}

/// Whether a shift count leaves a flag undefined depends on the count, which
/// the manual defines by value: the tests ask for exactness only where it does.
fn defined(case: &Case, before: &State) -> u64 {
    let prefixes = usize::from(matches!(case.code[0], 0x66 | 0x48));
    let opcode = case.code[prefixes];
    let (wide, byte) = (case.code[0] == 0x48, opcode & 1 == 0);
    let bits = if byte {
        8
    } else if wide {
        64
    } else if case.code[0] == 0x66 {
        16
    } else {
        32
    };
    let count = match opcode {
        0xc0 | 0xc1 => *case.code.last().unwrap(),
        0xd0 | 0xd1 => 1,
        0xd2 | 0xd3 => before.gprs[1] as u8,
        _ => return STATUS & !case.undefined,
    } & if wide { 63 } else { 31 };
    let rotation = (case.code[prefixes + 1] >> 3) & 7 < 4;
    match (count, rotation) {
        (0, _) => STATUS,
        (1, true) => STATUS,
        (1, false) => STATUS & !alu::AF,
        (_, true) => STATUS & !alu::OF,
        // Shifted beyond the operand: SHL and SHR leave CF undefined, too.
        (n, false) if n >= bits => STATUS & !(alu::AF | alu::OF | alu::CF),
        (_, false) => STATUS & !(alu::AF | alu::OF),
    }
}

fn compare(oracle: &mut Oracle, case: &Case) {
    let base = oracle.data_address();
    let mut before = State { gprs: case.gprs, rflags: case.rflags };
    before.gprs[4] = base + 0x1800;
    before.gprs[6] = base + 0xf80;
    before.gprs[7] = base + 0xff0;
    let string = case
        .code
        .last()
        .is_some_and(|op| matches!(op, 0xa4..=0xa7 | 0xaa..=0xaf) && case.code.len() <= 3);
    if string {
        before.gprs[1] &= 15;
    }
    let opcode = case.code.iter().position(|b| *b == 0x0f);
    if opcode.is_some_and(|at| {
        at <= 1 && matches!(case.code.get(at + 1), Some(0xa3 | 0xab | 0xb3 | 0xbb))
    }) {
        // A bit index reaches across memory: keep it within the area.
        before.gprs[1] = (before.gprs[1] & 0x7ff).wrapping_sub(0x400);
    }
    let mut data = [0; DATA_SIZE];
    for (n, byte) in data.iter_mut().enumerate() {
        *byte = case.fill[n % 64] ^ if n % 5 == 0 { (n >> 3) as u8 } else { 0 };
    }
    oracle.set_data(&data);
    #[allow(unsafe_code, reason = "the processor itself is what is asked")]
    // SAFETY: every encoding that `cases` makes addresses [RDI + 16], bits within
    // 1 KiB of it, 15 elements from [RSI] and [RDI], or the stack, all of which
    // lie in the data area; none faults in user mode, none jumps.
    let after = unsafe { oracle.run(&case.code, &before) }.unwrap();

    let mut world = World::new(Mode::Long);
    map(&mut world, base);
    world.put(HERE, &data);
    world.cpu.gprs = before.gprs;
    world.cpu.rflags = before.rflags | 2;
    assert_eq!(world.run(&case.code), Ok(Completion::Done), "{case:02x?}");
    assert_eq!(world.cpu.gprs, after.gprs, "{case:02x?}");
    let defined = defined(case, &before);
    assert_eq!(world.cpu.rflags & defined, after.rflags & defined, "{case:02x?}");
    assert_eq!(world.get(HERE, DATA_SIZE), oracle.data(), "{case:02x?}");
    assert!(world.bus.seen.is_empty());
}

#[test]
fn the_hosts_processor_does_the_same() {
    let mut oracle = Oracle::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 10_000, ..Config::default() });
    let cases = cases();
    for _ in 0..runner.config().cases {
        let case = cases.new_tree(&mut runner).unwrap().current();
        compare(&mut oracle, &case);
    }
}
