//! Floating-point and vector registers.

use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use sel4::{
    Word,
    abi::{
        EntryRegisters, Registers, VmEntry,
        current::{self as abi, numbers::size_bits},
    },
    cap::{Frame, ObjectType, Vcpu},
};

use crate::{
    guest::{CODE, guest},
    thread::Thread,
    verdict::{Verdict, check},
    vm::{DATA, Mode, OWN_VCPU, Vm, new_vcpu, reason},
    world::{Event, World},
};

/// What one thread keeps in a register that another must not see.
const SECRET: u64 = 0x5ec2_e75e_c2e7_5ec2;

/// What the other saw.
static SEEN: AtomicU64 = AtomicU64::new(0);
static BELL: AtomicU64 = AtomicU64::new(0);

/// Uses the floating-point unit, so that it is this thread's.
fn use_fpu() {
    // SAFETY: writes a register that it declares.
    unsafe { asm!("movq xmm0, {}", in(reg) 1u64, out("xmm0") _, options(nomem, nostack)) };
}

extern "C" fn keep_secret(_: Word) -> ! {
    // SAFETY: never returns; changes only registers of this thread.
    unsafe { asm!("4: movq xmm3, {}", "jmp 4b", in(reg) SECRET, options(noreturn)) }
}

/// Runs its guest to an exit, then looks at a register that it never set.
extern "C" fn exit_and_look(_: Word) -> ! {
    let mut entry = VmEntry { rip: CODE, ..VmEntry::default() };
    abi::vm_enter(OWN_VCPU, &mut entry, EntryRegisters::Kept);
    let seen: u64;
    // SAFETY: reads a register.
    unsafe { asm!("movq {}, xmm3", out(reg) seen, options(nomem, nostack)) };
    SEEN.store(seen, SeqCst);
    loop {
        abi::send(Registers { target: BELL.load(SeqCst), ..Registers::default() });
    }
}

/// After an exit a thread does not see the registers of another.
pub fn fpu_of_threads(world: &mut World) -> Verdict {
    // The unit is this task's while it makes the VCPU, which must not matter.
    use_fpu();
    let vcpu = new_vcpu(world)?;
    // Some time slices long, in turns with the thread that keeps the secret: this
    // task may use the unit too, and must not be the last that did.
    let code = guest!(".code32", "sti", "mov ecx, 1000000", "4: loop 4b", "out 0x80, al");
    let vm = Vm::with_vcpu(world, Mode::Protected, code, vcpu)?;
    let keeper = Thread::new(world, keep_secret, 0)?;
    let looker = Thread::new(world, exit_and_look, 0)?;
    BELL.store(world.bell(looker.number)?.address(), SeqCst);
    vm.vcpu.set_tcb(looker.tcb)?;
    looker.tcb.set_ept_root(vm.ept)?;
    keeper.tcb.resume()?;
    looker.tcb.resume()?;
    let event = world.wait(20_000_000)?;
    check!(event == Event::Rang(1 << looker.number), "{event:x?}");
    check!(SEEN.load(SeqCst) != SECRET, "another thread's register is seen");
    Ok(())
}

/// After a VCPU is deleted nothing is saved into what was its memory.
pub fn fpu_after_deletion(world: &mut World) -> Verdict {
    let memory = world.untyped(size_bits::VCPU as u8)?;
    let vcpu = Vcpu::from_address(world.make_from(memory, ObjectType::Vcpu)?);
    let code = guest!(".code32", "pcmpeqd xmm0, xmm0", "4: jmp 4b");
    let mut vm = Vm::with_vcpu(world, Mode::Protected, code, vcpu)?;
    vm.start()?;
    world.pause(100_000)?;
    vm.runner.thread.tcb.suspend()?;
    world.delete(vcpu.address())?;
    // The same memory, now this task's, zeroed by the kernel.
    const FRAMES: usize = 1 << (size_bits::VCPU - size_bits::PAGE);
    let mut pages = [core::ptr::null_mut(); FRAMES];
    for page in &mut pages {
        let frame = world.make_from(memory, ObjectType::SmallFrame)?;
        *page = world.window(Frame::from_address(frame), size_bits::PAGE as u8)?;
    }
    // The unit's last owner is saved now.
    use_fpu();
    for (n, page) in pages.into_iter().enumerate() {
        let words = (1 << size_bits::PAGE) / size_of::<u64>();
        for word in 0..words {
            // SAFETY: in the frame that was just mapped.
            let value = unsafe { page.cast::<u64>().wrapping_add(word).read_volatile() };
            check!(value == 0, "page {n} has {value:#x} at {:#x}", 8 * word);
        }
    }
    Ok(())
}

/// A new guest finds the unit as after FNINIT, with MXCSR's initial value.
pub fn fpu_of_new_guest(world: &mut World) -> Verdict {
    let code = guest!(".code32", "fnstcw [0x9000]", "stmxcsr [0x9004]", "out 0x80, al",);
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    vm.run_to(world, reason::IO)?;
    let got = vm.read(DATA);
    let (control, mxcsr) = (got as u16, (got >> 32) as u32);
    check!((control, mxcsr) == (0x37f, 0x1f80), "control word {control:#x}, MXCSR {mxcsr:#x}");
    Ok(())
}
