//! Guest state, read when first asked for.

use sel4_microkit::timestamp_counter;
use vmm_core::{
    control::ENTRY_CONTROLS,
    cpu::{Cpu, Gpr, Segment, SegmentRegister, StateField},
    exit::ExitMessage,
    types::Ticks,
};

use super::{
    Refused, Vtx,
    fields::{Place, message_register, place, segment},
};
use sel4::vmx::{entry, field, primary};

/// Number of [`StateField`]s.
const FIELDS: usize = StateField::TscAux as usize + 1;
const _: () = assert!(FIELDS <= 63, "one bit each, and one for RSP");

/// EFER.LMA: long mode active.
const EFER_LMA: u64 = 1 << 10;

/// What is known of the stopped guest.
#[derive(Debug)]
pub struct Cache {
    known: u64,
    values: [u64; FIELDS],
    rsp: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Cache { known: 0, values: [0; FIELDS], rsp: 0 }
    }
}

impl Cache {
    /// Fields that only the VMM changes; they outlast an entry.
    const LASTING: u64 = 1 << StateField::Cr0Shadow as u32 | 1 << StateField::Cr4Shadow as u32;

    /// The guest is about to run.
    #[inline]
    pub fn forget(&mut self) {
        self.known &= Cache::LASTING;
    }

    /// What came with an exit.
    #[inline]
    pub fn message(&mut self, message: &ExitMessage) {
        self.set(StateField::Rflags, message.rflags);
        self.set(StateField::Interruptibility, message.interruptibility.into());
        self.set(StateField::Cr3, message.cr3);
    }

    /// RSP's bit of `known`, which no field has.
    const RSP: u64 = 1 << 63;

    #[inline]
    fn rsp(&self) -> Option<u64> {
        (self.known & Self::RSP != 0).then_some(self.rsp)
    }

    #[inline]
    fn set_rsp(&mut self, value: u64) {
        self.known |= Self::RSP;
        self.rsp = value;
    }

    #[inline]
    fn get(&self, f: StateField) -> Option<u64> {
        (self.known >> f as u32 & 1 != 0).then(|| self.values[f as usize])
    }

    #[inline]
    fn set(&mut self, f: StateField, value: u64) {
        self.known |= 1 << f as u32;
        self.values[f as usize] = value;
    }
}

impl Vtx {
    /// Reads a field; a refusal is kept for the next entry and reads as zero.
    pub(super) fn read(&mut self, field: u32) -> u64 {
        self.calls += 1;
        self.cap.read_vmcs(field).unwrap_or_else(|error| {
            self.refuse(Refused::Field { field, error });
            0
        })
    }

    /// Writes a field; a refusal is kept for the next entry.
    pub(super) fn write(&mut self, field: u32, value: u64) {
        self.calls += 1;
        if let Err(error) = self.cap.write_vmcs(field, value) {
            self.refuse(Refused::Field { field, error });
        }
    }

    /// Reads a register that the kernel switches.
    fn read_msr(&mut self, msr: u32) -> u64 {
        self.calls += 1;
        self.cap.read_msr(msr).unwrap_or_else(|error| {
            self.refuse(Refused::Field { field: msr, error });
            0
        })
    }

    /// Writes a register that the kernel switches.
    fn write_msr(&mut self, msr: u32, value: u64) {
        self.calls += 1;
        if let Err(error) = self.cap.write_msr(msr, value) {
            self.refuse(Refused::Field { field: msr, error });
        }
    }

    fn set_primary(&mut self, bit: u32, wanted: bool) {
        if wanted {
            self.entry.primary_controls |= u64::from(bit);
        } else {
            self.entry.primary_controls &= !u64::from(bit);
        }
    }
}

impl Cpu for Vtx {
    #[inline]
    fn gpr(&mut self, register: Gpr) -> u64 {
        match message_register(register) {
            Some(n) => self.ipc.mr(n),
            None => match self.cache.rsp() {
                Some(rsp) => rsp,
                None => {
                    let rsp = self.read(field::GUEST_RSP);
                    self.cache.set_rsp(rsp);
                    rsp
                }
            },
        }
    }

    #[inline]
    fn set_gpr(&mut self, register: Gpr, value: u64) {
        match message_register(register) {
            Some(n) => {
                self.ipc.set_mr(n, value);
                self.registers_changed = true;
            }
            None => {
                self.write(field::GUEST_RSP, value);
                self.cache.set_rsp(value);
            }
        }
    }

    #[inline]
    fn rip(&self) -> u64 {
        self.entry.rip
    }

    #[inline]
    fn set_rip(&mut self, rip: u64) {
        self.entry.rip = rip;
    }

    #[inline]
    fn state(&mut self, f: StateField) -> u64 {
        match self.cache.get(f) {
            Some(value) => value,
            None => {
                let value = match place(f) {
                    Place::Vmcs(field) => self.read(field),
                    Place::Msr(msr) => self.read_msr(msr),
                    Place::Nowhere => 0,
                };
                self.cache.set(f, value);
                value
            }
        }
    }

    fn set_state(&mut self, f: StateField, value: u64) {
        if self.cache.get(f) == Some(value) {
            return;
        }
        if let StateField::Efer = f {
            // An entry checks that this control agrees with EFER.LMA (Intel SDM
            // vol. 3C, 27.3.1.1).
            let mode = if value & EFER_LMA != 0 { entry::IA32E_MODE } else { 0 };
            self.write(field::ENTRY_CONTROLS, (ENTRY_CONTROLS | mode).into());
        }
        match place(f) {
            Place::Vmcs(field) => self.write(field, value),
            Place::Msr(msr) => self.write_msr(msr, value),
            Place::Nowhere => {}
        }
        self.cache.set(f, value);
    }

    fn segment(&mut self, register: SegmentRegister) -> Segment {
        let [selector, base, limit, access_rights] = segment(register);
        Segment {
            selector: self.read(selector) as u16,
            base: self.read(base),
            limit: self.read(limit) as u32,
            access_rights: self.read(access_rights) as u32,
        }
    }

    fn access_rights(&mut self, register: SegmentRegister) -> u32 {
        let [_, _, _, access_rights] = segment(register);
        self.read(access_rights) as u32
    }

    fn set_segment(&mut self, register: SegmentRegister, s: Segment) {
        let [selector, base, limit, access_rights] = segment(register);
        self.write(selector, s.selector.into());
        self.write(base, s.base);
        self.write(limit, s.limit.into());
        self.write(access_rights, s.access_rights.into());
    }

    #[inline]
    fn calls(&self) -> u64 {
        self.calls
    }

    #[inline]
    fn now(&self) -> Ticks {
        Ticks(timestamp_counter())
    }

    #[inline]
    fn set_interrupt_window(&mut self, wanted: bool) {
        self.set_primary(primary::INTERRUPT_WINDOW, wanted);
    }

    /// Without virtual NMIs there is no NMI-window exit: the guest is looked at
    /// again soon instead.
    fn set_nmi_window(&mut self, wanted: bool) {
        if self.virtual_nmis {
            self.set_primary(primary::NMI_WINDOW, wanted);
        } else if self.nmi_poll != wanted {
            self.nmi_poll = wanted;
            self.timer.make_due();
        }
    }
}
