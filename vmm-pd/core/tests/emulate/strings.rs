//! String instructions: batches, directions, address sizes, ports.

use vmm_core::cpu::{Exception, Gpr, SegmentRegister};
use vmm_core::emulate::Completion;
use vmm_core::types::Width;
use vmm_core::walk::AccessKind;

use crate::machine::{DEVICE, Mode, Seen, TABLES, World};

use Seen::{In, Out, Read, Write};
use Width::{Byte, Dword, Qword, Word};

fn set(world: &mut World, gpr: Gpr, value: u64) {
    world.cpu.gprs[gpr as usize] = value;
}

fn get(world: &World, gpr: Gpr) -> u64 {
    world.cpu.gprs[gpr as usize]
}

/// Runs until done, as the guest would by exiting again.
fn until_done(world: &mut World, code: &[u8]) -> usize {
    for exits in 1..100 {
        match world.run_exit(code, AccessKind::Write).unwrap() {
            Completion::Done => return exits,
            Completion::Partial => assert_eq!(world.cpu.rip, 0x1000, "still there"),
            Completion::Exception(e) => panic!("{e:?}"),
        }
    }
    panic!("never done");
}

#[test]
fn a_long_repetition_stops_between_elements_and_goes_on() {
    let mut w = World::new(Mode::Long);
    set(&mut w, Gpr::Rdi, DEVICE);
    set(&mut w, Gpr::Rcx, 2000);
    set(&mut w, Gpr::Rax, 0x5a);
    let code = [0xf3, 0xaa];
    w.put(0x1000, &code);
    assert_eq!(w.machine().complete(), Ok(Completion::Partial));
    let done = w.bus.seen.len() as u64;
    assert!(done > 0 && done < 2000);
    assert_eq!((get(&w, Gpr::Rcx), get(&w, Gpr::Rdi)), (2000 - done, DEVICE + done));
    until_done(&mut w, &code);
    assert_eq!((get(&w, Gpr::Rcx), get(&w, Gpr::Rdi)), (0, DEVICE + 2000));
    assert_eq!(w.bus.seen.len(), 2000);
    assert!(w.bus.seen.iter().enumerate().all(|(n, s)| *s == Write(DEVICE + n as u64, Byte, 0x5a)));
}

#[test]
fn an_element_that_faults_leaves_those_before_it_done() {
    let mut w = World::new(Mode::TwoLevel);
    // The 4 MiB page after the device's is not there.
    w.put_u32(TABLES + (0xff0_u64 >> 2 << 2), 0);
    let end = 0xff00_0000_u64;
    set(&mut w, Gpr::Rdi, end - 8);
    w.put_u32(TABLES + (end >> 22) * 4, 0);
    set(&mut w, Gpr::Rcx, 5);
    set(&mut w, Gpr::Rax, 9);
    let fault = Exception::PageFault { address: end, error_code: 2 };
    assert_eq!(w.run(&[0xf3, 0xab]), Ok(Completion::Exception(fault)));
    assert_eq!((get(&w, Gpr::Rcx), get(&w, Gpr::Rdi)), (3, end));
    assert_eq!(w.cpu.rip, 0x1000);
    assert_eq!(w.bus.seen, [Write(end - 8, Dword, 9), Write(end - 4, Dword, 9)]);
}

#[test]
fn a_fault_on_the_far_side_of_movs_reads_no_device() {
    let mut w = World::new(Mode::TwoLevel);
    w.put_u32(TABLES + (0x4000_0000_u64 >> 22) * 4, 0);
    set(&mut w, Gpr::Rsi, DEVICE);
    set(&mut w, Gpr::Rdi, 0x4000_0000);
    let fault = Exception::PageFault { address: 0x4000_0000, error_code: 2 };
    assert_eq!(w.run(&[0xa5]), Ok(Completion::Exception(fault)));
    assert!(w.bus.seen.is_empty());
    assert_eq!(get(&w, Gpr::Rsi), DEVICE);
}

#[test]
fn movs_copies_from_device_to_ram_downwards_too() {
    let mut w = World::new(Mode::Long);
    set(&mut w, Gpr::Rsi, DEVICE + 0x10);
    set(&mut w, Gpr::Rdi, 0x3010);
    set(&mut w, Gpr::Rcx, 2);
    w.cpu.rflags |= 0x400;
    w.done(&[0xf3, 0x48, 0xa5]);
    assert_eq!(w.bus.seen, [Read(DEVICE + 0x10, Qword), Read(DEVICE + 8, Qword)]);
    assert_eq!(w.get(0x3008, 16), (8_u8..0x18).collect::<Vec<_>>());
    assert_eq!((get(&w, Gpr::Rsi), get(&w, Gpr::Rdi)), (DEVICE, 0x3000));
}

#[test]
fn an_address_size_prefix_keeps_count_and_index_in_32_bits() {
    let mut w = World::new(Mode::Long);
    set(&mut w, Gpr::Rdi, 0xffff_ffff_0000_0000 | DEVICE);
    set(&mut w, Gpr::Rcx, 0xffff_ffff_0000_0002);
    w.done(&[0x67, 0xf3, 0xab]);
    assert_eq!((get(&w, Gpr::Rcx), get(&w, Gpr::Rdi)), (0, DEVICE + 8));
}

#[test]
fn sixteen_bit_indices_wrap_and_keep_the_upper_half() {
    let mut w = World::new(Mode::Real);
    w.cpu.segments[SegmentRegister::Es as usize].base = DEVICE;
    set(&mut w, Gpr::Rdi, 0xabcd_fffe);
    set(&mut w, Gpr::Rcx, 0x0001_0002);
    set(&mut w, Gpr::Rax, 0x1122);
    w.done(&[0xf3, 0xab]);
    let seen = [Write(DEVICE + 0xfffe, Word, 0x1122), Write(DEVICE, Word, 0x1122)];
    assert_eq!(w.bus.seen, seen);
    assert_eq!((get(&w, Gpr::Rdi), get(&w, Gpr::Rcx)), (0xabcd_0002, 0x1_0000));
}

#[test]
fn scas_and_cmps_stop_where_they_should() {
    let mut w = World::new(Mode::Long);
    set(&mut w, Gpr::Rdi, DEVICE);
    set(&mut w, Gpr::Rcx, 100);
    set(&mut w, Gpr::Rax, 5);
    w.done(&[0xf2, 0xae]); // repne scasb: the device's bytes count up
    assert_eq!((get(&w, Gpr::Rdi), get(&w, Gpr::Rcx)), (DEVICE + 6, 94));
    assert_eq!(w.cpu.rflags & 0x40, 0x40);
    w.put(0x3000, &[6, 7, 9]);
    set(&mut w, Gpr::Rsi, 0x3000);
    w.done(&[0xf3, 0xa6]); // repe cmpsb: 9 against 8
    assert_eq!((get(&w, Gpr::Rsi), get(&w, Gpr::Rcx)), (0x3003, 91));
    assert_eq!(w.cpu.rflags & 0x41, 0, "9 is above 8");
}

#[test]
fn nothing_repeated_is_nothing_done() {
    let mut w = World::new(Mode::Long);
    set(&mut w, Gpr::Rdi, 0x8000_0000_0000_0000);
    w.done(&[0xf3, 0xab]);
    w.done(&[0xf3, 0x6d]);
    assert!(w.bus.seen.is_empty());
}

#[test]
fn ins_and_outs_move_between_ports_and_ram() {
    for mode in [Mode::Protected, Mode::Long] {
        let mut w = World::new(mode);
        w.bus.port = 0xaabb_ccdd;
        set(&mut w, Gpr::Rdx, 0xffff_01f0);
        set(&mut w, Gpr::Rdi, 0x3000);
        set(&mut w, Gpr::Rcx, 3);
        w.done(&[0xf3, 0x66, 0x6d]); // rep insw
        assert_eq!(w.bus.seen, [In(0x1f0, Word); 3]);
        assert_eq!(w.get(0x3000, 7), [0xdd, 0xcc, 0xdd, 0xcc, 0xdd, 0xcc, 0]);
        assert_eq!((get(&w, Gpr::Rdi), get(&w, Gpr::Rcx)), (0x3006, 0));
        w.bus.seen.clear();
        set(&mut w, Gpr::Rsi, 0x3000);
        w.done(&[0x6f]); // outsd
        assert_eq!(w.bus.seen, [Out(0x1f0, Dword, 0xccdd_ccdd)]);
        assert_eq!(get(&w, Gpr::Rsi), 0x3004);
        w.done(&[0x6c]); // insb
        assert_eq!(w.get(0x3006, 1), [0xdd]);
    }
}

#[test]
fn outs_takes_its_segment_override_and_ins_does_not() {
    let mut w = World::new(Mode::Protected);
    w.cpu.segments[SegmentRegister::Fs as usize].base = 0x100;
    w.put(0x3100, &[7]);
    set(&mut w, Gpr::Rsi, 0x3000);
    set(&mut w, Gpr::Rdi, 0x3000);
    w.bus.port = 8;
    w.done(&[0x64, 0x6e]); // outs dx, fs:[esi]
    w.done(&[0x64, 0x6c]); // ins es:[edi], dx
    assert_eq!(w.bus.seen, [Out(0, Byte, 7), In(0, Byte)]);
    assert_eq!(w.get(0x3000, 1), [8]);
}

#[test]
fn ins_into_unwritable_memory_reads_no_port() {
    let mut w = World::new(Mode::Protected);
    w.cpu.segments[SegmentRegister::Es as usize].access_rights = 0xc091;
    let fault = Exception::GeneralProtection(0);
    assert_eq!(w.run(&[0x6c]), Ok(Completion::Exception(fault)));
    assert!(w.bus.seen.is_empty());
}
