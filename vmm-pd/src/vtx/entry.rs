//! Controls, and the event that goes with an entry.

use vmm_core::cpu::{Cpu, Event, Exception, StateField};

use super::{Refused, Vtx};
use sel4::vmx::{exit, field, pin, primary, secondary};

/// VM-entry interruption information (Intel SDM vol. 3C, 25.8.3): valid.
const VALID: u64 = 1 << 31;
const ERROR_CODE: u64 = 1 << 11;
const EXTERNAL_INTERRUPT: u64 = 0 << 8;
const NMI: u64 = 2 << 8;
const HARDWARE_EXCEPTION: u64 = 3 << 8;
/// Vector of the non-maskable interrupt.
const NMI_VECTOR: u64 = 2;

/// Bits of CR0 that VMX operation fixes even for an unrestricted guest, so
/// that the guest must see its own: NE.
const CR0_HOST_OWNED: u64 = 1 << 5;
/// Bits of CR4 that VMX operation fixes: VMXE.
const CR4_HOST_OWNED: u64 = 1 << 13;

impl Vtx {
    /// Controls that do not change while the guest lives. The kernel forces
    /// what it needs (EPT, I/O and MSR bitmaps, external-interrupt exiting).
    pub(super) fn set_controls(&mut self) {
        self.require(field::PIN_BASED_CONTROLS, pin::PREEMPTION_TIMER);
        self.require(
            field::SECONDARY_CONTROLS,
            secondary::UNRESTRICTED_GUEST | secondary::RDTSCP | secondary::INVPCID,
        );
        self.require(field::EXIT_CONTROLS, exit::SAVE_PREEMPTION_TIMER);
        self.write(field::ENTRY_CONTROLS, 0);
        self.write(field::CR0_MASK, CR0_HOST_OWNED);
        self.write(field::CR4_MASK, CR4_HOST_OWNED);
        let always = primary::HLT_EXITING
            | primary::RDPMC_EXITING
            | primary::MWAIT_EXITING
            | primary::MONITOR_EXITING;
        self.entry.primary_controls = always.into();
    }

    /// Sets controls that this VMM cannot do without. The kernel grants what
    /// the processor has and says what it wrote.
    fn require(&mut self, field: u32, bits: u32) {
        let refused = match self.cap.write_vmcs(field, bits.into()) {
            Ok(written) if written & u64::from(bits) == u64::from(bits) => return,
            Ok(_) => sel4::Error::RangeError,
            Err(error) => error,
        };
        self.refused.get_or_insert(Refused { field, error: refused });
    }

    /// Delivers `event` at the next entry.
    pub fn inject(&mut self, event: Event) {
        self.entry.interruption = match event {
            Event::Interrupt(vector) => u64::from(vector.0) | EXTERNAL_INTERRUPT | VALID,
            Event::Nmi => NMI_VECTOR | NMI | VALID,
            Event::Exception(exception) => {
                if let Exception::PageFault { address, .. } = exception {
                    self.load_registers();
                    self.cr2 = Some(address);
                }
                let vector = u64::from(exception.vector().0);
                vector | HARDWARE_EXCEPTION | self.error_code(exception.error_code()) | VALID
            }
            Event::Redeliver { info, error_code, instruction_length } => {
                self.write(field::ENTRY_INSTRUCTION_LENGTH, instruction_length.into());
                // Bit 12 says in the vectoring format that NMI unblocking was
                // due; on entry it is reserved.
                let info = u64::from(info) & 0x8000_0fff;
                let code = (info & ERROR_CODE != 0).then_some(error_code);
                info & !ERROR_CODE | self.error_code(code)
            }
        };
        // An entry with an event requires the guest to be active.
        if self.state(StateField::ActivityState) != 0 {
            self.set_state(StateField::ActivityState, 0);
        }
    }

    fn error_code(&mut self, code: Option<u32>) -> u64 {
        match code {
            None => 0,
            Some(code) => {
                self.write(field::ENTRY_EXCEPTION_ERROR_CODE, code.into());
                ERROR_CODE
            }
        }
    }
}
