//! Everything that a domain may not do, each under the name of a domain.
//!
//! Whatever happens, it happens three calls deep, so that a stack trace has
//! something to show.

use core::{arch::asm, hint::black_box};

use sel4::{MessageInfo, cap::Endpoint};
use sel4_microkit::{Channel, IoPort, Word, var};

/// An empty slot of the capability space, and an address far outside it.
const EMPTY_SLOT: Word = 3;
const NO_SLOT: Word = 0x7777_0000;
/// Where a domain's faults go.
const FAULT_SLOT: Word = 2;
/// Never mapped in any of the tests' systems.
const NOWHERE: Word = 0x6666_6000;
/// The kernel's half of the address space.
const KERNEL: Word = 0xffff_ffff_8010_0000;
/// Not canonical on a processor with 48-bit addresses.
const NOT_CANONICAL: Word = 0x8000_0000_0000_0000;
/// A call that no kernel has.
const NO_CALL: isize = -99;

/// Does what the name says.
///
/// # Panics
/// The name is of no misdeed, or the misdeed is a panic.
pub fn commit(name: &str) {
    outer(name);
}

/// Nothing may follow the calls in a tail position, or their frames go.
#[unsafe(no_mangle)]
#[inline(never)]
fn outer(name: &str) {
    middle(name);
    black_box(());
}

#[unsafe(no_mangle)]
#[inline(never)]
fn middle(name: &str) {
    inner(name);
    black_box(());
}

#[unsafe(no_mangle)]
#[inline(never)]
fn inner(name: &str) {
    match name {
        "panic" => panic!("a reason\nin two lines"),
        "null_read" => read(0),
        "unmapped_write" => write(NOWHERE),
        "kernel_read" => read(KERNEL),
        "read_only_write" => write(var!(read_only_vaddr: u64 = 0)),
        "code_write" => write(inner as fn(&str) as usize as Word),
        "null_fetch" => jump(0),
        "not_canonical" => read(NOT_CANONICAL),
        "undefined" => undefined(),
        "division" => divide(),
        "privileged" => halt(),
        "overflow" => {
            black_box(deeper(0));
        }
        "system_call" => unknown_call(),
        "empty_slot" => {
            black_box(Endpoint::from_address(EMPTY_SLOT).recv(0));
        }
        "no_slot" => {
            black_box(Endpoint::from_address(NO_SLOT).call(MessageInfo::new(0, 0), [0; 4]));
        }
        "foreign_port" => {
            black_box(IoPort::new(0).read_8(0x80));
        }
        "no_port" => {
            black_box(IoPort::new(5).read_8(0x80));
        }
        "foreign_channel" => Channel::new(9).notify(),
        "forger" => forge(),
        _ => panic!("no part is called {name}"),
    }
}

fn read(address: Word) {
    // SAFETY: assembly, because a read that the compiler knows to be wrong may
    // become anything; that it faults is what is wanted.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) address => _) };
}

fn write(address: Word) {
    // SAFETY: as in `read`.
    unsafe { asm!("mov byte ptr [{0}], 1", in(reg) address) };
}

fn jump(address: Word) {
    // SAFETY: as in `read`; should it return, the registers are declared.
    unsafe { asm!("call {0}", in(reg) address, clobber_abi("C")) };
}

fn undefined() {
    // SAFETY: as in `read`.
    unsafe { asm!("ud2") };
}

fn divide() {
    // SAFETY: as in `read`.
    unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
}

fn halt() {
    // SAFETY: as in `read`.
    unsafe { asm!("hlt") };
}

/// Calls itself for ever.
#[inline(never)]
fn deeper(n: u64) -> u64 {
    let room = black_box([n; 32]);
    if n == u64::MAX { room[0] } else { deeper(n + 1) + room[1] }
}

fn unknown_call() {
    // SAFETY: as in `read`; should it return, the registers are declared.
    unsafe {
        asm!(
            "mov r12, rsp",
            "syscall",
            "mov rsp, r12",
            in("rdx") NO_CALL,
            lateout("rcx") _,
            lateout("r11") _,
            lateout("r12") _,
        );
    }
}

/// Sends what looks like faults, without an end and without waiting.
fn forge() {
    for label in 0.. {
        let info = MessageInfo::new(label % 8, 4);
        sel4::abi::current::nb_send(sel4::abi::Registers {
            target: FAULT_SLOT,
            info: info.pack(),
            mrs: [label; 4],
        });
    }
}
