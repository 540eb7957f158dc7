//! A guest's state: what is saved, what its VMM may set, where it goes on.

use sel4::{
    IpcBuffer,
    abi::{
        EntryRegisters, VmEntry, VmReturn,
        current::{numbers::vmenter, vm_enter},
    },
    vmx::{entry, field},
};
use sel4_root_task::init_caps;

use crate::{
    guest::{CODE, guest},
    thread::Exit,
    verdict::{Verdict, check},
    vm::{DATA, Mode, OWN_VCPU, Vm, expect, reason},
    world::World,
};

/// Bytes of `out 0x80, al`, with which guests exit.
const OUT: u64 = 2;

/// r8 to r15 are the guest's: an exit reports them, `WriteRegisters` sets them.
pub fn registers_r8_to_r15(world: &mut World) -> Verdict {
    let code = guest!(
        ".code64",
        "mov r8, 0x0808080808080808",
        "mov r9, 0x0909090909090909",
        "mov r10, 0x1010101010101010",
        "mov r11, 0x1111111111111111",
        "mov r12, 0x1212121212121212",
        "mov r13, 0x1313131313131313",
        "mov r14, 0x1414141414141414",
        "mov r15, 0x1515151515151515",
        "out 0x80, al",
        "mov ebx, 0x9000",
        "mov [rbx], r8",
        "mov [rbx + 8], r9",
        "mov [rbx + 16], r10",
        "mov [rbx + 24], r11",
        "mov [rbx + 32], r12",
        "mov [rbx + 40], r13",
        "mov [rbx + 48], r14",
        "mov [rbx + 56], r15",
        "out 0x80, al",
    );
    const HIGH: usize = 7;
    let mut vm = Vm::new(world, Mode::Long, code)?;
    let exit = vm.run_to(world, reason::IO)?;
    let wanted = [8, 9, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15].map(|n: u64| n * 0x0101_0101_0101_0101);
    check!(exit.registers[HIGH..] == wanted, "reported {:x?}", &exit.registers[HIGH..]);
    let set: [u64; 15] = core::array::from_fn(|n| 0xabcd_0000_0000_0000 | n as u64);
    vm.set_registers(set, None)?;
    expect(vm.run_from(world, exit.rip + OUT)?, reason::IO)?;
    let got: [u64; 8] = core::array::from_fn(|n| vm.read(DATA + 8 * n as u64));
    check!(got == set[HIGH..], "the guest had {got:x?}");
    Ok(())
}

/// A VMM may start its guest in 64-bit mode, with the guest's own EFER.
pub fn long_mode(world: &mut World) -> Verdict {
    let code = guest!(".code64", "mov rax, 0x123456789abcdef0", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Long, code)?;
    let written = vm.vmcs(field::ENTRY_CONTROLS, entry::IA32E_MODE.into())?;
    check!(written & u64::from(entry::IA32E_MODE) != 0, "entry controls are {written:#x}");
    let exit = vm.run_to(world, reason::IO)?;
    check!(exit.registers[0] == 0x1234_5678_9abc_def0, "rax is {:#x}", exit.registers[0]);
    // A guest without long mode has none, though its host does.
    let mut vm = Vm::new(world, Mode::Protected, guest!(".code32", "out 0x80, al"))?;
    vm.run_to(world, reason::IO)?;
    let efer = vm.vcpu.read_vmcs(field::GUEST_EFER)?;
    check!(efer == 0, "EFER of a 32-bit guest is {efer:#x}");
    Ok(())
}

/// An injected exception brings its error code.
pub fn error_code(world: &mut World) -> Verdict {
    const GENERAL_PROTECTION: u8 = 13;
    const HANDLER: u64 = CODE + 0x100;
    // Valid, error code, hardware exception (SDM vol. 3C, table 25-17).
    const INJECT: u32 = 1 << 31 | 1 << 11 | 3 << 8 | GENERAL_PROTECTION as u32;
    let mut vm = Vm::new(world, Mode::Protected, guest!(".code32", "4: jmp 4b"))?;
    vm.load(HANDLER, guest!(".code32", "pop eax", "out 0x80, al"));
    vm.set_gate(GENERAL_PROTECTION, HANDLER);
    vm.vmcs(field::ENTRY_EXCEPTION_ERROR_CODE, 0x5678)?;
    vm.runner.set_interruption(INJECT);
    let exit = vm.run_to(world, reason::IO)?;
    check!(exit.registers[0] as u32 == 0x5678, "the error code is {:#x}", exit.registers[0]);
    Ok(())
}

/// A guest may start in real mode.
pub fn real_mode(world: &mut World) -> Verdict {
    // As 32-bit code these bytes would be other instructions.
    let code = guest!(".code16", "mov ax, 0x1234", "mov bx, 0x5678", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Real, code)?;
    let exit = vm.run_to(world, reason::IO)?;
    let got = [exit.registers[0] as u16, exit.registers[1] as u16];
    check!(got == [0x1234, 0x5678], "ax and bx are {got:x?}");
    Ok(())
}

/// Runs this task's own guest to an exit. An alarm of an earlier case may come
/// first; the registers are taken all the same.
fn enter(entry: &mut VmEntry, registers: EntryRegisters) -> VmReturn {
    match vm_enter(OWN_VCPU, entry, registers) {
        VmReturn::Notification(_) => vm_enter(OWN_VCPU, entry, EntryRegisters::Kept),
        exit @ VmReturn::Exit(_) => exit,
    }
}

/// VMEnter sets the registers and CR2 if its message is long enough.
pub fn vmenter_registers(world: &mut World) -> Verdict {
    let code = guest!(".code32", "out 0x80, al", "mov eax, cr2", "out 0x80, al");
    let vm = Vm::new(world, Mode::Protected, code)?;
    vm.vcpu.set_tcb(init_caps::TCB)?;
    init_caps::TCB.set_ept_root(vm.ept)?;
    // This task runs the guest itself, and nothing must keep it from coming back.
    vm.arm(1_000_000)?;
    let mut entry = VmEntry { rip: CODE, ..VmEntry::default() };
    let first = enter(&mut entry, EntryRegisters::Kept);
    check!(first == VmReturn::Exit(reason::IO), "{first:?} at {:#x}", entry.rip);
    let ipc = IpcBuffer::current();
    ipc.set_mr(vmenter::FAULT_RBX, 0xb0b0_b0b0);
    ipc.set_mr(vmenter::FAULT_RBP, 0xb9b9_b9b9);
    ipc.set_mr(vmenter::CALL_CR2, 0x00c2_c2c2);
    entry.rip += OUT;
    let second = enter(&mut entry, EntryRegisters::FromMessageAndCr2);
    let mr = |n| ipc.mr(n);
    let got = [mr(vmenter::FAULT_RBX), mr(vmenter::FAULT_RBP), mr(vmenter::FAULT_RAX)];
    check!(second == VmReturn::Exit(reason::IO), "{second:?} at {:#x}", entry.rip);
    check!(got == [0xb0b0_b0b0, 0xb9b9_b9b9, 0x00c2_c2c2], "rbx, rbp, cr2 are {got:x?}");
    Ok(())
}

/// The switched MSRs are reached from outside, with values that load.
pub fn switched_msr_access(world: &mut World) -> Verdict {
    const LSTAR: u32 = 0xc000_0082;
    const TSC: u32 = 0x10;
    const VALUE: u64 = 0x0000_7123_4567_89ab;
    let code = guest!(".code32", "mov ecx, 0xc0000082", "rdmsr", "out 0x80, al");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    vm.vcpu.write_msr(LSTAR, VALUE)?;
    let exit = vm.run_to(world, reason::IO)?;
    let Exit { registers: [low, _, _, high, ..], .. } = exit;
    check!(high << 32 | low == VALUE, "the guest reads {high:#x} {low:#x}");
    check!(vm.vcpu.read_msr(LSTAR)? == VALUE, "read back: {:#x}", vm.vcpu.read_msr(LSTAR)?);
    check!(vm.vcpu.write_msr(LSTAR, 1 << 47).is_err(), "a value that does not load is taken");
    check!(vm.vcpu.write_msr(TSC, 0).is_err(), "an MSR of the host is written");
    check!(vm.vcpu.read_msr(TSC).is_err(), "an MSR of the host is read");
    Ok(())
}

/// After a first entry that failed the next one may succeed.
pub fn first_entry_fails(world: &mut World) -> Verdict {
    let mut vm = Vm::new(world, Mode::Protected, guest!(".code32", "out 0x80, al"))?;
    // Bit 1 of RFLAGS must be set.
    vm.vmcs(field::GUEST_RFLAGS, 0)?;
    vm.run_to(world, reason::INVALID_GUEST_STATE)?;
    vm.vmcs(field::GUEST_RFLAGS, 0x202)?;
    vm.run_to(world, reason::IO)?;
    Ok(())
}

/// A guest whose thread is stopped goes on from where it was.
pub fn guest_keeps_its_place(world: &mut World) -> Verdict {
    let code = guest!(".code32", "inc dword ptr [0x9000]", "4: jmp 4b");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    vm.start()?;
    world.pause(200_000)?;
    vm.runner.thread.tcb.suspend()?;
    vm.runner.thread.tcb.resume()?;
    world.pause(200_000)?;
    check!(vm.read(DATA) == 1, "the guest began {} times", vm.read(DATA));
    Ok(())
}
