//! Rows of control and debug registers. What a guest may write, and what it reads,
//! is in [`crate::control`] and [`crate::debug_registers`].

use super::{Handling, Next, exceptions::debug_exception_delivered, low};
use crate::control::{self, Written};
use crate::cpu::{Cpu, Exception, Gpr};
use crate::exit::{ControlRegister, CrAccess, DrAccess, Exit};
use crate::memory::GuestMemory;
use crate::outcome::Unhandled;
use crate::outside::Outside;

impl<C: Cpu, M: GuestMemory, O: Outside> Handling<'_, C, M, O> {
    pub(super) fn control_register(&mut self, access: CrAccess) -> Next {
        let written = match access {
            CrAccess::Write { register: ControlRegister::Cr8, from } => {
                let value = self.cpu.gpr(from);
                if value > 15 {
                    Written::Fault
                } else {
                    self.vm.devices.interrupts.set_cr8(value);
                    Written::Done
                }
            }
            CrAccess::Read { register: ControlRegister::Cr8, to } => {
                let value = self.vm.devices.interrupts.cr8();
                self.cpu.set_gpr(to, value);
                Written::Done
            }
            CrAccess::Write { register: ControlRegister::Cr0, from } => {
                let value = self.cpu.gpr(from);
                control::write_cr0(self.cpu, value)
            }
            CrAccess::Write { register: ControlRegister::Cr4, from: _ } => control::write_cr4(),
            // CR3 is the guest's; reads of CR0 and CR4 come from the shadows; CLTS
            // and LMSW reach only bits that are the guest's.
            CrAccess::Write { register: ControlRegister::Cr3, .. }
            | CrAccess::Read {
                register: ControlRegister::Cr0 | ControlRegister::Cr3 | ControlRegister::Cr4,
                ..
            }
            | CrAccess::Clts
            | CrAccess::Lmsw(_)
            | CrAccess::NoSuchRegister(_) => Written::NotAskedFor,
        };
        match written {
            Written::Done => {
                self.skip();
                Next::GoOn
            }
            Written::RunAgain => Next::GoOn,
            Written::Fault => self.raise(Exception::GeneralProtection(0)),
            Written::NotAskedFor => self.unhandled(Unhandled::Exit(Exit::ControlRegister(access))),
        }
    }

    pub(super) fn xsetbv(&mut self) -> Next {
        let register = low(self.cpu.gpr(Gpr::Rcx));
        let high = self.cpu.gpr(Gpr::Rdx) << 32;
        let value = high | u64::from(low(self.cpu.gpr(Gpr::Rax)));
        let offered = self.vm.cpuid.extended_state().xcr0();
        match control::write_xcr0(self.cpu, offered, register, value) {
            Ok(()) => {
                self.skip();
                Next::GoOn
            }
            Err(exception) => self.raise(exception),
        }
    }

    /// Only a guest whose debug registers are not the processor's is made to exit.
    pub(super) fn debug_register(&mut self, access: DrAccess) -> Next {
        let Some(debug) = &mut self.vm.debug else {
            return self.unhandled(Unhandled::Exit(Exit::DebugRegister(access)));
        };
        match debug.access(self.cpu, access) {
            Ok(()) => {
                self.skip();
                Next::GoOn
            }
            Err(exception) => {
                if exception == Exception::Debug {
                    debug_exception_delivered(self.cpu);
                }
                self.raise(exception)
            }
        }
    }
}
