//! What is said of a guest that is stopped, for whoever must find out why.
//!
//! Lines of plain ASCII, each short enough for a status line. It costs kernel
//! calls without restraint: the guest will not run again. The surprising fact:
//! reading the code at RIP may set accessed bits in the guest's page tables, as
//! an instruction fetch would have.

use core::fmt::{self, Write};

use crate::control::{CR0_HOST_OWNED, in_64_bit_mode};
use crate::cpu::{Cpu, Gpr, SegmentRegister, StateField};
use crate::exit::ExitMessage;
use crate::memory::GuestMemory;
use crate::outcome::StopReason;
use crate::types::Gva;
use crate::vm::Vm;
use crate::walk::{Access, AccessKind, Paging};
use statistics::{Counter, Exit, Snapshot, reason_name};

/// Bytes shown at RIP.
const CODE_BYTES: u64 = 16;

/// Writes the report, line by line.
///
/// # Errors
/// Only those of `out`.
pub fn write(
    out: &mut impl Write,
    reason: StopReason,
    vm: &Vm,
    cpu: &mut impl Cpu,
    memory: &mut impl GuestMemory,
) -> fmt::Result {
    writeln!(out, "{reason}")?;
    let counted = vm.statistics.snapshot();
    last_exit(out, &counted)?;
    registers(out, cpu)?;
    control_registers(out, vm, cpu)?;
    segments(out, cpu)?;
    code(out, vm, cpu, memory)?;
    counts(out, vm, &counted)?;
    history(out, &counted)
}

fn last_exit(out: &mut impl Write, counted: &Snapshot) -> fmt::Result {
    match counted.last().next() {
        Some(exit) => {
            writeln!(out, "exit {}", Shown(exit))?;
            writeln!(out, "exit is {:?}", parsed(exit))
        }
        None => writeln!(out, "the guest has not run yet"),
    }
}

fn registers(out: &mut impl Write, cpu: &mut impl Cpu) -> fmt::Result {
    let rip = cpu.rip();
    writeln!(out, "rip {rip:016x} rflags {:08x}", cpu.state(StateField::Rflags))?;
    for group in GROUPS {
        for (n, (name, register)) in group.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(out, "{space}{name} {:016x}", cpu.gpr(*register))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

const GROUPS: [[(&str, Gpr); 4]; 4] = [
    [("rax", Gpr::Rax), ("rbx", Gpr::Rbx), ("rcx", Gpr::Rcx), ("rdx", Gpr::Rdx)],
    [("rsi", Gpr::Rsi), ("rdi", Gpr::Rdi), ("rbp", Gpr::Rbp), ("rsp", Gpr::Rsp)],
    [("r8 ", Gpr::R8), ("r9 ", Gpr::R9), ("r10", Gpr::R10), ("r11", Gpr::R11)],
    [("r12", Gpr::R12), ("r13", Gpr::R13), ("r14", Gpr::R14), ("r15", Gpr::R15)],
];

/// CR0 and CR4 as the guest reads them.
fn control_registers(out: &mut impl Write, vm: &Vm, cpu: &mut impl Cpu) -> fmt::Result {
    let mut seen = |real, shadow, owned: u64| {
        let real = cpu.state(real);
        real & !owned | cpu.state(shadow) & owned
    };
    let cr0 = seen(StateField::Cr0, StateField::Cr0Shadow, CR0_HOST_OWNED);
    let owned = vm.cpuid.cr4_policy().host_owned();
    let cr4 = seen(StateField::Cr4, StateField::Cr4Shadow, owned);
    let cr3 = cpu.state(StateField::Cr3);
    let cr8 = vm.devices.interrupts.cr8();
    let efer = cpu.state(StateField::Efer);
    writeln!(out, "cr0 {cr0:08x} cr3 {cr3:016x} cr4 {cr4:08x} cr8 {cr8:x} efer {efer:04x}")?;
    let interruptibility = cpu.state(StateField::Interruptibility);
    let activity = cpu.state(StateField::ActivityState);
    let dr7 = cpu.state(StateField::Dr7);
    writeln!(out, "interruptibility {interruptibility:x} activity {activity:x} dr7 {dr7:x}")
}

fn segments(out: &mut impl Write, cpu: &mut impl Cpu) -> fmt::Result {
    for register in SegmentRegister::ALL {
        let s = cpu.segment(register);
        let name = match register {
            SegmentRegister::Es => "es",
            SegmentRegister::Cs => "cs",
            SegmentRegister::Ss => "ss",
            SegmentRegister::Ds => "ds",
            SegmentRegister::Fs => "fs",
            SegmentRegister::Gs => "gs",
            SegmentRegister::Ldtr => "ldtr",
            SegmentRegister::Tr => "tr",
        };
        writeln!(
            out,
            "{name:4} {:04x} base {:016x} limit {:08x} rights {:05x}",
            s.selector, s.base, s.limit, s.access_rights
        )?;
    }
    for (name, base, limit) in [
        ("gdtr", StateField::GdtrBase, StateField::GdtrLimit),
        ("idtr", StateField::IdtrBase, StateField::IdtrLimit),
    ] {
        let base = cpu.state(base);
        writeln!(out, "{name}      base {base:016x} limit {:08x}", cpu.state(limit))?;
    }
    Ok(())
}

/// The bytes at RIP, as far as they can be read.
fn code(
    out: &mut impl Write,
    vm: &Vm,
    cpu: &mut impl Cpu,
    memory: &mut impl GuestMemory,
) -> fmt::Result {
    let base = if in_64_bit_mode(cpu) { 0 } else { cpu.segment(SegmentRegister::Cs).base };
    let start = base.wrapping_add(cpu.rip());
    write!(out, "code")?;
    let paging = match Paging::of(cpu, vm.cpuid.max_physical()) {
        Ok(paging) => paging,
        Err(fault) => return writeln!(out, ": {fault}"),
    };
    // A read with RFLAGS.AC set: neither NX nor SMEP nor SMAP hides anything.
    let access = Access { kind: AccessKind::Read, user: false, ac: true };
    for n in 0..CODE_BYTES {
        let mut byte = [0];
        let at = paging.translate(memory, Gva(start.wrapping_add(n)), access);
        match at {
            Ok(gpa) if memory.read(gpa, &mut byte).is_ok() => write!(out, " {:02x}", byte[0])?,
            Ok(gpa) => return writeln!(out, " (no RAM at {:#x})", gpa.0),
            Err(_) => return writeln!(out, " (not mapped)"),
        }
    }
    writeln!(out)
}

/// Writes how often the guest exited, by reason.
///
/// # Errors
/// Only those of `out`.
pub fn exits(out: &mut impl Write, counted: &Snapshot) -> fmt::Result {
    write!(out, "exits {}", counted.total())?;
    for (n, (reason, count)) in counted.by_reason().enumerate() {
        // As many as a status line surely holds.
        match n % 8 {
            0 if n > 0 => write!(out, "\nexits, further: ")?,
            0 => write!(out, ": ")?,
            _ => write!(out, ", ")?,
        }
        match reason.map(|number| (number, reason_name(number))) {
            Some((_, Some(name))) => write!(out, "{name} {count}")?,
            Some((number, None)) => write!(out, "reason {number} {count}")?,
            None => write!(out, "others {count}")?,
        }
    }
    writeln!(out)?;
    match counted.get(Counter::PassedInterrupts) {
        0 => Ok(()),
        passed => writeln!(out, "interrupts of its own devices {passed}"),
    }
}

fn counts(out: &mut impl Write, vm: &Vm, counted: &Snapshot) -> fmt::Result {
    exits(out, counted)?;
    writeln!(
        out,
        "interrupts {} notifications {} host NMIs {} restarts {}",
        counted.get(Counter::Interrupts),
        counted.get(Counter::Notifications),
        counted.get(Counter::HostNmis),
        vm.restarts()
    )?;
    writeln!(
        out,
        "unclaimed ports {} addresses {} unknown MSRs {} (last {:x})",
        vm.devices.unclaimed_ports,
        vm.devices.unclaimed_addresses,
        counted.get(Counter::UnknownMsrs),
        counted.get(Counter::LastUnknownMsr)
    )
}

fn history(out: &mut impl Write, counted: &Snapshot) -> fmt::Result {
    for exit in counted.last().skip(1) {
        writeln!(out, "before {}", Shown(exit))?;
    }
    Ok(())
}

/// An exit on a line.
struct Shown(Exit);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exit { reason, rip, qualification, guest_physical } = self.0;
        write!(f, "{} rip {rip:016x} qual {qualification:x}", reason.cast_signed())?;
        // Reasons that have a guest-physical address.
        if reason == 48 || reason == 49 {
            write!(f, " gpa {guest_physical:x}")?;
        }
        Ok(())
    }
}

fn parsed(exit: Exit) -> crate::exit::Exit {
    ExitMessage {
        reason: exit.reason,
        qualification: exit.qualification,
        guest_physical: exit.guest_physical,
        ..ExitMessage::default()
    }
    .parse()
}

#[cfg(test)]
mod tests;
