//! A bench that drives whole exits.

use bulkhead_config::Action;

use super::*;
use crate::bus::cpuid::{Leaf, Switchable};
use crate::cpu::testing::FakeCpu;
use crate::devices::virtio::Models;
use crate::layout::RamSize;
use crate::memory::TestMemory;
use crate::outcome::Policy;
use crate::outside::testing::FakeOutside;
use crate::time::TscFrequency;
use crate::types::Gpa;
use crate::vm::{Arrival, Setup};

/// A machine with its CPU, RAM and console.
pub struct Bench {
    pub vm: Vm,
    pub cpu: FakeCpu,
    pub memory: TestMemory,
    pub console: FakeOutside,
}

/// Its RAM.
pub const RAM: usize = 4 << 20;
/// Where page tables are: PML4, PDPT, and one directory that maps the first GiB.
pub const TABLES: u64 = 0x10_0000;

/// In long mode, where the local APIC's page is mapped.
pub const APIC_LINEAR: u64 = 0xfee0_0000;

impl Bench {
    /// On a kernel that switches everything but extended state.
    pub fn new(cpu: FakeCpu) -> Self {
        let (rdtscp, invpcid, debug_registers) = (true, true, true);
        Self::on(cpu, Switchable { rdtscp, invpcid, debug_registers, cr2: true, extended_state: 0 })
    }

    /// On a kernel that switches this.
    pub fn on(cpu: FakeCpu, switchable: Switchable) -> Self {
        let mut host = |_, _| Leaf { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX };
        let setup = Setup {
            tsc: TscFrequency::new(100_000_000).unwrap(),
            ram: RamSize::new(RAM as u64).unwrap(),
            epoch_seconds: 1_700_000_000,
            policy: Policy {
                on_reset: Action::Restart,
                on_triple_fault: Action::Stop,
                restart_limit: 2,
            },
            host_cpuid: &mut host,
            switchable,
            statistics: statistics::Recorder::host(),
            virtio: Models::default(),
        };
        let vm = Vm::new(setup, Ticks(0));
        Bench { vm, cpu, memory: TestMemory::new(RAM), console: FakeOutside::new() }
    }

    pub fn protected_mode() -> Self {
        Self::new(FakeCpu::protected_mode())
    }

    /// 64-bit code, the first four GiB mapped to themselves.
    pub fn long_mode() -> Self {
        let mut bench = Self::new(FakeCpu::long_mode(TABLES));
        let mut put = |at: u64, value: u64| {
            bench.memory.write(Gpa(at), &value.to_le_bytes()).unwrap();
        };
        put(TABLES, TABLES + 0x1003);
        for gib in 0..4 {
            // A page of 1 GiB, present, writable.
            put(TABLES + 0x1000 + gib * 8, gib << 30 | 0x83);
        }
        bench
    }

    /// An exit with this reason, qualification and instruction length.
    pub fn exit(&mut self, reason: u32, qualification: u64, length: u32) -> Outcome {
        self.exit_at(reason, qualification, length, 0)
    }

    pub fn exit_at(
        &mut self,
        reason: u32,
        qualification: u64,
        instruction_length: u32,
        guest_physical: u64,
    ) -> Outcome {
        let message = ExitMessage {
            reason,
            qualification,
            instruction_length,
            guest_physical,
            rflags: self.cpu.get(StateField::Rflags),
            interruptibility: low(self.cpu.get(StateField::Interruptibility)),
            cr3: self.cpu.get(StateField::Cr3),
        };
        self.cpu.forget();
        let Bench { vm, cpu, memory, console } = self;
        vm.exited(cpu, memory, console, &message)
    }

    pub fn notified(&mut self, arrival: Arrival) -> Outcome {
        self.cpu.forget();
        self.vm.notified(&mut self.cpu, &mut self.memory, &mut self.console, arrival)
    }

    /// OUT to a port.
    pub fn out(&mut self, port: u16, width: u64, value: u64) -> Outcome {
        self.cpu.gprs[0] = value;
        self.exit(30, u64::from(port) << 16 | (width - 1), 1)
    }

    /// IN from a port.
    pub fn input(&mut self, port: u16, width: u64) -> (Outcome, u64) {
        let outcome = self.exit(30, u64::from(port) << 16 | 8 | (width - 1), 1);
        (outcome, self.cpu.gprs[0])
    }

    pub fn wrmsr(&mut self, msr: u64, value: u64) -> Outcome {
        self.cpu.gprs[Gpr::Rcx as usize] = msr;
        self.cpu.gprs[Gpr::Rax as usize] = value & 0xffff_ffff;
        self.cpu.gprs[Gpr::Rdx as usize] = value >> 32;
        self.exit(32, 0, 2)
    }

    pub fn rdmsr(&mut self, msr: u64) -> (Outcome, u64) {
        self.cpu.gprs[Gpr::Rcx as usize] = msr;
        let outcome = self.exit(31, 0, 2);
        (outcome, self.cpu.gprs[Gpr::Rdx as usize] << 32 | self.cpu.gprs[Gpr::Rax as usize])
    }

    pub fn set_rflags(&mut self, rflags: u64) {
        self.cpu.set(StateField::Rflags, rflags);
    }

    /// x2APIC mode, software-enabled, timer in TSC-deadline mode at this vector.
    pub fn enable_apic(&mut self, vector: u64) {
        assert_eq!(self.wrmsr(0x1b, 0xfee0_0d00), Outcome::Resume);
        assert_eq!(self.wrmsr(0x80f, 0x1ff), Outcome::Resume);
        assert_eq!(self.wrmsr(0x832, 2 << 17 | vector), Outcome::Resume);
    }
}
