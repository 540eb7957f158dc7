//! End of interrupt without an exit: KVM's paravirtual EOI.
//!
//! The guest names a word of its memory in MSR 4B56_4D04h. Before an entry, if
//! the end of the interrupt in service would have no consequence, the VMM sets
//! bit 0 of that word. A guest that finds the bit set clears it instead of
//! writing the EOI register; the next exit, for whatever reason, makes up for
//! it. Linux does this for every interrupt, so each saves an exit.
//!
//! The surprising fact: nothing here is trusted. The bit is only ever about the
//! guest's own interrupt controller, and a guest that clears it early or never
//! has done no more than it could by the register.
//!
//! Format: Linux, Documentation/virt/kvm/x86/msr.rst, MSR_KVM_EOI_EN.

use serde::{Deserialize, Serialize};

use crate::interrupts::Interrupts;
use crate::memory::GuestMemory;
use crate::types::Gpa;

/// MSR_KVM_EOI_EN.
pub const MSR: u32 = 0x4b56_4d04;

/// Of the register: the word is in use.
const ENABLE: u64 = 1;
/// Of the register: its reserved bit, and what the word's alignment leaves zero.
const RESERVED: u64 = 1 << 1;
/// Of the word: the guest may end the interrupt by clearing this.
const OFFERED: u8 = 1;

/// The register, and whether the bit is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ParavirtualEoi {
    register: u64,
    offered: bool,
}

/// The register refuses a value: #GP(0).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

impl ParavirtualEoi {
    /// The register.
    pub const fn register(&self) -> u64 {
        self.register
    }

    /// Writes the register.
    ///
    /// # Errors
    /// A reserved bit is set, or the word is not all RAM.
    pub fn set_register(&mut self, value: u64, memory: &impl GuestMemory) -> Result<(), Refused> {
        let (first, last) = (Gpa(value & !3), Gpa(value | 3));
        let in_ram = value & ENABLE == 0 || (memory.is_ram(first) && memory.is_ram(last));
        if value & RESERVED != 0 || !in_ram {
            return Err(Refused);
        }
        self.register = value;
        Ok(())
    }

    /// The word's first byte, which has the bit; `None` if it is not in use.
    const fn byte(&self) -> Option<Gpa> {
        if self.register & ENABLE == 0 { None } else { Some(Gpa(self.register & !3)) }
    }

    /// Whether there is something to collect.
    #[inline(always)]
    pub const fn is_offered(&self) -> bool {
        self.offered
    }

    /// To be called first after the guest ran: ends the interrupt that the guest
    /// ended, and takes the offer back that it did not use.
    #[inline]
    pub fn collect(&mut self, interrupts: &mut Interrupts, memory: &mut impl GuestMemory) {
        if self.offered {
            self.offered = false;
            self.look(interrupts, memory);
        }
    }

    #[inline(never)]
    fn look(&mut self, interrupts: &mut Interrupts, memory: &mut impl GuestMemory) {
        let Some(byte) = self.byte() else { return };
        let mut bits = [0];
        // RAM stays RAM: the register was checked when it was written.
        if memory.read(byte, &mut bits).is_err() {
            return;
        }
        if bits[0] & OFFERED == 0 {
            interrupts.end_of_interrupt();
        } else {
            let _ = memory.write(byte, &[bits[0] & !OFFERED]);
        }
    }

    /// To be called last before the guest runs.
    #[inline]
    pub fn offer(&mut self, interrupts: &Interrupts, memory: &mut impl GuestMemory) {
        if interrupts.end_is_silent() {
            self.set(memory);
        }
    }

    #[inline(never)]
    fn set(&mut self, memory: &mut impl GuestMemory) {
        let Some(byte) = self.byte() else { return };
        let mut bits = [0];
        if memory.read(byte, &mut bits).is_ok() {
            self.offered = memory.write(byte, &[bits[0] | OFFERED]).is_ok();
        }
    }
}

#[cfg(test)]
mod tests;
