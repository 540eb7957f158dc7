//! The words in which the kernel tells of an exit, for each step that is one; and
//! what the processor's fields hold then.

use vmm_core::{
    cpu::{Gpr, StateField},
    exit::ExitMessage,
    layout::numbers as n,
    memory::GuestMemory,
    types::Gpa,
};

use super::{Interrupted, Step, world::World};

impl World {
    /// The message of an exit that `step` describes; sets registers for it.
    pub(super) fn message(&mut self, step: Step) -> ExitMessage {
        let mut at = 0;
        let (reason, qualification, length) = match step {
            Step::Out(port, value) => {
                self.cpu.gprs[0] = value.into();
                (30, port.qualification(false), 1)
            }
            Step::In(port) => (30, port.qualification(true), 1),
            Step::StringIo(port, input) => {
                // INSB and OUTSB with REP, between the buffer at RDI or RSI and DX.
                let code = if input { [0xf3, 0x6c] } else { [0xf3, 0x6e] };
                self.put_code(&code);
                self.cpu.gprs[Gpr::Rdx as usize] = port.number().into();
                (30, port.qualification(input) | 0x30, 2)
            }
            Step::Rdmsr(msr) => {
                self.cpu.gprs[Gpr::Rcx as usize] = msr.number().into();
                (31, 0, 2)
            }
            Step::Wrmsr(msr, value) => self.wrmsr(msr.number(), value),
            Step::Apic(register, value) => {
                let write = self.vm.devices.interrupts.lapic_base().is_some();
                if write {
                    at = n::LAPIC + (u64::from(register) << 4);
                    // mov [rdi], eax
                    self.put_code(&[0x89, 0x07]);
                    self.cpu.gprs[0] = value.into();
                    self.cpu.gprs[Gpr::Rdi as usize] = at;
                    (48, 0x182, 2)
                } else {
                    self.wrmsr(0x800 + u32::from(register), value.into())
                }
            }
            Step::Cpuid(leaf, subleaf) => {
                self.cpu.gprs[0] = leaf.into();
                self.cpu.gprs[1] = subleaf.into();
                (10, 0, 2)
            }
            Step::Hlt => (12, 0, 1),
            Step::Expire(at_deadline) => {
                if let Some(deadline) = self.vm.next_deadline().filter(|_| at_deadline) {
                    self.cpu.ticks = self.cpu.ticks.max(deadline);
                }
                (52, 0, 0)
            }
            Step::InterruptWindow => (7, 0, 0),
            Step::NmiWindow => (8, 0, 0),
            Step::Cr(low, high) => (28, u64::from(low) | u64::from(high & 15) << 8, 3),
            Step::Mmio(place, instruction) => {
                at = place.gpa();
                let code = instruction.bytes();
                self.put_code(&code);
                self.cpu.gprs[Gpr::Rdi as usize] = at;
                self.cpu.gprs[Gpr::Rsi as usize] = at;
                (48, if place.write { 0x182 } else { 0x181 }, 0)
            }
            Step::Exception(vector, interrupted) => {
                let vector = [1, 17, 18, vector][usize::from(vector & 3)];
                self.cpu.set(StateField::ExitInterruptionInfo, 0x8000_0300 | u64::from(vector));
                self.cpu.set(StateField::IdtVectoringInfo, self.vectoring(interrupted));
                (0, 0, 1)
            }
            Step::Any(reason, qualification, length) => {
                at = qualification >> 12;
                (u32::from(reason & 0x7f), qualification, u32::from(length & 15))
            }
            Step::Flags(_)
            | Step::Register(..)
            | Step::Paging(_)
            | Step::Notify(_)
            | Step::Type(_)
            | Step::Room(_)
            | Step::Pass(_) => unreachable!("these are no exits"),
        };
        self.words(reason, qualification, length, at)
    }

    pub(super) fn words(
        &self,
        reason: u32,
        qualification: u64,
        instruction_length: u32,
        guest_physical: u64,
    ) -> ExitMessage {
        ExitMessage {
            reason,
            qualification,
            instruction_length,
            guest_physical,
            rflags: self.cpu.get(StateField::Rflags),
            interruptibility: self.cpu.get(StateField::Interruptibility) as u32,
            cr3: self.cpu.get(StateField::Cr3),
        }
    }

    fn wrmsr(&mut self, msr: u32, value: u64) -> (u32, u64, u32) {
        self.cpu.gprs[Gpr::Rcx as usize] = msr.into();
        self.cpu.gprs[Gpr::Rax as usize] = value & 0xffff_ffff;
        self.cpu.gprs[Gpr::Rdx as usize] = value >> 32;
        (32, 0, 2)
    }

    fn put_code(&mut self, code: &[u8]) {
        // RIP may be anywhere; what is not RAM holds no code.
        let _in_ram = self.memory.memory.write(Gpa(self.cpu.rip), code);
    }

    /// IDT-vectoring information (Intel SDM vol. 3C, table 25-19).
    fn vectoring(&self, interrupted: Interrupted) -> u64 {
        const VALID: u64 = 1 << 31;
        match interrupted {
            Interrupted::Nothing | Interrupted::Given => 0,
            Interrupted::Software(vector) => VALID | 4 << 8 | u64::from(vector),
            Interrupted::Exception(vector) => {
                let vector = vector & 31;
                let pushes = matches!(vector, 8 | 10..=14 | 17 | 21);
                let protected = self.cpu.get(StateField::Cr0) & 1 != 0;
                VALID | 3 << 8 | u64::from(pushes && protected) << 11 | u64::from(vector)
            }
        }
    }
}
