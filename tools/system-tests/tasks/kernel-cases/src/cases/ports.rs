//! I/O ports that a guest may use.

use sel4::{
    abi::current::numbers::invocation,
    cap::{Rights, invoke, port_range},
};
use sel4_root_task::{Slots, init_caps};

use crate::{
    guest::guest,
    verdict::Verdict,
    vm::{Mode, Vm, reason},
    world::World,
};

/// The POST code's: harmless.
const PORT: u16 = 0x80;

/// Taking all ports back comes to an end.
pub fn all_ports_closed(world: &mut World) -> Verdict {
    let mut vm = Vm::new(world, Mode::Protected, guest!(".code32", "in al, 0x80"))?;
    let label = invocation::X86_VCPU_DISABLE_IO_PORT;
    invoke(vm.vcpu.address(), label, [0, u16::MAX.into()], [])?;
    vm.run_to(world, reason::IO)?;
    Ok(())
}

/// A port that was opened to a guest before it ever ran is closed when the
/// capability that opened it is deleted.
pub fn port_capability_deleted(world: &mut World) -> Verdict {
    let code = guest!(".code32", "in al, 0x80", "in al, 0x81");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    let port = world.objects.slots(1)?;
    let (to, from) = (Slots::slot(port), Slots::slot(init_caps::IO_PORTS.address()));
    let range = port_range(PORT, PORT);
    init_caps::CNODE.mint(to, init_caps::CNODE, from, Rights::ALL, range)?;
    let label = invocation::X86_VCPU_ENABLE_IO_PORT;
    invoke(vm.vcpu.address(), label, [PORT.into(), PORT.into()], [port])?;
    world.delete(port)?;
    let exit = vm.run_to(world, reason::IO)?;
    let port = exit.qualification >> 16 & 0xffff;
    crate::verdict::check!(port == PORT.into(), "the guest reached port {PORT:#x}");
    Ok(())
}
