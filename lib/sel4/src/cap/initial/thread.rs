//! Threads before they first run.

use super::{CNode, EptPml4, Frame, Pml4};
use crate::{
    Word,
    abi::current::numbers::invocation,
    cap::{Notification, Tcb, Vcpu, invoke},
    error::Result,
};

impl Tcb {
    /// Gives a thread its spaces, IPC buffer, fault endpoint and priority. The
    /// fault endpoint's address is resolved in the thread's own space.
    ///
    /// # Errors
    /// A capability is not of its kind, or the priority is above the caller's.
    #[expect(clippy::too_many_arguments, reason = "one invocation, as the kernel has it")]
    pub fn configure(
        self,
        fault_endpoint: Word,
        priority: u8,
        cspace: CNode,
        cspace_guard: Word,
        vspace: Pml4,
        ipc_buffer: Word,
        ipc_frame: Frame,
    ) -> Result {
        invoke(
            self.address(),
            invocation::TCB_CONFIGURE,
            [fault_endpoint, priority.into(), cspace_guard, 0, ipc_buffer],
            [cspace.address(), vspace.address(), ipc_frame.address()],
        )
        .map(drop)
    }

    /// Sets the priority.
    ///
    /// # Errors
    /// Above the caller's.
    pub fn set_priority(self, priority: u8) -> Result {
        invoke(self.address(), invocation::TCB_SET_PRIORITY, [priority.into()], []).map(drop)
    }

    /// Lets the thread receive this notification while it waits for messages
    /// or runs its guest.
    ///
    /// # Errors
    /// Either is bound already.
    pub fn bind_notification(self, notification: Notification) -> Result {
        invoke(self.address(), invocation::TCB_BIND_NOTIFICATION, [], [notification.address()])
            .map(drop)
    }

    /// Sets the guest-physical address space of the thread's guest.
    ///
    /// # Errors
    /// Not an EPT root with an address-space identifier.
    pub fn set_ept_root(self, root: EptPml4) -> Result {
        invoke(self.address(), invocation::TCB_SET_EPT_ROOT, [], [root.address()]).map(drop)
    }
}

impl Vcpu {
    /// Says which thread runs the guest.
    ///
    /// # Errors
    /// Not a thread.
    pub fn set_tcb(self, tcb: Tcb) -> Result {
        invoke(self.address(), invocation::X86_VCPU_SET_TCB, [], [tcb.address()]).map(drop)
    }
}
