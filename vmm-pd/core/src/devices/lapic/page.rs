//! xAPIC: the registers in a page of memory, one in the first four bytes of
//! each 16 (Intel SDM vol. 3A, 11.4.1, table 11-1).
//!
//! The SDM leaves accesses other than aligned 32-bit ones undefined. Here a
//! read of any width sees the register in bytes 0 to 3 of its 16 and zeros in
//! the rest, and a write that is not an aligned 32-bit one does nothing.

use super::bits::{Register, esr};
use super::state::Mode;
use super::{Effect, Lapic};
use crate::types::{Gpa, Ticks, Width};

impl Lapic {
    /// Where the page is; nowhere outside xAPIC mode.
    pub fn page(&self) -> Option<Gpa> {
        (self.mode == Mode::Xapic).then_some(Gpa(self.page))
    }

    /// Reads at `offset` in the page.
    pub fn read_page(&mut self, offset: u32, width: Width, now: Ticks) -> u64 {
        let Some(register) = self.at(offset) else { return 0 };
        let value = u64::from(self.read_register(register, now));
        (value >> ((offset & 0xF) * 8).min(63)) & width.mask()
    }

    /// Writes at `offset` in the page.
    pub fn write_page(&mut self, offset: u32, width: Width, value: u64, now: Ticks) -> Effect {
        if width != Width::Dword || offset & 0xF != 0 {
            return Effect::None;
        }
        match self.at(offset) {
            Some(register) => self.write_register(register, value as u32, now),
            None => Effect::None,
        }
    }

    /// The register at an offset; where there is none the access is an error
    /// that the APIC logs.
    fn at(&mut self, offset: u32) -> Option<Register> {
        if self.mode != Mode::Xapic {
            return None;
        }
        let index = u8::try_from(offset >> 4).ok();
        match index.and_then(Register::from_index) {
            Some(Register::SelfIpi) | None => {
                self.error(esr::ILLEGAL_REGISTER);
                None
            }
            found => found,
        }
    }
}
