//! The kernel itself: interrupts that are not a guest's, addresses, flags,
//! speed.

use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use sel4::{
    IpcBuffer, Word,
    abi::{
        Registers,
        current::{
            self as abi,
            numbers::{fault, invocation, object, size_bits, syscall},
        },
    },
    cap::{Frame, ObjectType},
};
use sel4_root_task::init_caps;

use crate::{
    guest::guest,
    thread::Thread,
    verdict::{Verdict, check},
    vm::{Mode, Vm, reason},
    world::{Event, World},
};

/// An NMI of the host that comes while a guest runs is not the guest's.
///
/// The emulator stops at `xchg bx, bx`, and the test has it raise one there.
pub fn nmi(world: &mut World) -> Verdict {
    let code = guest!(".code32", "xchg bx, bx", "nop", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    vm.run_to(world, reason::IO)?;
    Ok(())
}

/// The page below the addresses that are none cannot be mapped: a system call
/// at its end would return into a fault of the kernel's.
pub fn last_page(world: &mut World) -> Verdict {
    const LAST: Word = 0x7fff_ffff_f000;
    let frame = Frame::from_address(world.objects.one(ObjectType::SmallFrame)?);
    check!(world.map_at(frame, LAST).is_err(), "it was mapped");
    Ok(())
}

static BELL: AtomicU64 = AtomicU64::new(0);

extern "C" fn ring(_: Word) -> ! {
    loop {
        abi::send(Registers { target: BELL.load(SeqCst), ..Registers::default() });
    }
}

/// A thread with a base of FS that is no address runs, with another.
pub fn tls_base(world: &mut World) -> Verdict {
    let thread = Thread::new(world, ring, 0)?;
    BELL.store(world.bell(thread.number)?.address(), SeqCst);
    thread.set_fs_base(1 << 47)?;
    thread.tcb.resume()?;
    let event = world.wait(1_000_000)?;
    check!(event == Event::Rang(1 << thread.number), "{event:x?}");
    Ok(())
}

/// The kernel clears memory upwards though the caller's direction flag is set.
pub fn direction_flag(world: &mut World) -> Verdict {
    const FRAMES: u64 = 4;
    let bits = size_bits::PAGE as u8 + FRAMES.ilog2() as u8;
    let page = size_bits::PAGE as u8;
    // What lies below is this case's own too: it is what a kernel that goes
    // the wrong way would clear.
    let both = world.untyped(bits + 1)?;
    world.make_from(both, ObjectType::Untyped(bits))?;
    let memory = world.make_from(both, ObjectType::Untyped(bits))?;
    let memory = sel4::cap::Untyped::from_address(memory);
    let words = (1usize << page) / size_of::<u64>();
    for _ in 0..FRAMES {
        let frame = world.make_from(memory, ObjectType::SmallFrame)?;
        let seen = world.copy(frame)?;
        let at = world.window(Frame::from_address(seen), page)?.cast::<u64>();
        for word in 0..words {
            // SAFETY: in the frame that was just mapped.
            unsafe { at.wrapping_add(word).write_volatile(u64::MAX) };
        }
        world.delete(seen)?;
        world.delete(frame)?;
    }
    let first = world.objects.slots(FRAMES)?;
    let error = retype_backwards(memory.address(), first, FRAMES);
    check!(error == 0, "the kernel refused: {error}");
    for n in 0..FRAMES {
        let at = world.window(Frame::from_address(first + n), page)?.cast::<u64>();
        for word in 0..words {
            // SAFETY: in the frame that was just mapped.
            let value = unsafe { at.wrapping_add(word).read_volatile() };
            check!(value == 0, "a new frame has {value:#x} at {:#x}", 8 * word);
        }
    }
    Ok(())
}

/// Makes frames by a system call with the direction flag set; returns the
/// kernel's error.
fn retype_backwards(memory: Word, first: Word, count: Word) -> Word {
    /// The label's place in the message info, one capability, six words.
    const INFO: Word = (invocation::UNTYPED_RETYPE as Word) << 12 | 1 << 7 | 6;
    let ipc = IpcBuffer::current();
    ipc.set_mr(4, first);
    ipc.set_mr(5, count);
    ipc.set_cap(0, init_caps::CNODE.address());
    let info: Word;
    // SAFETY: as every system call (`sel4::abi`); the direction flag is clear
    // again at the end.
    unsafe {
        asm!(
            "mov r12, rsp",
            "std",
            "syscall",
            "cld",
            "mov rsp, r12",
            in("rdx") syscall::CALL,
            inlateout("rdi") memory => _,
            inlateout("rsi") INFO => info,
            inlateout("r10") object::X86_4K as Word => _,
            inlateout("r8") 0u64 => _,
            inlateout("r9") 0u64 => _,
            inlateout("r15") 0u64 => _,
            lateout("rcx") _,
            lateout("r11") _,
            lateout("r12") _,
        )
    };
    info >> 12
}

extern "C" fn spin(_: Word) -> ! {
    // SAFETY: never returns, touches nothing.
    unsafe { asm!("4: jmp 4b", options(noreturn)) }
}

extern "C" fn yield_nested(_: Word) -> ! {
    // SAFETY: sets the nested-task flag (bit 14) of this thread alone.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x4000", "popfq") };
    loop {
        abi::yield_now();
    }
}

/// A thread with the nested-task flag set makes system calls; the kernel then
/// returns to another thread by IRET, which that flag would make fault.
pub fn nested_task_flag(world: &mut World) -> Verdict {
    let spinner = Thread::new(world, spin, 0)?;
    let yielder = Thread::new(world, yield_nested, 0)?;
    spinner.tcb.resume()?;
    world.pause(100_000)?;
    yielder.tcb.resume()?;
    world.pause(1_000_000)
}

/// Clearing memory takes less than two instructions a word.
pub fn clearing(world: &mut World) -> Verdict {
    let bits = size_bits::LARGE_PAGE as u8;
    let memory = world.untyped(bits)?;
    let frame = world.make_from(memory, ObjectType::LargeFrame)?;
    world.delete(frame)?;
    // Memory is cleared before it is used again.
    let since = sel4::timestamp_counter();
    world.make_from(memory, ObjectType::LargeFrame)?;
    let ticks = sel4::timestamp_counter() - since;
    let words = (1u64 << bits) / size_of::<u64>() as u64;
    check!(ticks < 2 * words, "{ticks} ticks for {words} words");
    Ok(())
}

const NOWHERE: Word = 0x6666_6666_6000;

extern "C" fn read_nowhere(_: Word) -> ! {
    // SAFETY: nothing is mapped there, so the thread faults and is stopped.
    unsafe { asm!("mov rax, [{}]", "ud2", in(reg) NOWHERE, options(noreturn)) }
}

/// A fault's message has the whole address.
pub fn fault_address(world: &mut World) -> Verdict {
    let thread = Thread::new(world, read_nowhere, 0)?;
    thread.tcb.resume()?;
    let event = world.wait(1_000_000)?;
    let Event::Fault(kind, [_, address, ..]) = event else {
        check!(false, "{event:x?}");
        return Ok(());
    };
    check!(kind == fault::VM as Word, "kind {kind}");
    check!(address == NOWHERE, "the address is {address:#x}");
    Ok(())
}
