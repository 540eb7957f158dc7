//! What a VMM may not do to the VMCS, and what its guest may not do to the
//! host.

use sel4::vmx::field;

use crate::{
    guest::{CODE, guest},
    verdict::{Verdict, check},
    vm::{EXTRA, Mode, Vm, expect, reason},
    world::World,
};

/// A guest that exits at once.
fn quick(world: &mut World) -> Verdict<Vm> {
    Vm::new(world, Mode::Protected, guest!(".code32", "4: out 0x80, al", "jmp 4b"))
}

/// Controls that refer to memory or state which the kernel does not manage
/// cannot be set (SDM vol. 3C, tables 25-5 to 25-8 and 25-13).
pub fn control_allow_lists(world: &mut World) -> Verdict {
    let mut vm = quick(world)?;
    for (field, refused) in [
        // Posted interrupts.
        (field::PIN_BASED_CONTROLS, &[7][..]),
        // Tertiary controls, TPR shadow.
        (field::PRIMARY_CONTROLS, &[17, 21]),
        // APIC accesses, x2APIC, APIC registers, virtual interrupts, VM
        // functions, VMCS shadowing, ENCLS, page-modification log, #VE, XSAVES,
        // mode-based execute control, sub-page permissions.
        (field::SECONDARY_CONTROLS, &[0, 4, 8, 9, 13, 14, 15, 17, 18, 20, 22, 23]),
        // Bounds, concealment from processor trace, trace control.
        (field::EXIT_CONTROLS, &[23, 24, 25]),
        // SMM, bounds, concealment, trace control.
        (field::ENTRY_CONTROLS, &[10, 11, 16, 17, 18]),
    ] {
        let asked = vm.vcpu.read_vmcs(field);
        let written = vm.vmcs(field, u64::from(u32::MAX))?;
        for bit in refused {
            check!(written & 1 << bit == 0, "bit {bit} of field {field:#x} is set: {written:#x}");
        }
        vm.vmcs(field, asked.unwrap_or_default())?;
    }
    // And with them asked for, accesses outside the guest's memory still exit.
    vm.vmcs(field::SECONDARY_CONTROLS, 1 << 18 | 1 << 7)?;
    vm.vmcs(field::EXCEPTION_BITMAP, 0)?;
    vm.load(CODE, guest!(".code32", "mov eax, [0x201000]", "out 0x80, al"));
    let exit = vm.run_to(world, reason::EPT_VIOLATION)?;
    check!(exit.address == EXTRA + 0x1000, "the address is {:#x}", exit.address);
    Ok(())
}

/// A guest is active or halted: in other states the processor would hold back
/// the host's interrupts.
pub fn activity_state(world: &mut World) -> Verdict {
    /// Shutdown, and wait for SIPI.
    const DEAF: [u64; 2] = [2, 3];
    let mut vm = quick(world)?;
    for state in DEAF {
        // It is not tried out: nothing would see that the machine stands still.
        let taken = vm.vcpu.write_vmcs(field::GUEST_ACTIVITY, state).is_ok();
        check!(!taken, "state {state} is taken");
    }
    vm.vmcs(field::GUEST_ACTIVITY, 1)?;
    vm.vmcs(field::GUEST_ACTIVITY, 0)?;
    vm.run_to(world, reason::IO)?;
    Ok(())
}

/// Of IA32_DEBUGCTL a VMM may set single-stepping on branches alone.
pub fn debugctl(world: &mut World) -> Verdict {
    const BTF: u64 = 1 << 1;
    let mut vm = quick(world)?;
    let written = vm.vmcs(field::GUEST_DEBUGCTL, u64::MAX)?;
    check!(written == BTF, "written: {written:#x}");
    vm.run_to(world, reason::IO)?;
    Ok(())
}

/// RDPMC, WBINVD, MONITOR and MWAIT exit though the VMM asks for none of it.
pub fn host_wide_instructions(world: &mut World) -> Verdict {
    let rdpmc = guest!(".code32", "xor ecx, ecx", "rdpmc", "out 0x80, al");
    let wbinvd = guest!(".code32", "wbinvd", "out 0x80, al");
    let monitor = guest!(
        ".code32",
        "mov eax, 0x9000",
        "xor ecx, ecx",
        "xor edx, edx",
        "monitor",
        "out 0x80, al"
    );
    let mwait = guest!(".code32", "xor eax, eax", "xor ecx, ecx", "mwait", "out 0x80, al");
    let mut vm = quick(world)?;
    for (code, reason) in [
        (rdpmc, reason::RDPMC),
        (wbinvd, reason::WBINVD),
        (monitor, reason::MONITOR),
        (mwait, reason::MWAIT),
    ] {
        vm.load(CODE, code);
        vm.run_to(world, reason)?;
    }
    Ok(())
}

/// Every access to CR8, the host's task priority, exits.
pub fn cr8(world: &mut World) -> Verdict {
    let code = guest!(".code64", "mov eax, 5", "mov cr8, rax", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Long, code)?;
    vm.run_to(world, reason::CR_ACCESS)?;
    vm.load(CODE, guest!(".code64", "mov rax, cr8", "out 0x80, al"));
    vm.run_to(world, reason::CR_ACCESS)?;
    Ok(())
}

/// An entry that fails ends in the kernel's handler, whatever the guest has in
/// its registers, and the guest can be entered again.
pub fn failed_entry(world: &mut World) -> Verdict {
    // Valid, and of a type that does not exist.
    const NONSENSE: u32 = 1 << 31 | 0x0fff;
    let mut vm = quick(world)?;
    vm.run_to(world, reason::IO)?;
    for round in 0..3u64 {
        // Addresses that the kernel could jump to.
        let registers =
            core::array::from_fn(|n| 0xffff_ffff_8070_0000 + (n as u64 + round) * 0x1000);
        vm.set_registers(registers, None)?;
        vm.runner.set_interruption(NONSENSE);
        let exit = vm.run(world)?;
        let failed = exit.reason.is_some_and(|reason| reason as u32 == u32::MAX);
        check!(failed, "exit {:?} instead", exit.reason);
        vm.runner.set_interruption(0);
        let exit = vm.run(world)?;
        expect(exit, reason::IO)?;
        // Those that every kernel switches.
        let (got, set) = (&exit.registers[..7], &registers[..7]);
        check!(got == set, "registers are {got:x?}");
    }
    Ok(())
}

/// #DB and #AC exit though the VMM asks for neither, and DR6 is then as if the
/// exception had been delivered.
pub fn debug_exceptions(world: &mut World) -> Verdict {
    const ENDLESS: u64 = 1 << 1 | 1 << 17;
    // Of DR6: breakpoint 1, single step; of RFLAGS: the trap flag.
    const BREAKPOINT_1: u64 = 1 << 1;
    const SINGLE_STEP: u64 = 1 << 14;
    const TRAP: u64 = 1 << 8;
    // Valid, hardware exception, vector 1.
    const DEBUG: u64 = 1 << 31 | 3 << 8 | 1;
    let code = guest!(
        ".code32",
        "mov eax, 0x8100",
        "mov dr1, eax",
        "mov eax, 0x404",
        "mov dr7, eax",
        "mov eax, 0xffff4ff4",
        "mov dr6, eax",
        "nop",
        "mov eax, dr6",
        "out 0x80, al",
    );
    let read = guest!(".code32", "mov eax, dr6", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    let written = vm.vmcs(field::EXCEPTION_BITMAP, 0)?;
    check!(written & ENDLESS == ENDLESS, "the exception bitmap is {written:#x}");
    vm.run_to(world, reason::IO)?;
    // A breakpoint on the first instruction: B1 is set, B2 of before is not,
    // BS of before stays.
    vm.load(BREAKPOINT, read);
    let exit = vm.run_from(world, BREAKPOINT)?;
    expect(exit, reason::EXCEPTION_OR_NMI)?;
    let info = vm.vcpu.read_vmcs(field::EXIT_INTERRUPTION_INFO)?;
    check!(info & 0x8000_07ff == DEBUG, "the exit is about {info:#x}");
    // Without the breakpoint the guest goes on and looks.
    vm.vmcs(field::GUEST_DR7, 0x400)?;
    expect(vm.run_from(world, BREAKPOINT)?, reason::IO)?;
    let dr6 = vm.runner.exit().registers[0] & 0xffff;
    check!(dr6 == 0x0ff0 | BREAKPOINT_1 | SINGLE_STEP, "DR6 is {dr6:#x} after a breakpoint");
    // And a single step where BS was clear.
    vm.load(CODE, guest!(".code32", "mov eax, 0xffff0ff0", "mov dr6, eax", "out 0x80, al"));
    vm.run_to(world, reason::IO)?;
    vm.load(CODE, guest!(".code32", "nop", "mov eax, dr6", "out 0x80, al"));
    vm.vmcs(field::GUEST_RFLAGS, 0x202 | TRAP)?;
    let exit = vm.run_to(world, reason::EXCEPTION_OR_NMI)?;
    vm.vmcs(field::GUEST_RFLAGS, 0x202)?;
    expect(vm.run_from(world, exit.rip)?, reason::IO)?;
    let dr6 = vm.runner.exit().registers[0] & 0xffff;
    check!(dr6 == 0x0ff0 | SINGLE_STEP, "DR6 is {dr6:#x} after a step");
    Ok(())
}

/// Where the guest of the last case has a breakpoint.
const BREAKPOINT: u64 = 0x8100;
