//! The doorbell to the outside: everything of a guest's devices that leaves
//! the VMM. The shell implements it over the queues that `system.xml` grants.

use core::fmt;

use crate::devices::virtio::Device;

/// What lies outside the VMM. Calls queue; the shell notifies peers once, after
/// the exit is handled.
pub trait Outside {
    /// Hands a byte of the guest's console to the serial domain.
    ///
    /// # Returns
    /// Whether there was room; if not, the byte was not taken and
    /// [`Outside`]'s owner calls the VMM when there is.
    fn console_write(&mut self, byte: u8) -> bool;

    /// Takes the next byte typed at the guest's console, if any.
    fn console_read(&mut self) -> Option<u8>;

    /// A byte written to the debug port 0xE9 (Bochs's and QEMU's convention),
    /// for the status line.
    fn debug_write(&mut self, byte: u8);

    /// Whoever serves a virtio device must look at its queues.
    fn ring(&mut self, device: Device);

    /// Something to tell whoever reads reports: a device broke, and who did it. At
    /// most once between two resets of a device.
    fn complain(&mut self, what: fmt::Arguments<'_>);
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
