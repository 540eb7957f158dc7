//! Two guests on one processor, and a guest beside a thread: each must find
//! its own state after the other ran.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use sel4::{Word, vmx::field};

use crate::{
    guest::guest,
    thread::{PRIORITY, Thread},
    verdict::{Failure, Verdict, check},
    vm::{DATA, Mode, Vm, reason},
    world::World,
};

/// How often a guest has looked; how often it found another's state; what the
/// last such was; from where on its own values are.
const LOOKS: u64 = DATA;
const WRONG: u64 = DATA + 8;
const FOUND: u64 = DATA + 16;
const OWN: u64 = DATA + 0x100;

/// Turns that each of two guests gets, and ticks of one.
const TURNS: u32 = 12;
const TURN: u64 = 60_000;

/// Lets two guests run in turns, by their priorities: that needs no time
/// slices. Each must have looked, and found nothing wrong.
fn take_turns(world: &mut World, mut vms: [Vm; 2]) -> Verdict {
    for vm in &mut vms {
        vm.start()?;
    }
    for _ in 0..TURNS {
        for (first, second) in [(0, 1), (1, 0)] {
            vms[first].runner.thread.tcb.set_priority(PRIORITY + 1)?;
            vms[second].runner.thread.tcb.set_priority(PRIORITY)?;
            world.pause(TURN)?;
        }
    }
    world.stop_threads();
    for (n, vm) in vms.iter().enumerate() {
        let [looks, wrong, found] = [LOOKS, WRONG, FOUND].map(|at| vm.read(at));
        check!(looks as u32 > TURNS, "guest {n} looked {looks} times");
        check!(wrong as u32 == 0, "guest {n} was wrong {wrong} times of {looks}: {found:#x}");
    }
    Ok(())
}

/// The MSRs of system calls and IA32_TSC_AUX are each guest's own, and the
/// host's are its own again after an exit.
pub fn system_call_msrs(world: &mut World) -> Verdict {
    let host_aux = tsc_aux();
    let code = guest!(
        ".code32",
        // Sets all, from triples of MSR, low and high half.
        "mov esi, 0x9100",
        "mov edi, 6",
        "4: mov ecx, [esi]",
        "mov eax, [esi + 4]",
        "mov edx, [esi + 8]",
        "wrmsr",
        "add esi, 12",
        "dec edi",
        "jnz 4b",
        "5: mov esi, 0x9100",
        "mov edi, 6",
        "6: mov ecx, [esi]",
        "rdmsr",
        "cmp eax, [esi + 4]",
        "jne 7f",
        "cmp edx, [esi + 8]",
        "je 8f",
        "7: inc dword ptr [0x9008]",
        "mov [0x9010], ecx",
        "mov [0x9014], eax",
        "8: add esi, 12",
        "dec edi",
        "jnz 6b",
        "inc dword ptr [0x9000]",
        "jmp 5b",
    );
    // STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX (SDM vol. 4), each
    // with the bits that its value may have.
    const ALL: [(u64, u64); 6] = [
        (0xc000_0081, u64::MAX),
        (0xc000_0082, 0x7fff_ffff_ffff),
        (0xc000_0083, 0x7fff_ffff_ffff),
        (0xc000_0084, 0xffff_ffff),
        (0xc000_0102, 0x7fff_ffff_ffff),
        (0xc000_0103, 0xffff_ffff),
    ];
    let mut guests = [None, None];
    for (n, guest) in (1..).zip(&mut guests) {
        let vm = Vm::new(world, Mode::Protected, code)?;
        for (k, (msr, mask)) in (0..).zip(ALL) {
            let value = ((0x1357_9bdf_2468_ace1 + k) * n) & mask;
            let at = OWN + 12 * k;
            for (offset, half) in [(0, msr), (4, value), (8, value >> 32)] {
                vm.load(at + offset, &(half as u32).to_le_bytes());
            }
        }
        *guest = Some(vm);
    }
    let [Some(first), Some(second)] = guests else { return Ok(()) };
    take_turns(world, [first, second])?;
    check!(tsc_aux() == host_aux, "the host's TSC_AUX is {:#x}", tsc_aux());
    Ok(())
}

/// This processor's IA32_TSC_AUX, as user level sees it.
fn tsc_aux() -> u32 {
    let mut aux = 0;
    // SAFETY: RDTSCP exists on every processor that has what the kernel needs,
    // and writes to that variable only.
    unsafe { core::arch::x86_64::__rdtscp(&mut aux) };
    aux
}

fn pair(world: &mut World, code: &[u8]) -> Verdict<[Vm; 2]> {
    Ok([Vm::new(world, Mode::Protected, code)?, Vm::new(world, Mode::Protected, code)?])
}

/// CR2 is each guest's own, and its VMM may set it.
pub fn cr2(world: &mut World) -> Verdict {
    let code = guest!(
        ".code32",
        "mov eax, [0x9100]",
        "mov cr2, eax",
        "5: mov eax, cr2",
        "cmp eax, [0x9100]",
        "je 6f",
        "inc dword ptr [0x9008]",
        "mov [0x9010], eax",
        "6: inc dword ptr [0x9000]",
        "jmp 5b",
    );
    let vms = pair(world, code)?;
    vms[0].write(OWN, 0x1111_1000);
    vms[1].write(OWN, 0x2222_2000);
    take_turns(world, vms)?;
    let mut vm =
        Vm::new(world, Mode::Protected, guest!(".code32", "mov eax, cr2", "out 0x80, al"))?;
    vm.set_registers([0; 15], Some(0x0765_4321))?;
    let exit = vm.run_to(world, reason::IO)?;
    check!(exit.registers[0] == 0x0765_4321, "the guest's CR2 is {:#x}", exit.registers[0]);
    Ok(())
}

/// DR0 to DR3 and DR6 are each guest's own.
pub fn debug_registers(world: &mut World) -> Verdict {
    let code = guest!(
        ".code32",
        "mov eax, [0x9100]",
        "mov dr0, eax",
        "mov eax, [0x9104]",
        "mov dr1, eax",
        "mov eax, [0x9108]",
        "mov dr2, eax",
        "mov eax, [0x910c]",
        "mov dr3, eax",
        "mov eax, [0x9110]",
        "mov dr6, eax",
        "5: mov eax, dr0",
        "cmp eax, [0x9100]",
        "jne 6f",
        "mov eax, dr1",
        "cmp eax, [0x9104]",
        "jne 6f",
        "mov eax, dr2",
        "cmp eax, [0x9108]",
        "jne 6f",
        "mov eax, dr3",
        "cmp eax, [0x910c]",
        "jne 6f",
        "mov eax, dr6",
        "cmp eax, [0x9110]",
        "je 7f",
        "6: inc dword ptr [0x9008]",
        "mov [0x9010], eax",
        "7: inc dword ptr [0x9000]",
        "jmp 5b",
    );
    let vms = pair(world, code)?;
    for (n, vm) in (1..).zip(vms) {
        vm.write(OWN, 0x1000_0000 * n + 1);
        vm.load(OWN + 4, &(0x1000_0000 * n as u32 + 2).to_le_bytes());
        vm.load(OWN + 8, &(0x1000_0000 * n as u32 + 3).to_le_bytes());
        vm.load(OWN + 12, &(0x1000_0000 * n as u32 + 4).to_le_bytes());
        // Reserved bits as they read, breakpoint n hit.
        vm.load(OWN + 16, &(0xffff_0ff0 | n as u32).to_le_bytes());
    }
    take_turns(world, vms)
}

/// DR7 outlives an exit.
pub fn dr7(world: &mut World) -> Verdict {
    let code = guest!(
        ".code32",
        "mov eax, 0x401",
        "mov dr7, eax",
        "out 0x80, al",
        "mov eax, dr7",
        "out 0x80, al",
    );
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    let exit = vm.run_to(world, reason::IO)?;
    let exit = vm.run_from(world, exit.rip + 2)?;
    check!(exit.registers[0] == 0x401, "DR7 is {:#x} after an exit", exit.registers[0]);
    check!(vm.vcpu.read_vmcs(field::GUEST_DR7)? == 0x401, "the VMCS holds another");
    Ok(())
}

static COUNTED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: Word) -> ! {
    loop {
        COUNTED.fetch_add(1, SeqCst);
    }
}

/// A guest and a thread of the same priority both get on.
pub fn time_slices(world: &mut World) -> Verdict {
    let code = guest!(".code32", "4: inc dword ptr [0x9000]", "jmp 4b");
    let mut vm = Vm::new(world, Mode::Protected, code)?;
    let thread = Thread::new(world, count, 0)?;
    vm.start()?;
    world.pause(100_000)?;
    thread.tcb.resume()?;
    // Until the thread has had a turn. If the guest never gives the processor
    // up, it was the last.
    world.pause(1_000_000)?;
    let (before, guest_before) = (COUNTED.load(SeqCst), vm.read(DATA));
    world.pause(3_000_000)?;
    let (counted, guest) = (COUNTED.load(SeqCst) - before, vm.read(DATA) - guest_before);
    check!(counted > 1000 && guest > 1000, "the thread counted {counted}, the guest {guest}");
    Ok(())
}

static PROGRESS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

extern "C" fn get_on(number: Word) -> ! {
    loop {
        if let Some(progress) = PROGRESS.get(number as usize) {
            progress.fetch_add(1, SeqCst);
        }
    }
}

/// Stays awake until the tick has come, which makes a gap in a row of moments.
fn awake_over_tick() -> Verdict {
    const GAP: u64 = 300;
    let mut last = sel4::timestamp_counter();
    for _ in 0..1_000_000 {
        let now = sel4::timestamp_counter();
        if now - last > GAP {
            return Ok(());
        }
        last = now;
    }
    Err(Failure::new(format_args!("no tick comes")))
}

/// Two threads take turns, even if another one runs whenever the tick comes.
pub fn turns_of_those_who_wait(world: &mut World) -> Verdict {
    for number in 0..PROGRESS.len() as Word {
        Thread::new(world, get_on, number)?.tcb.resume()?;
    }
    for _ in 0..10 {
        awake_over_tick()?;
        // A quarter of the time to the next.
        world.pause(50_000)?;
    }
    let counted = PROGRESS.each_ref().map(|progress| progress.load(SeqCst));
    check!(counted.iter().all(|n| *n > 1000), "they counted {counted:?}");
    Ok(())
}
