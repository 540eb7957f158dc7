//! What a domain's capability space holds, according to the debug kernel.

use core::arch::asm;

use sel4::{Word, abi::current::numbers::syscall};

use crate::console::say;

/// Slots of a domain's capability space.
const SLOTS: Word = 512;

/// Says the kernel's number for the kind of every capability that there is.
pub fn report() {
    for address in 0..SLOTS {
        let kind = identify(address);
        if kind != 0 {
            say!("{} slot {address} kind {kind}", sel4_microkit::pd_name());
        }
    }
    // An address is resolved in all its bits: slot 1 has no second name.
    let aliases = (9..Word::BITS).filter(|bit| identify(1 | 1 << bit) != 0).count();
    say!("{} probed, {aliases} aliases", sel4_microkit::pd_name());
}

/// The kind of the capability at an address; 0 if there is none.
fn identify(address: Word) -> Word {
    let kind;
    // SAFETY: a call that changes rdi, which is declared, and what `sel4::abi`
    // says of every call: rcx, r11 and rsp, which r12 keeps.
    unsafe {
        asm!(
            "mov r12, rsp",
            "syscall",
            "mov rsp, r12",
            in("rdx") syscall::DEBUG_CAP_IDENTIFY,
            inlateout("rdi") address => kind,
            lateout("rsi") _,
            lateout("rcx") _,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
            lateout("r12") _,
            lateout("r15") _,
        );
    }
    kind
}
