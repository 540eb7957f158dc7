//! The one match: exit to outcome.
//!
//! Every exit reason of the SDM has its row in [`handle`]: it is handled, or it
//! becomes the exception that the architecture prescribes, or it stops this guest
//! with a reason that says whose fault it is. Not here: parsing
//! ([`crate::exit`]), devices ([`crate::bus`]), what is delivered next
//! ([`crate::events`]). The surprising fact: most reasons can only occur if a
//! control asks for them, and no control of ours does; those stop the guest
//! rather than guess.

mod exceptions;
mod registers;

use crate::bus::access::Buses;
use crate::bus::cpuid;
use crate::bus::msr::{self, Registers};
use crate::bus::pio;
use crate::control;
use crate::cpu::{Cpu, Exception, Gpr, StateField};
use crate::devices::request::Request;
use crate::emulate::{Completion, Machine, Refusal, Violation, retire_from};
use crate::events::{Boundary, TripleFault};
use crate::exit::{Direction, EptViolation, Exit, ExitMessage, InterruptionInfo, IoAccess};
use crate::memory::GuestMemory;
use crate::outcome::{Outcome, RestartReason, StopReason, Unhandled};
use crate::outside::Outside;
use crate::types::{Msr, Ticks, Width};
use crate::vm::{Timed, Vm};
use crate::walk::AccessKind;
use statistics::Counter;

/// What an exit's handler leaves to be done. Without data, so that it stays in a
/// register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The guest goes on where it stands, RIP included.
    GoOn,
    /// It stands behind HLT.
    Halt,
    /// It does not go on: `Vm::end` says what comes of it.
    End,
}

/// Handles an exit. Inlined to its end, with the rows of the frequent exits: else
/// they cost a tenth more, for calls and results passed in memory.
#[inline(always)]
pub fn handle(
    vm: &mut Vm,
    cpu: &mut impl Cpu,
    memory: &mut impl GuestMemory,
    outside: &mut impl Outside,
    message: &ExitMessage,
) -> Next {
    let now = cpu.now();
    vm.statistics.returned(now.0);
    vm.statistics.record(statistics::Exit {
        reason: message.reason,
        rip: cpu.rip(),
        qualification: message.qualification,
        guest_physical: message.guest_physical,
    });
    vm.advance_if_due(now);
    Handling { vm, cpu, memory, outside, message, now }.row(message.parse())
}

/// The guest executed HLT and stands behind it.
pub(crate) fn halt(vm: &mut Vm, cpu: &mut impl Cpu) -> Outcome {
    let mut boundary = Boundary::of(cpu);
    if boundary.trap_pending() {
        // A single-step trap ends the halt at once.
        return vm.go_on_from(cpu, &mut boundary);
    }
    let nmi =
        !boundary.nmi_blocked() && (vm.events.nmi_waits() || vm.devices.interrupts.nmi_possible());
    if !boundary.interrupts_enabled() && !nmi && !vm.devices.interrupts.init_pending() {
        return Outcome::Stop(StopReason::HaltedForGood);
    }
    vm.halt(cpu, boundary)
}

/// One exit being handled.
struct Handling<'a, C, M, O> {
    vm: &'a mut Vm,
    cpu: &'a mut C,
    memory: &'a mut M,
    outside: &'a mut O,
    message: &'a ExitMessage,
    now: Ticks,
}

impl<C: Cpu, M: GuestMemory, O: Outside> Handling<'_, C, M, O> {
    #[inline(always)]
    fn row(&mut self, exit: Exit) -> Next {
        match exit {
            // The frequent ones.
            Exit::Io(io) => self.io(io),
            Exit::Rdmsr => self.rdmsr(),
            Exit::Wrmsr => self.wrmsr(),
            Exit::EptViolation(violation) => self.ept_violation(violation),
            Exit::Hlt => {
                self.skip();
                Next::Halt
            }
            Exit::Cpuid => self.cpuid(),
            // A device's deadline, whose time has passed already.
            Exit::PreemptionTimer => Next::GoOn,
            // The guest's state changed so that what waits can come; it is chosen
            // after every exit.
            Exit::InterruptWindow | Exit::NmiWindow => Next::GoOn,
            Exit::ControlRegister(access) => self.control_register(access),
            Exit::DebugRegister(access) => self.debug_register(access),

            Exit::ExceptionOrNmi => self.exception_or_nmi(),
            Exit::TripleFault => triple_fault(self.vm),

            // Guest caches are the host's and coherent: there is nothing to write
            // back. INVD must not be executed, it would lose others' data.
            Exit::Invd | Exit::Wbinvd => {
                self.skip();
                Next::GoOn
            }
            // A hint; its exiting is not asked for, and harmless.
            Exit::Pause => {
                self.skip();
                Next::GoOn
            }
            // There are no performance counters (CPUID leaf Ah).
            Exit::Rdpmc => self.raise(Exception::GeneralProtection(0)),
            Exit::Xsetbv => self.xsetbv(),
            // CPUID offers none of these, nor KVM's hypercalls.
            Exit::Vmcall | Exit::Vmx(_) | Exit::Hidden(_) => self.raise(Exception::InvalidOpcode),

            Exit::TaskSwitch(task) => self.unhandled(Unhandled::TaskSwitch(task)),
            Exit::EntryFailure(failure) => self.unhandled(Unhandled::EntryFailure(failure)),

            // The kernel handles the host's interrupts; nothing is left to do.
            Exit::ExternalInterrupt => Next::GoOn,
            // Signals to the host's processor, or controls that nobody set, or the
            // kernel's mistake: going on could only hide it.
            Exit::Init
            | Exit::Sipi(_)
            | Exit::MalformedIo(_)
            | Exit::EptMisconfiguration(_)
            | Exit::NotRequested(_)
            | Exit::Unknown(_) => unhandled_exit(self.vm, *self.message),
        }
    }

    /// The guest did what this VMM does not do.
    #[inline(always)]
    fn unhandled(&mut self, what: Unhandled) -> Next {
        end(self.vm, Outcome::Stop(StopReason::Unhandled(what)))
    }

    /// Moves on behind the instruction that exited, which changed neither RFLAGS
    /// nor interruptibility: they are as the exit said.
    #[inline(always)]
    fn skip(&mut self) {
        let next = self.next_instruction();
        let ExitMessage { rflags, interruptibility, .. } = *self.message;
        retire_from(self.cpu, next, rflags, interruptibility.into());
    }

    /// Where the instruction behind the one that exited begins.
    #[inline(always)]
    fn next_instruction(&mut self) -> u64 {
        let rip = self.cpu.rip();
        let next = rip.wrapping_add(u64::from(self.message.instruction_length));
        // Outside 64-bit mode EIP wraps. Only then is it worth asking.
        if (rip ^ next) >> 32 != 0 { wrapped(self.cpu, rip, next) } else { next }
    }

    /// The guest takes an exception at the instruction that exited.
    fn raise(&mut self, exception: Exception) -> Next {
        match self.vm.events.raise(exception) {
            Ok(()) => Next::GoOn,
            Err(TripleFault) => triple_fault(self.vm),
        }
    }

    #[inline(always)]
    fn cpuid(&mut self) -> Next {
        const APIC_ENABLE: u64 = 1 << 11;
        let leaf = low(self.cpu.gpr(Gpr::Rax));
        let subleaf = low(self.cpu.gpr(Gpr::Rcx));
        let apic = leaf != 1 || self.vm.devices.interrupts.apic_base() & APIC_ENABLE != 0;
        let mut answer = match self.vm.cpuid.look_up(leaf, subleaf, apic) {
            Some(answer) => *answer,
            None => {
                self.vm.statistics.set(Counter::KernelCalls, self.cpu.calls());
                cpuid::counted(leaf, subleaf, &self.vm.statistics)
            }
        };
        if leaf == 1
            && self.vm.cpuid.extended_state().is_offered()
            && self.cpu.state(StateField::Cr4) & control::CR4_OSXSAVE != 0
        {
            answer.ecx |= cpuid::LEAF1_ECX_OSXSAVE;
        }
        self.cpu.set_gpr(Gpr::Rax, u64::from(answer.eax));
        self.cpu.set_gpr(Gpr::Rbx, u64::from(answer.ebx));
        self.cpu.set_gpr(Gpr::Rcx, u64::from(answer.ecx));
        self.cpu.set_gpr(Gpr::Rdx, u64::from(answer.edx));
        self.skip();
        Next::GoOn
    }

    fn registers(&mut self) -> Registers<'_, C, M> {
        Registers {
            cpu: self.cpu,
            state: &mut self.vm.msrs,
            interrupts: &mut self.vm.devices.interrupts,
            eoi: &mut self.vm.eoi,
            memory: self.memory,
            cpuid: &self.vm.cpuid,
            now: self.now,
        }
    }

    fn rdmsr(&mut self) -> Next {
        let msr = Msr(low(self.cpu.gpr(Gpr::Rcx)));
        match self.registers().read(msr) {
            msr::Read::Value(value) => {
                self.cpu.set_gpr(Gpr::Rax, value & 0xffff_ffff);
                self.cpu.set_gpr(Gpr::Rdx, value >> 32);
                self.skip();
                Next::GoOn
            }
            msr::Read::Fault => self.raise(Exception::GeneralProtection(0)),
            msr::Read::Unknown => self.unknown_msr(msr),
        }
    }

    fn wrmsr(&mut self) -> Next {
        let msr = Msr(low(self.cpu.gpr(Gpr::Rcx)));
        let high = self.cpu.gpr(Gpr::Rdx) << 32;
        let value = high | u64::from(low(self.cpu.gpr(Gpr::Rax)));
        let written = self.registers().write(msr, value);
        // Most writes that exit are the local APIC's, and one of those sets its
        // timer.
        self.vm.devices.touched(Timed::Interrupts);
        match written {
            msr::Write::Done => {
                self.skip();
                Next::GoOn
            }
            msr::Write::Fault => self.raise(Exception::GeneralProtection(0)),
            msr::Write::Unknown => self.unknown_msr(msr),
        }
    }

    fn unknown_msr(&mut self, msr: Msr) -> Next {
        self.vm.statistics.add(Counter::UnknownMsrs, 1);
        self.vm.statistics.set(Counter::LastUnknownMsr, msr.0.into());
        self.raise(Exception::GeneralProtection(0))
    }

    #[inline(always)]
    fn io(&mut self, io: IoAccess) -> Next {
        if io.string {
            return self.string_io();
        }
        let devices = &mut self.vm.devices;
        let rax = self.cpu.gpr(Gpr::Rax);
        let request = match io.direction {
            Direction::Out => {
                let value = low(rax & io.width.mask());
                pio::write(devices, io.port, io.width, value, self.now, self.outside)
            }
            Direction::In => {
                let read = pio::read(devices, io.port, io.width, self.now, self.outside);
                let value = u64::from(read) & io.width.mask();
                // A 32-bit result clears the upper half; smaller ones leave the
                // rest alone.
                let kept = if io.width == Width::Dword { 0 } else { rax & !io.width.mask() };
                self.cpu.set_gpr(Gpr::Rax, kept | value);
                None
            }
        };
        self.skip();
        self.answer(request)
    }

    fn string_io(&mut self) -> Next {
        match self.emulate(|machine| machine.complete()) {
            Ok((completion, request)) => self.completed(completion, request),
            Err(refusal) => self.unhandled(Unhandled::PortInstruction(refusal)),
        }
    }

    fn ept_violation(&mut self, violation: EptViolation) -> Next {
        let kind = match violation {
            EptViolation { fetch: true, .. } => AccessKind::Fetch,
            EptViolation { write: true, .. } => AccessKind::Write,
            EptViolation { .. } => AccessKind::Read,
        };
        let access = Violation {
            gpa: violation.gpa,
            kind,
            operand: violation.linear_valid && violation.translated,
        };
        match self.emulate(|machine| machine.complete_mmio(access)) {
            Ok((Completion::Exception(exception), request)) => {
                // Reading this here only keeps the common path free of a kernel
                // call: RAM never faults, so a delivery faults only where the
                // guest put its IDT, TSS or stack into a device.
                match self.interrupted() {
                    Some(info) => self
                        .unhandled(Unhandled::EventDelivery { info: info.0, gpa: violation.gpa }),
                    None => self.completed(Completion::Exception(exception), request),
                }
            }
            Ok((completion, request)) => self.completed(completion, request),
            Err(refusal) => match self.interrupted() {
                Some(info) => {
                    self.unhandled(Unhandled::EventDelivery { info: info.0, gpa: violation.gpa })
                }
                None => self.unhandled(Unhandled::Instruction { gpa: violation.gpa, refusal }),
            },
        }
    }

    fn interrupted(&mut self) -> Option<InterruptionInfo> {
        self.vm.events.take_interrupted(self.cpu, self.message.instruction_length)
    }

    fn completed(&mut self, completion: Completion, request: Option<Request>) -> Next {
        match completion {
            // A part of a repeated instruction: it runs again for the rest.
            Completion::Done | Completion::Partial => self.answer(request),
            Completion::Exception(exception) => match self.answer(request) {
                Next::GoOn => self.raise(exception),
                end @ (Next::Halt | Next::End) => end,
            },
        }
    }

    /// Runs the emulator over the instruction at RIP.
    fn emulate(
        &mut self,
        run: impl FnOnce(&mut Machine<'_, C, M, Buses<'_, O>>) -> Result<Completion, Refusal>,
    ) -> Result<(Completion, Option<Request>), Refusal> {
        let physical = self.vm.cpuid.max_physical();
        let mut buses = Buses {
            devices: &mut self.vm.devices,
            outside: self.outside,
            now: self.now,
            request: None,
        };
        let mut machine = Machine { cpu: self.cpu, memory: self.memory, bus: &mut buses, physical };
        let completion = run(&mut machine);
        let request = buses.request;
        Ok((completion?, request))
    }

    /// Does what a device asked of the machine.
    #[inline(always)]
    fn answer(&mut self, request: Option<Request>) -> Next {
        match request {
            None => Next::GoOn,
            Some(request) => answer_to(self.vm, request),
        }
    }
}

// What follows takes no `Handling`: a reference to it would force it into memory, and
// the exit's message with it, at every exit.

/// The guest does not go on.
#[cold]
fn end(vm: &mut Vm, outcome: Outcome) -> Next {
    vm.end = Some(outcome);
    Next::End
}

#[cold]
fn triple_fault(vm: &mut Vm) -> Next {
    end(vm, vm.restart_or_stop(RestartReason::TripleFault))
}

#[cold]
fn answer_to(vm: &mut Vm, request: Request) -> Next {
    let answer = vm.policy().answer(request, vm.restarts());
    answer.map_or(Next::GoOn, |outcome| end(vm, outcome))
}

/// Parsed again, so that nobody else need keep the whole of it.
#[cold]
fn unhandled_exit(vm: &mut Vm, message: ExitMessage) -> Next {
    end(vm, Outcome::Stop(StopReason::Unhandled(Unhandled::Exit(message.parse()))))
}

/// Behind an instruction that ends in other 4 GiB than it begins in.
#[cold]
fn wrapped(cpu: &mut impl Cpu, rip: u64, next: u64) -> u64 {
    if rip >> 32 == 0 && !control::in_64_bit_mode(cpu) { next & 0xffff_ffff } else { next }
}

const fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
