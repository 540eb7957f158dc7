//! Rows of exceptions that we made exit, which the guest gets back; and of NMIs,
//! which are the host's.

use super::{Handling, Next, low};
use crate::cpu::{Cpu, Exception, StateField};
use crate::events::{BLOCKING_MOV_SS, BLOCKING_STI, Boundary};
use crate::exit::{EventKind, InterruptionInfo};
use crate::memory::GuestMemory;
use crate::outcome::Unhandled;
use crate::outside::Outside;
use crate::types::Vector;
use statistics::Counter;

/// Does what delivery of #DB does besides setting DR6, which the kernel or
/// [`DebugRegisters`](crate::debug_registers::DebugRegisters) has done:
/// DR7.GD and IA32_DEBUGCTL.BTF are cleared (Intel SDM vol. 3B, 18.2.4 and
/// 18.4.3), and the shadow of STI or MOV SS is over. VM entry would refuse the
/// trap flag in a shadow.
pub(super) fn debug_exception_delivered(cpu: &mut impl Cpu) {
    const DR7_GD: u64 = 1 << 13;
    const DEBUGCTL_BTF: u64 = 1 << 1;
    const SHADOW: u64 = (BLOCKING_STI | BLOCKING_MOV_SS) as u64;
    for (field, ends) in [
        (StateField::Dr7, DR7_GD),
        (StateField::DebugControl, DEBUGCTL_BTF),
        (StateField::Interruptibility, SHADOW),
    ] {
        let value = cpu.state(field);
        if value & ends != 0 {
            cpu.set_state(field, value & !ends);
        }
    }
}

impl<C: Cpu, M: GuestMemory, O: Outside> Handling<'_, C, M, O> {
    pub(super) fn exception_or_nmi(&mut self) -> Next {
        let info = InterruptionInfo(low(self.cpu.state(StateField::ExitInterruptionInfo)));
        match (info.kind(), info.vector()) {
            (EventKind::Nmi, _) => {
                // The host's, on a kernel that does not keep them to itself.
                self.vm.statistics.add(Counter::HostNmis, 1);
                Next::GoOn
            }
            (EventKind::HardwareException, Vector(1)) => {
                if let Some(debug) = &mut self.vm.debug {
                    debug.struck(self.message.qualification);
                }
                debug_exception_delivered(self.cpu);
                self.reraise(info, Exception::Debug)
            }
            (EventKind::PrivilegedSoftwareException, Vector(1)) => {
                // INT1: a trap, so the guest stands behind it; DR6 is not set.
                let next = self.next_instruction();
                self.cpu.set_rip(next);
                debug_exception_delivered(self.cpu);
                self.reraise(info, Exception::Debug)
            }
            (EventKind::HardwareException, Vector(17)) => {
                self.reraise(info, Exception::AlignmentCheck)
            }
            (EventKind::HardwareException, Vector(18)) => {
                self.unhandled(Unhandled::HostMachineCheck)
            }
            (
                EventKind::Interrupt
                | EventKind::HardwareException
                | EventKind::SoftwareInterrupt
                | EventKind::PrivilegedSoftwareException
                | EventKind::SoftwareException
                | EventKind::Reserved,
                vector,
            ) => self.unhandled(Unhandled::Exception(vector.0)),
        }
    }

    /// Gives back an exception that we made exit. It may have come while another
    /// event was being delivered, and then the two are combined.
    fn reraise(&mut self, info: InterruptionInfo, exception: Exception) -> Next {
        let interrupted =
            self.vm.events.take_interrupted(self.cpu, self.message.instruction_length);
        if interrupted.is_none() && info.nmi_unblocked_by_iret() {
            // It faulted in an IRET that had already let NMIs through.
            Boundary::of(self.cpu).set_nmi_blocked(self.cpu, true);
        }
        self.raise(exception)
    }
}
