//! Guests on kernels that switch less, or more.

use super::*;
use crate::bus::cpuid::Switchable;
use crate::cpu::testing::FakeCpu;

const NOTHING: Switchable = Switchable {
    rdtscp: false,
    invpcid: false,
    debug_registers: false,
    cr2: false,
    extended_state: 0,
};
/// MOV from a debug register to rbx, and to it from rax (Intel SDM vol. 3C, table
/// 28-4).
const FROM_DR: u64 = 1 << 4 | 3 << 8;
const DB: Outcome = Outcome::Inject(Event::Exception(Exception::Debug));

fn move_from(b: &mut Bench, register: u64) -> u64 {
    assert_eq!(b.exit(29, FROM_DR | register, 3), Outcome::Resume);
    b.cpu.gprs[Gpr::Rbx as usize]
}

fn move_to(b: &mut Bench, register: u64, value: u64) -> Outcome {
    b.cpu.gprs[Gpr::Rax as usize] = value;
    b.exit(29, register, 3)
}

#[test]
fn debug_registers_that_are_not_switched_are_the_guests_own() {
    let mut b = Bench::on(FakeCpu::protected_mode(), NOTHING);
    assert_eq!(move_to(&mut b, 3, 0x1234), Outcome::Resume);
    assert_eq!(b.cpu.rip, 0x1003);
    assert_eq!(move_from(&mut b, 3), 0x1234);
    assert_eq!(move_to(&mut b, 7, 0xff), Outcome::Resume);
    // The processor is not told of any breakpoint.
    assert!(b.cpu.writes.iter().all(|(field, _)| *field != StateField::Dr7));
    assert_eq!(move_from(&mut b, 7), 0x4ff);
    b.vm.restart(Ticks(0));
    assert_eq!([move_from(&mut b, 3), move_from(&mut b, 7)], [0, 0x400]);
}

#[test]
fn a_single_step_is_told_in_dr6_of_a_guest_whose_debug_registers_are_not_switched() {
    let mut b = Bench::on(FakeCpu::protected_mode(), NOTHING);
    b.cpu.set(StateField::ExitInterruptionInfo, 1 << 31 | 3 << 8 | 1);
    assert_eq!(b.exit(0, 1 << 14, 0), DB);
    assert_eq!(move_from(&mut b, 6), 0xffff_4ff0);
}

#[test]
fn general_detect_is_a_debug_exception_at_the_instruction() {
    let mut b = Bench::on(FakeCpu::protected_mode(), NOTHING);
    assert_eq!(move_to(&mut b, 7, 1 << 13), Outcome::Resume);
    let rip = b.cpu.rip;
    assert_eq!(move_to(&mut b, 0, 1), DB);
    assert_eq!(b.cpu.rip, rip);
    assert_eq!(move_from(&mut b, 6), 0xffff_2ff0);
}

#[test]
fn a_kernel_with_avx_in_xcr0_gives_a_guest_xsave_and_avx() {
    let switchable = Switchable { extended_state: 0xe7, ..NOTHING };
    let mut b = Bench::on(FakeCpu::protected_mode(), switchable);
    let ecx = |b: &mut Bench| {
        b.cpu.gprs[Gpr::Rax as usize] = 1;
        assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
        b.cpu.gprs[Gpr::Rcx as usize]
    };
    assert_eq!(ecx(&mut b) >> 26 & 0b111, 0b101, "OSXSAVE is CR4's");
    assert_eq!(b.exit(55, 0, 3), UD);
    b.cpu.set(StateField::Cr4, control::CR4_OSXSAVE);
    assert_eq!(ecx(&mut b) >> 26 & 0b111, 0b111);
    b.cpu.gprs[Gpr::Rcx as usize] = 0;
    b.cpu.gprs[Gpr::Rdx as usize] = 0;
    b.cpu.gprs[Gpr::Rax as usize] = 0xe7;
    let rip = b.cpu.rip;
    assert_eq!(b.exit(55, 0, 3), Outcome::Resume);
    assert_eq!(b.cpu.rip, rip + 3);
    b.cpu.gprs[Gpr::Rax as usize] = 3;
    assert_eq!(b.exit(55, 0, 3), GP);
}
