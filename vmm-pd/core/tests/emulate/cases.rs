//! What each form does, and what a device sees of it.

use proptest::prelude::*;
use vmm_core::cpu::{Gpr, SegmentRegister};
use vmm_core::decode::Undecodable;
use vmm_core::emulate::{Completion, Refusal};
use vmm_core::types::Width;
use vmm_core::walk::AccessKind;

use crate::machine::{DEVICE, MODES, Mode, Seen, TABLES, World};

use Seen::{Read, Write};
use Width::{Byte, Dword, Qword, Word};

/// A world whose RBX holds the device's address; in real mode FS reaches it.
fn world(mode: Mode) -> World {
    let mut world = World::new(mode);
    world.cpu.gprs[Gpr::Rbx as usize] = DEVICE;
    world
}

/// Encodes `instruction`, written for 32-bit operands and addresses at [EBX],
/// so that it means the same in `mode`.
fn respell(mode: Mode, instruction: &[u8]) -> Vec<u8> {
    let prefixes: &[u8] = match mode {
        // MOVNTI has one size there, and no prefix for it.
        Mode::Real if instruction.starts_with(&[0x0f, 0xc3]) => &[0x64, 0x67],
        Mode::Real => &[0x64, 0x66, 0x67],
        _ => &[],
    };
    [prefixes, instruction].concat()
}

#[test]
fn a_device_sees_each_form_in_every_mode() {
    // Written for EBX = device, EAX = 0x80000105, ECX = 0x13121110.
    let table: &[(&str, &[u8], &[Seen])] = &[
        ("mov eax,[ebx]", &[0x8b, 0x03], &[Read(0, Dword)]),
        ("mov al,[ebx+1]", &[0x8a, 0x43, 1], &[Read(1, Byte)]),
        ("mov ah,[ebx+1]", &[0x8a, 0x63, 1], &[Read(1, Byte)]),
        ("mov [ebx],eax", &[0x89, 0x03], &[Write(0, Dword, 0x8000_0105)]),
        ("mov [ebx+7],ah", &[0x88, 0x63, 7], &[Write(7, Byte, 1)]),
        (
            "mov dword [ebx+0x40],imm",
            &[0xc7, 0x43, 0x40, 1, 2, 3, 0x84],
            &[Write(0x40, Dword, 0x8403_0201)],
        ),
        ("mov byte [ebx],imm", &[0xc6, 0x03, 0xfe], &[Write(0, Byte, 0xfe)]),
        ("movzx eax,byte [ebx+2]", &[0x0f, 0xb6, 0x43, 2], &[Read(2, Byte)]),
        ("movzx eax,word [ebx+2]", &[0x0f, 0xb7, 0x43, 2], &[Read(2, Word)]),
        ("movsx eax,byte [ebx]", &[0x0f, 0xbe, 0x03], &[Read(0, Byte)]),
        ("movnti [ebx],ecx", &[0x0f, 0xc3, 0x0b], &[Write(0, Dword, 0x1312_1110)]),
        ("movbe [ebx],ecx", &[0x0f, 0x38, 0xf1, 0x0b], &[Write(0, Dword, 0x1011_1213)]),
        ("or [ebx],eax", &[0x09, 0x03], &[Read(0, Dword), Write(0, Dword, 0x8302_0105)]),
        ("lock or [ebx],eax", &[0xf0, 0x09, 0x03], &[Read(0, Dword), Write(0, Dword, 0x8302_0105)]),
        ("and ecx,[ebx]", &[0x23, 0x0b], &[Read(0, Dword)]),
        ("and byte [ebx+3],0x7e", &[0x80, 0x63, 3, 0x7e], &[Read(3, Byte), Write(3, Byte, 2)]),
        ("cmp [ebx],ecx", &[0x39, 0x0b], &[Read(0, Dword)]),
        ("test dword [ebx],imm", &[0xf7, 0x03, 0, 0, 0, 1], &[Read(0, Dword)]),
        ("test [ebx],ecx", &[0x85, 0x0b], &[Read(0, Dword)]),
        ("inc dword [ebx]", &[0xff, 0x03], &[Read(0, Dword), Write(0, Dword, 0x0302_0101)]),
        ("dec byte [ebx]", &[0xfe, 0x0b], &[Read(0, Byte), Write(0, Byte, 0xff)]),
        ("neg dword [ebx]", &[0xf7, 0x1b], &[Read(0, Dword), Write(0, Dword, 0xfcfd_ff00)]),
        ("not dword [ebx]", &[0xf7, 0x13], &[Read(0, Dword), Write(0, Dword, 0xfcfd_feff)]),
        ("shl dword [ebx],4", &[0xc1, 0x23, 4], &[Read(0, Dword), Write(0, Dword, 0x3020_1000)]),
        ("bt dword [ebx],8", &[0x0f, 0xba, 0x23, 8], &[Read(0, Dword)]),
        (
            "bts dword [ebx],31",
            &[0x0f, 0xba, 0x2b, 31],
            &[Read(0, Dword), Write(0, Dword, 0x8302_0100)],
        ),
        ("xchg [ebx],ecx", &[0x87, 0x0b], &[Read(0, Dword), Write(0, Dword, 0x1312_1110)]),
        ("xadd [ebx],ecx", &[0x0f, 0xc1, 0x0b], &[Read(0, Dword), Write(0, Dword, 0x1614_1210)]),
        ("cmpxchg [ebx],ecx", &[0x0f, 0xb1, 0x0b], &[Read(0, Dword), Write(0, Dword, 0x0302_0100)]),
        (
            "cmpxchg8b [ebx]",
            &[0x0f, 0xc7, 0x0b],
            &[Read(0, Qword), Write(0, Qword, 0x0706_0504_0302_0100)],
        ),
        ("setz [ebx]", &[0x0f, 0x94, 0x03], &[Write(0, Byte, 0)]),
        ("setnz [ebx]", &[0x0f, 0x95, 0x03], &[Write(0, Byte, 1)]),
        ("cmovz eax,[ebx]", &[0x0f, 0x44, 0x03], &[Read(0, Dword)]),
        ("mov [ebx],ds", &[0x8c, 0x1b], &[Write(0, Word, 0x10)]),
        ("prefetchnta [ebx]", &[0x0f, 0x18, 0x03], &[]),
        ("clflush [ebx]", &[0x0f, 0xae, 0x3b], &[]),
    ];
    for mode in MODES {
        for (name, code, seen) in table {
            let mut world = world(mode);
            world.cpu.gprs[Gpr::Rax as usize] = 0x8000_0105;
            world.cpu.gprs[Gpr::Rcx as usize] = 0x1312_1110;
            world.cpu.segments[SegmentRegister::Ds as usize].selector = 0x10;
            // A LOCK prefix goes first here, which is as good as last.
            let code = respell(mode, code);
            world.done(&code);
            let expected: Vec<_> = seen
                .iter()
                .map(|s| match *s {
                    Read(at, width) => Read(DEVICE + at, width),
                    Write(at, width, value) => Write(DEVICE + at, width, value),
                    other => other,
                })
                .collect();
            assert_eq!(world.bus.seen, expected, "{name} in {mode:?}");
        }
    }
}

#[test]
fn sixty_four_bit_forms_reach_the_device_whole() {
    let mut w = world(Mode::Long);
    w.done(&[0x48, 0x8b, 0x03]); // mov rax,[rbx]
    assert_eq!(w.cpu.gprs[0], 0x0706_0504_0302_0100);
    w.done(&[0x48, 0x63, 0x4b, 0x7d]); // movsxd rcx,[rbx+0x7d]
    assert_eq!(w.cpu.gprs[1], 0xffff_ffff_807f_7e7d);
    w.done(&[0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff]); // mov qword [rbx],-2
    assert_eq!(w.bus.seen.last(), Some(&Write(DEVICE, Qword, !1)));
    w.done(&[0xa1, 0x30, 0x00, 0xe0, 0xfe, 0, 0, 0, 0]); // mov eax,[moffs]
    assert_eq!(w.cpu.gprs[0], 0x3332_3130);
}

#[test]
fn rip_relative_addresses_start_after_the_constant() {
    let mut w = world(Mode::Long);
    // The fourth GiB, seen as the second, which is near enough.
    w.put_u64(TABLES + 0x1008, 3 << 30 | 0x87);
    let displacement = (DEVICE - (2 << 30) - (w.cpu.rip + 10)) as u32;
    let mut code = vec![0xc7, 0x05];
    code.extend(displacement.to_le_bytes());
    code.extend([1, 0, 0, 0]);
    w.done(&code);
    assert_eq!(w.bus.seen, [Write(DEVICE, Dword, 1)]);
}

#[test]
fn narrow_results_keep_the_register_and_dwords_clear_its_upper_half() {
    let mut w = world(Mode::Long);
    w.cpu.gprs[0] = u64::MAX;
    w.done(&[0x8a, 0x63, 0x11]); // mov ah,[rbx+0x11]
    assert_eq!(w.cpu.gprs[0], 0xffff_ffff_ffff_11ff);
    w.done(&[0x66, 0x8b, 0x43, 0x22]); // mov ax,[rbx+0x22]
    assert_eq!(w.cpu.gprs[0], 0xffff_ffff_ffff_2322);
    w.done(&[0x8b, 0x43, 0x33]); // mov eax,[rbx+0x33]
    assert_eq!(w.cpu.gprs[0], 0x3635_3433);
    w.cpu.gprs[0] = u64::MAX;
    w.done(&[0x0f, 0x44, 0x03]); // cmovz eax,[rbx], false
    assert_eq!(w.cpu.gprs[0], 0xffff_ffff);
    // With a REX, encoding 4 is SPL and not AH.
    w.done(&[0x40, 0x8a, 0x63, 0x44]);
    assert_eq!(w.cpu.gprs[4], 0x7044);
}

#[test]
fn flags_come_from_the_devices_value() {
    let mut w = world(Mode::Long);
    w.cpu.rflags = 0x202;
    w.cpu.gprs[1] = 0x0302_0100;
    w.done(&[0x39, 0x0b]); // cmp [rbx],ecx: equal
    assert_eq!(w.cpu.rflags, 0x246);
    w.done(&[0x0f, 0xba, 0x23, 8]); // bt dword [rbx],8: set
    assert_eq!(w.cpu.rflags, 0x247);
    w.done(&[0x0f, 0xba, 0x23, 9]);
    assert_eq!(w.cpu.rflags, 0x246);
}

#[test]
fn a_bit_index_in_a_register_reaches_beyond_the_operand_both_ways() {
    for mode in MODES {
        for (index, at) in
            [(31_u32, 0_u64), (32, 4), (0x1010, 0x200), (!0, !3), (!31, !3), (!32, !7)]
        {
            let mut w = world(mode);
            w.cpu.gprs[1] = u64::from(index);
            w.done(&respell(mode, &[0x0f, 0xa3, 0x0b])); // bt [ebx],ecx
            assert_eq!(w.bus.seen, [Read(DEVICE.wrapping_add(at), Dword)], "{index:#x} {mode:?}");
        }
    }
}

#[test]
fn compare_exchange_writes_the_new_value_only_if_equal() {
    let mut w = world(Mode::Long);
    w.cpu.gprs[0] = 0xaaaa_aaaa_0302_0100;
    w.cpu.gprs[1] = 7;
    w.done(&[0xf0, 0x0f, 0xb1, 0x0b]);
    assert_eq!(w.bus.seen, [Read(DEVICE, Dword), Write(DEVICE, Dword, 7)]);
    assert_eq!((w.cpu.gprs[0], w.cpu.rflags & 0x40), (0xaaaa_aaaa_0302_0100, 0x40));
    w.bus.seen.clear();
    w.done(&[0xf0, 0x0f, 0xb1, 0x0b]);
    assert_eq!(w.bus.seen, [Read(DEVICE, Dword), Write(DEVICE, Dword, 7)]);
    assert_eq!((w.cpu.gprs[0], w.cpu.rflags & 0x40), (7, 0));
}

#[test]
fn push_and_pop_move_between_a_device_and_the_stack() {
    for (mode, size) in [(Mode::Protected, 4), (Mode::Long, 8)] {
        let mut w = world(mode);
        w.done(&[0xff, 0x33]); // push [rbx]
        assert_eq!(w.cpu.gprs[4], 0x7000 - size);
        assert_eq!(w.get(0x7000 - size, 4), [0, 1, 2, 3]);
        w.done(&[0x8f, 0x43, 0x40]); // pop [rbx+0x40]
        assert_eq!(w.cpu.gprs[4], 0x7000);
        let width = Width::from_bytes(size).unwrap();
        let value = 0x0706_0504_0302_0100 & width.mask();
        assert_eq!(w.bus.seen, [Read(DEVICE, width), Write(DEVICE + 0x40, width, value)]);
    }
}

#[test]
fn a_stack_on_a_device_is_written_and_left_where_it_was_by_real_mode() {
    let mut w = world(Mode::Real);
    w.cpu.segments[SegmentRegister::Ss as usize].base = DEVICE;
    w.cpu.gprs[4] = 0x1_0000;
    w.done(&[0x6a, 0xfe]); // push -2, 16-bit
    assert_eq!(w.bus.seen, [Write(DEVICE + 0xfffe, Word, 0xfffe)]);
    assert_eq!(w.cpu.gprs[4], 0x1_fffe);
}

#[test]
fn real_mode_loads_selectors_as_paragraphs() {
    let mut w = world(Mode::Real);
    w.done(&[0x64, 0x67, 0x8e, 0x03]); // mov es,[fs:ebx]
    let es = w.cpu.segments[SegmentRegister::Es as usize];
    assert_eq!((es.selector, es.base, es.limit), (0x100, 0x1000, 0xffff));
    w.cpu.interruptibility = 1;
    w.done(&[0x64, 0x67, 0x8e, 0x13]); // mov ss
    assert_eq!(w.cpu.interruptibility, 2, "MOV SS blocks for one instruction");
    let mut w = world(Mode::Long);
    let refused = w.run(&[0x8e, 0x03]);
    assert!(matches!(refused, Err(Refusal::Unsupported { .. })), "{refused:?}");
}

#[test]
fn retiring_ends_rf_and_blocking_and_traps_a_single_step() {
    let mut w = world(Mode::Long);
    w.cpu.rflags = 0x1_0302;
    w.cpu.interruptibility = 0b1001;
    w.done(&[0x8b, 0x03]);
    assert_eq!(w.cpu.rflags, 0x302);
    assert_eq!(w.cpu.interruptibility, 0b1000, "NMI blocking stays");
    assert_eq!(w.cpu.pending_debug, 1 << 14);
}

#[test]
fn an_access_across_a_page_reaches_ram_and_device() {
    // The last page of RAM, and a device's page behind it, next to one another
    // in the guest's view.
    for (mode, at) in [(Mode::Protected, 0xf_fffd_u64), (Mode::Long, 0xf_fffd)] {
        let mut w = world(mode);
        w.cpu.gprs[3] = at;
        w.put(at, &[0xa1, 0xa2, 0xa3]);
        w.done(&[0x8b, 0x03]);
        assert_eq!(w.bus.seen, [Read(0x10_0000, Byte)]);
        assert_eq!(w.cpu.gprs[0], 0x00a3_a2a1);
        w.bus.seen.clear();
        w.cpu.gprs[0] = 0x4433_2211;
        w.done(&[0x89, 0x03]);
        assert_eq!(w.bus.seen, [Write(0x10_0000, Byte, 0x44)]);
        assert_eq!(w.get(at, 3), [0x11, 0x22, 0x33]);
    }
}

#[test]
fn a_device_sees_an_access_across_its_pages_in_powers_of_two() {
    let mut w = world(Mode::Long);
    w.cpu.gprs[3] = DEVICE + 0xffb;
    w.done(&[0x48, 0x8b, 0x03]);
    let seen = [
        Read(DEVICE + 0xffb, Dword),
        Read(DEVICE + 0xfff, Byte),
        Read(DEVICE + 0x1000, Word),
        Read(DEVICE + 0x1002, Byte),
    ];
    assert_eq!(w.bus.seen, seen);
    assert_eq!(w.cpu.gprs[0], 0x0201_00ff_fefd_fcfb);
}

#[test]
fn what_needs_vector_registers_is_refused_by_name() {
    let forms: &[&[u8]] = &[
        &[0x0f, 0x10, 0x03],                   // movups xmm0,[rbx]
        &[0xf3, 0x0f, 0x6f, 0x03],             // movdqu xmm0,[rbx]
        &[0x0f, 0x29, 0x03],                   // movaps [rbx],xmm0
        &[0x66, 0x0f, 0xd6, 0x03],             // movq [rbx],xmm0
        &[0x66, 0x0f, 0x7e, 0x03],             // movd [rbx],xmm0
        &[0x0f, 0x6f, 0x03],                   // movq mm0,[rbx]
        &[0xc5, 0xfa, 0x6f, 0x03],             // vmovdqu xmm0,[rbx]
        &[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03], // vmovups zmm0,[rbx]
    ];
    for code in forms {
        let mut w = world(Mode::Long);
        let before = w.cpu.clone();
        match w.run(code) {
            Err(Refusal::Undecodable { why: Undecodable::NeedsVectorState, bytes }) => {
                assert!(bytes.as_slice().starts_with(code), "{bytes:?}");
            }
            other => panic!("{code:02x?}: {other:?}"),
        }
        assert_eq!(w.cpu, before);
        assert!(w.bus.seen.is_empty());
    }
}

#[test]
fn a_refusal_says_which_bytes() {
    let mut w = world(Mode::Long);
    let refusal = w.run(&[0x0f, 0x10, 0x03]).unwrap_err();
    let text = refusal.to_string();
    assert!(text.starts_with("unsupported: needs x87, MMX, XMM"), "{text}");
    assert!(text.contains("0f 10 03"), "{text}");
}

#[test]
fn the_short_path_needs_neither_operand_nor_page_tables_of_it() {
    // RBX points elsewhere: the exit's address is what counts.
    let mut w = world(Mode::Long);
    w.cpu.gprs[3] = 0;
    assert_eq!(w.run_exit(&[0x8b, 0x83, 0x20, 0, 0, 0], AccessKind::Read), Ok(Completion::Done));
    assert_eq!(w.bus.seen, [Read(DEVICE, Dword)]);
    assert_eq!((w.cpu.gprs[0], w.cpu.rip), (0x0302_0100, 0x1006));
}

fn same_by_both_paths(code: &[u8], kind: AccessKind, mode: Mode) {
    let prepare = || {
        let mut w = world(mode);
        for (n, gpr) in w.cpu.gprs.iter_mut().enumerate().filter(|(n, _)| *n != 4) {
            *gpr = 0x0101_0101_0101_0101 * n as u64;
        }
        w.cpu.gprs[3] = DEVICE;
        w
    };
    let (mut short, mut long) = (prepare(), prepare());
    assert_eq!(short.run_exit(code, kind), long.run(code), "{code:02x?}");
    assert_eq!(short.cpu, long.cpu, "{code:02x?}");
    assert_eq!(short.bus.seen, long.bus.seen, "{code:02x?}");
}

proptest! {
    #[test]
    fn the_short_path_does_what_the_long_one_does(
        rex in prop::sample::select(&[0x40_u8, 0x44, 0x48, 0x4c][..]),
        opcode in prop::sample::select(&[0x8b_u8, 0x89, 0xc7][..]),
        register in 0_u8..8,
        constant in any::<[u8; 4]>(),
        mode in prop::sample::select(&MODES[1..]),
    ) {
        let register = if opcode == 0xc7 { 0 } else { register };
        let mut code = if mode == Mode::Long { vec![rex] } else { Vec::new() };
        code.extend([opcode, 0x03 | register << 3]);
        if opcode == 0xc7 {
            code.extend(constant);
        }
        let kind = if opcode == 0x8b { AccessKind::Read } else { AccessKind::Write };
        same_by_both_paths(&code, kind, mode);
    }
}
