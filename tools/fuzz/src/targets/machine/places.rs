//! What the steps' numbers stand for: ports, MSRs and device memory with something
//! behind them more often than not, instructions that reach them.

use vmm_core::layout::numbers as n;

use super::{Instruction, Msr, Place, Port, world::RAM};

/// Ports with something behind them.
const PORTS: [u16; 40] = [
    n::COM1_PORT,
    n::COM1_PORT + 1,
    n::COM1_PORT + 2,
    n::COM1_PORT + 3,
    n::COM1_PORT + 4,
    n::COM1_PORT + 5,
    n::COM1_PORT + 6,
    n::COM1_PORT + 7,
    n::PIC_MASTER_PORT,
    n::PIC_MASTER_PORT,
    n::PIC_MASTER_PORT + 1,
    n::PIC_MASTER_PORT + 1,
    n::PIC_SLAVE_PORT,
    n::PIC_SLAVE_PORT + 1,
    n::ELCR_PORT,
    n::ELCR_PORT + 1,
    n::PIT_PORT,
    n::PIT_PORT,
    n::PIT_PORT + 1,
    n::PIT_PORT + 2,
    n::PIT_PORT + 3,
    n::PIT_PORT + 3,
    n::SYSTEM_CONTROL_B_PORT,
    n::RTC_PORT,
    n::RTC_PORT,
    n::RTC_PORT + 1,
    n::RTC_PORT + 1,
    n::KEYBOARD_DATA_PORT,
    n::KEYBOARD_COMMAND_PORT,
    n::PM1A_EVENT_PORT,
    n::PM1A_EVENT_PORT + 2,
    n::PM1A_CONTROL_PORT,
    n::PM_TIMER_PORT,
    n::GPE0_PORT,
    n::SYSTEM_CONTROL_A_PORT,
    n::DEBUG_CONSOLE_PORT,
    n::PCI_ADDRESS_PORT,
    n::PCI_DATA_PORT,
    n::POST_PORT,
    n::PVPANIC_PORT,
];

impl Port {
    pub(super) fn number(self) -> u16 {
        match PORTS.get(usize::from(self.known & 63)) {
            Some(port) => *port,
            None => self.any,
        }
    }

    pub(super) fn qualification(self, input: bool) -> u64 {
        let size = [0, 0, 1, 3][usize::from(self.width & 3)];
        size | u64::from(input) << 3 | u64::from(self.number()) << 16
    }
}

/// MSRs with something behind them: APIC base, TSC deadline, the local APIC's
/// ICR, EOI, timer, TPR and SVR; TSC, MISC_ENABLE, PAT, MTRRs, EFER; KVM's EOI.
const MSRS: [u32; 25] = [
    0x1b,
    0x6e0,
    0x6e0,
    0x830,
    0x83f,
    0x80b,
    0x80b,
    0x832,
    0x835,
    0x836,
    0x838,
    0x83e,
    0x808,
    0x80f,
    0x10,
    0x3b,
    0x1a0,
    0x277,
    0x2ff,
    0x200,
    0xfe,
    0xc000_0080,
    0x8b,
    0x17,
    0x4b56_4d04,
];

impl Msr {
    pub(super) fn number(self) -> u32 {
        match MSRS.get(usize::from(self.known & 31)) {
            Some(msr) => *msr,
            None => self.any,
        }
    }
}

impl Place {
    pub(super) fn gpa(self) -> u64 {
        let page = match self.page & 7 {
            0..4 => n::LAPIC,
            4..6 => n::IOAPIC,
            6 => 0xd000_0000,
            _ => RAM,
        };
        page + u64::from(self.offset & 0xfff)
    }
}

impl Instruction {
    /// A move, a string, an operation on memory at \[RDI], or anything.
    pub(super) fn bytes(self) -> [u8; 15] {
        const KNOWN: [&[u8]; 15] = [
            &[0x89, 0x07],
            &[0x8b, 0x07],
            &[0xc7, 0x07, 0x40, 0, 0, 0],
            &[0x88, 0x07],
            &[0x8a, 0x07],
            &[0x48, 0x89, 0x07],
            &[0x48, 0x8b, 0x07],
            &[0xf3, 0xab],
            &[0xf3, 0xa5],
            &[0x01, 0x07],
            &[0x87, 0x07],
            &[0xff, 0x37],
            &[0x8f, 0x07],
            &[0x0f, 0xb1, 0x0f],
            &[0xf3, 0xa6],
        ];
        let mut bytes = self.any;
        if let Some(code) = KNOWN.get(usize::from(self.known & 15)) {
            for (byte, known) in bytes.iter_mut().zip(*code) {
                *byte = *known;
            }
        }
        bytes
    }
}
