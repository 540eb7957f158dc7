//! Controls, and the event that goes with an entry.

use sel4::vmx::{exit, field, pin, secondary};
use sel4_microkit::vcpu::{
    CR2_REGISTER, DEBUG_REGISTERS, EVENT_INSTRUCTION_LENGTH, TSC_AUX, extended_state,
};
use vmm_core::{
    bus::cpuid::{Cpuid, Switchable},
    control::{
        CR0_HOST_OWNED, CR0_PE, ENTRY_CONTROLS, EXITING_EXCEPTIONS, MOV_DR_EXITING,
        PRIMARY_CONTROLS, SECONDARY_CONTROLS,
    },
    cpu::{Cpu, Event, StateField},
    events::EntryWords,
};

use super::{Refused, Vtx};

/// Secondary controls without which a guest still runs, with fewer features.
const OPTIONAL: u32 = secondary::RDTSCP | secondary::INVPCID;

impl Vtx {
    /// Controls that do not change while the guest lives. The kernel forces
    /// what it needs (EPT, I/O and MSR bitmaps, external-interrupt exiting) and
    /// says what it wrote.
    pub(super) fn set_controls(&mut self) {
        let pins = self.require(field::PIN_BASED_CONTROLS, pin::PREEMPTION_TIMER, 0);
        // NMI-window exits exist only with virtual NMIs.
        self.virtual_nmis = pins & u64::from(pin::VIRTUAL_NMIS) != 0;
        // Without a register of the guest's own RDTSCP would read the host's.
        let unwanted = if TSC_AUX { 0 } else { secondary::RDTSCP };
        let wanted = SECONDARY_CONTROLS & !unwanted;
        let granted = self.require(field::SECONDARY_CONTROLS, wanted, OPTIONAL);
        self.switchable = Switchable {
            rdtscp: granted & u64::from(secondary::RDTSCP) != 0,
            invpcid: granted & u64::from(secondary::INVPCID) != 0,
            debug_registers: DEBUG_REGISTERS,
            cr2: CR2_REGISTER.is_some(),
            extended_state: extended_state(),
        };
        self.require(field::EXIT_CONTROLS, exit::SAVE_PREEMPTION_TIMER, 0);
        self.write(field::ENTRY_CONTROLS, ENTRY_CONTROLS.into());
        self.write(field::EXCEPTION_BITMAP, EXITING_EXCEPTIONS.into());
        self.write(field::CR0_MASK, CR0_HOST_OWNED);
        let debug = if DEBUG_REGISTERS { 0 } else { MOV_DR_EXITING };
        self.entry.primary_controls = (PRIMARY_CONTROLS | debug).into();
    }

    /// Keeps the CR4 bits to the host whose features CPUID does not offer.
    pub fn set_cr4_owner(&mut self, cpuid: &Cpuid) {
        self.write(field::CR4_MASK, cpuid.cr4_policy().host_owned());
    }

    /// Sets controls, all of which but the `optional` ones this VMM cannot do
    /// without. Returns what the kernel wrote.
    fn require(&mut self, field: u32, bits: u32, optional: u32) -> u64 {
        let needed = u64::from(bits & !optional);
        self.calls += 1;
        let error = match self.cap.write_vmcs(field, bits.into()) {
            Ok(written) if written & needed == needed => return written,
            Ok(_) => sel4::Error::RangeError,
            Err(error) => error,
        };
        self.refuse(Refused::Field { field, error });
        0
    }

    /// Delivers `event` at the next entry.
    pub fn inject(&mut self, event: Event) {
        // Only exceptions and what is delivered again care for the mode, which
        // may cost a kernel call to know.
        let protected = match event {
            Event::Interrupt(_) | Event::Nmi => true,
            Event::Exception(_) | Event::Redeliver { .. } => {
                self.state(StateField::Cr0) & CR0_PE != 0
            }
        };
        let words = EntryWords::of(event, protected);
        if words.instruction_length.is_some() && !EVENT_INSTRUCTION_LENGTH {
            // A software event whose delivery an exit interrupted. The guest stands
            // at its instruction, and executes it again.
            return;
        }
        self.entry.interruption = words.info.into();
        if let Some(code) = words.error_code {
            self.write(field::ENTRY_EXCEPTION_ERROR_CODE, code.into());
        }
        if let Some(length) = words.instruction_length {
            self.write(field::ENTRY_INSTRUCTION_LENGTH, length.into());
        }
        if let Some(cr2) = words.cr2 {
            match CR2_REGISTER {
                Some(register) => {
                    self.ipc.set_mr(register, cr2);
                    self.registers_changed = true;
                    self.cr2_changed = true;
                }
                None => {
                    self.refuse(Refused::PageFault(cr2));
                }
            }
        }
    }
}
