//! Memory that is taken away from a guest while it runs.

use sel4::{
    Word,
    abi::current::numbers::{init_cap, invocation, size_bits},
    cap::{AsidPool, Frame, MemoryType, ObjectType, Rights, invoke},
};
use sel4_root_task::{Slots, init_caps};

use crate::{
    guest::guest,
    verdict::Verdict,
    vm::{EXTRA, Mode, Vm, expect, reason},
    world::World,
};

/// A guest that reads a page again and again, and the page's frame.
fn reading(world: &mut World) -> Verdict<(Vm, Word)> {
    let code = guest!(".code32", "4: mov eax, [0x200000]", "jmp 4b");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    let frame = world.objects.one(ObjectType::SmallFrame)?;
    let mapped = world.copy(frame)?;
    Frame::from_address(mapped).map_ept(vm.ept, EXTRA, Rights::ALL, MemoryType::WriteBack)?;
    vm.start()?;
    world.pause(100_000)?;
    Ok((vm, mapped))
}

/// The guest must notice.
fn is_gone(world: &World, vm: &Vm) -> Verdict {
    let exit = vm.wait(world)?;
    expect(exit, reason::EPT_VIOLATION)
}

/// A page that is unmapped.
pub fn page_unmapped(world: &mut World) -> Verdict {
    let (vm, frame) = reading(world)?;
    // SAFETY: it is mapped in the guest, not here.
    unsafe { Frame::from_address(frame).unmap()? };
    is_gone(world, &vm)
}

/// A page whose capability is deleted, while another to the same frame exists.
pub fn frame_copy_deleted(world: &mut World) -> Verdict {
    let (vm, frame) = reading(world)?;
    world.delete(frame)?;
    is_gone(world, &vm)
}

/// All of it, because its root is deleted, with the thread's capability to it.
pub fn root_deleted(world: &mut World) -> Verdict {
    let (vm, _) = reading(world)?;
    world.revoke(vm.ept_memory)?;
    is_gone(world, &vm)
}

/// All of it, because the pool of its identifier is deleted.
pub fn pool_deleted(world: &mut World) -> Verdict {
    let memory = world.untyped(size_bits::ASID_POOL as u8)?;
    let pool = world.objects.slots(1)?;
    let slot = Slots::slot(pool);
    invoke(
        init_cap::ASID_CONTROL as Word,
        invocation::X86_ASID_CONTROL_MAKE_POOL,
        [slot.index, slot.depth.into()],
        [memory.address(), init_caps::CNODE.address()],
    )?;
    world.asid_pool = AsidPool::from_address(pool);
    let reader = reading(world);
    world.asid_pool = init_caps::ASID_POOL;
    let (vm, _) = reader?;
    world.delete(pool)?;
    is_gone(world, &vm)
}
