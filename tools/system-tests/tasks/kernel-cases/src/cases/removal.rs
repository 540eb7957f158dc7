//! A VMM that takes its own virtual CPU, thread or memory away.

use crate::{
    guest::{CODE, guest},
    thread::Runner,
    verdict::{Verdict, check},
    vm::{Mode, Vm, expect, new_vcpu, reason},
    world::{Event, World},
};
use sel4::{
    abi::current::numbers::{fault, size_bits},
    cap::{Frame, ObjectType, Vcpu},
};

fn spinning(world: &mut World) -> Verdict<Vm> {
    let mut vm = Vm::new(world, Mode::Protected, guest!(".code32", "4: jmp 4b"))?;
    vm.start()?;
    world.pause(100_000)?;
    Ok(vm)
}

/// Untyped memory that holds a VCPU gives other objects, and is revoked.
pub fn vcpu_beside_other_objects(world: &mut World) -> Verdict {
    let memory = world.untyped(size_bits::VCPU as u8 + 1)?;
    for _ in 0..2 {
        world.make_from(memory, ObjectType::Vcpu)?;
        world.make_from(memory, ObjectType::SmallFrame)?;
        world.revoke(memory)?;
    }
    world.make_from(memory, ObjectType::Untyped(size_bits::VCPU as u8 + 1))?;
    Ok(())
}

/// VMEnter of a thread without a VCPU is an unknown system call.
pub fn vmenter_without_vcpu(world: &mut World) -> Verdict {
    let mut runner = Runner::new(world)?;
    runner.enter(CODE)?;
    let event = world.wait(1_000_000)?;
    check!(
        matches!(event, Event::Fault(kind, _) if kind == fault::UNKNOWN_SYSCALL as u64),
        "{event:x?}"
    );
    Ok(())
}

/// A thread whose VCPU is deleted while its guest runs comes back.
pub fn vcpu_deleted(world: &mut World) -> Verdict {
    let vm = spinning(world)?;
    world.delete(vm.vcpu.address())?;
    let exit = vm.wait(world)?;
    check!((exit.reason, exit.badge) == (None, 0), "{exit:x?}");
    Ok(())
}

/// So does one whose VCPU is given to another thread, which can run it.
pub fn vcpu_moved(world: &mut World) -> Verdict {
    let vm = spinning(world)?;
    let mut other = vm;
    other.runner = Runner::new(world)?;
    other.attach()?;
    let exit = vm.wait(world)?;
    check!((exit.reason, exit.badge) == (None, 0), "{exit:x?}");
    other.load(CODE, guest!(".code32", "out 0x80, al"));
    other.run_to(world, reason::IO)?;
    Ok(())
}

/// A VCPU forgets a thread that is deleted while its guest runs.
pub fn thread_deleted(world: &mut World) -> Verdict {
    const PATTERN: u64 = u64::MAX;
    let memory = world.untyped(size_bits::PAGE as u8)?;
    let tcb = world.make_from(memory, ObjectType::Tcb)?;
    let vm = spinning(world)?;
    // Its thread is one whose memory can be looked at afterwards.
    vm.vcpu.set_tcb(sel4::cap::Tcb::from_address(tcb))?;
    world.delete(tcb)?;
    vm.wait(world)?;
    let frame = Frame::from_address(world.make_from(memory, ObjectType::SmallFrame)?);
    let page = world.window(frame, size_bits::PAGE as u8)?.cast::<u64>();
    let words = (1 << size_bits::PAGE) / size_of::<u64>();
    for word in 0..words {
        // SAFETY: in the frame that was just mapped.
        unsafe { page.wrapping_add(word).write_volatile(PATTERN) };
    }
    let mut other = vm;
    other.runner = Runner::new(world)?;
    other.attach()?;
    for word in 0..words {
        // SAFETY: as above.
        let value = unsafe { page.wrapping_add(word).read_volatile() };
        check!(value == PATTERN, "freed memory changed at {:#x}: {value:#x}", 8 * word);
    }
    other.load(CODE, guest!(".code32", "out 0x80, al"));
    other.run_to(world, reason::IO)?;
    Ok(())
}

/// A deleted VCPU leaves the table of identifiers: when all are in use, and
/// they are taken from others, nothing is written to what was its memory.
pub fn vcpu_identifiers(world: &mut World) -> Verdict {
    /// More than there are identifiers (`MAX_VPIDS`, 64).
    const MANY: usize = 70;
    const PATTERN: u64 = u64::MAX;
    let memory = world.untyped(size_bits::VCPU as u8)?;
    let vcpu = Vcpu::from_address(world.make_from(memory, ObjectType::Vcpu)?);
    let code = guest!(".code32", "4: out 0x80, al", "jmp 4b");
    let mut vm = Vm::with_vcpu(world, Mode::Protected, code, vcpu)?;
    vm.run_to(world, reason::IO)?;
    world.delete(vcpu.address())?;
    let mut pages = [core::ptr::null_mut(); 1 << (size_bits::VCPU - size_bits::PAGE)];
    let words = (1 << size_bits::PAGE) / size_of::<u64>();
    for page in &mut pages {
        let frame = Frame::from_address(world.make_from(memory, ObjectType::SmallFrame)?);
        *page = world.window(frame, size_bits::PAGE as u8)?.cast::<u64>();
        for word in 0..words {
            // SAFETY: in the frame that was just mapped.
            unsafe { page.wrapping_add(word).write_volatile(PATTERN) };
        }
    }
    for n in 0..MANY {
        vm.vcpu = new_vcpu(world)?;
        vm.attach()?;
        vm.set_mode(Mode::Protected)?;
        let exit = vm.run(world)?;
        check!(expect(exit, reason::IO).is_ok(), "VCPU {n}: exit {:?}", exit.reason);
    }
    for (n, page) in pages.into_iter().enumerate() {
        for word in 0..words {
            // SAFETY: as above.
            let value = unsafe { page.wrapping_add(word).read_volatile() };
            check!(value == PATTERN, "page {n} changed at {:#x}: {value:#x}", 8 * word);
        }
    }
    Ok(())
}
