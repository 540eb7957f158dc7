//! The static tables, and all tables as one piece of memory that begins at
//! [`numbers::ACPI`] with the RSDP.

use acpi_tables::{
    Aml,
    facs::FACS,
    fadt::{FADTBuilder, Flags, PmProfile},
    gas::{AccessSize, AddressSpace, GAS},
    madt::{EnabledStatus, IoApic, ProcessorLocalApic},
    rsdp::Rsdp,
    sdt::Sdt,
    xsdt::XSDT,
};

use super::dsdt;
use crate::numbers as n;

/// Who made the tables.
pub const OEM: [u8; 6] = *b"BULKHD";
/// For which machine.
pub const OEM_TABLE: [u8; 8] = *b"BULKHEAD";
/// Revision of what they describe.
pub const OEM_REVISION: u32 = 1;

/// FADT: the machine has devices that only ISA drivers find (ACPI 6.5, table
/// 5.11, LEGACY_DEVICES).
const LEGACY_DEVICES: u16 = 1 << 0;
/// FADT: there is no VGA to probe for (VGA Not Present).
const NO_VGA: u16 = 1 << 2;
/// FADT: latencies that say "no such state" (5.2.9, P_LVL2_LAT, P_LVL3_LAT).
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;

/// MADT: the 8259 pair is there too (table 5.20, PCAT_COMPAT).
const PCAT_COMPAT: u32 = 1 << 0;
/// MADT: active high, level-triggered (table 5.27).
const HIGH_LEVEL: u16 = 0b01 | 0b11 << 2;
/// MADT: active high, edge-triggered.
const HIGH_EDGE: u16 = 0b01 | 0b01 << 2;
/// MADT: all processors.
const ALL_PROCESSORS: u8 = 0xFF;

/// All tables.
pub fn all() -> Vec<u8> {
    // The RSDP comes first, and is known last.
    let mut memory = vec![0; Rsdp::len()];
    let facs = place(&mut memory, &bytes(&FACS::new()));
    let dsdt = place(&mut memory, dsdt::table().as_slice());
    let fadt = place(&mut memory, &bytes(&fadt(facs, dsdt)));
    let madt = place(&mut memory, madt().as_slice());
    let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    let xsdt = place(&mut memory, &bytes(&xsdt));
    let rsdp = bytes(&Rsdp::new(OEM, xsdt));
    memory[..rsdp.len()].copy_from_slice(&rsdp);
    memory
}

/// Appends a table on a 64-byte boundary, which the FACS wants.
fn place(memory: &mut Vec<u8>, table: &[u8]) -> u64 {
    memory.resize(memory.len().next_multiple_of(64), 0);
    let address = n::ACPI + memory.len() as u64;
    memory.extend_from_slice(table);
    address
}

fn bytes(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

fn fadt(facs: u64, dsdt: u64) -> acpi_tables::fadt::FADT {
    let port = |port: u16, bits: u8, access| {
        GAS::new(AddressSpace::SystemIo, bits, 0, access, u64::from(port))
    };
    let mut fadt = FADTBuilder::new(OEM, OEM_TABLE, OEM_REVISION)
        .preferred_pm_profile(PmProfile::Desktop)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        // The power button and the clock's alarm are fixed hardware; there is
        // no sleep button.
        .flag(Flags::SlpButton)
        .flag(Flags::TmrValExt)
        .flag(Flags::ResetRegSup)
        .flag(Flags::Headless);
    // Tables lie below 1 MiB: the old fields hold them.
    fadt.firmware_ctrl = (facs as u32).into();
    fadt.dsdt = (dsdt as u32).into();
    fadt.x_dsdt = dsdt.into();
    fadt.sci_int = u16::from(n::SCI_IRQ).into();
    // SMI_CMD zero: always in ACPI mode.
    fadt.pm1a_evt_blk = u32::from(n::PM1A_EVENT_PORT).into();
    fadt.pm1_evt_len = 4;
    fadt.x_pm1a_evt_blk = port(n::PM1A_EVENT_PORT, 32, AccessSize::WordAccess);
    fadt.pm1a_cnt_blk = u32::from(n::PM1A_CONTROL_PORT).into();
    fadt.pm1_cnt_len = 2;
    fadt.x_pm1a_cnt_blk = port(n::PM1A_CONTROL_PORT, 16, AccessSize::WordAccess);
    fadt.pm_tmr_blk = u32::from(n::PM_TIMER_PORT).into();
    fadt.pm_tmr_len = 4;
    fadt.x_pm_tmr_blk = port(n::PM_TIMER_PORT, 32, AccessSize::DwordAccess);
    fadt.gpe0_blk = u32::from(n::GPE0_PORT).into();
    fadt.gpe0_blk_len = 4;
    fadt.x_gpe0_blk = port(n::GPE0_PORT, 32, AccessSize::ByteAccess);
    fadt.p_lvl2_lat = NO_C2.into();
    fadt.p_lvl3_lat = NO_C3.into();
    fadt.century = n::RTC_CENTURY;
    fadt.iapc_boot_arch = (LEGACY_DEVICES | NO_VGA).into();
    fadt.reset_reg = port(n::RESET_CONTROL_PORT, 8, AccessSize::ByteAccess);
    fadt.reset_value = n::RESET_VALUE;
    fadt.finalize()
}

/// By hand where the crate has no structure: it came from machines without
/// ISA interrupts.
fn madt() -> Sdt {
    let mut madt = Sdt::new(*b"APIC", 36, 5, OEM, OEM_TABLE, OEM_REVISION);
    madt.append_slice(&(n::LAPIC as u32).to_le_bytes());
    madt.append_slice(&PCAT_COMPAT.to_le_bytes());
    let lapic = ProcessorLocalApic::new(dsdt::PROCESSOR_UID, n::LAPIC_ID, EnabledStatus::Enabled);
    lapic.to_aml_bytes(&mut madt);
    IoApic::new(n::IOAPIC_ID, n::IOAPIC as u32, 0).to_aml_bytes(&mut madt);
    // The timer is wired to the second pin, as on every PC; edge, active high,
    // as ISA has it.
    madt.append_slice(&source_override(n::PIT_IRQ, 2, 0));
    madt.append_slice(&source_override(n::SCI_IRQ, n::SCI_IRQ.into(), HIGH_LEVEL));
    madt.append_slice(&local_nmi(1));
    madt
}

/// Interrupt source override (ACPI 6.5, 5.2.12.5).
fn source_override(irq: u8, gsi: u32, flags: u16) -> [u8; 10] {
    const ISA: u8 = 0;
    let [g0, g1, g2, g3] = gsi.to_le_bytes();
    let [f0, f1] = flags.to_le_bytes();
    [2, 10, ISA, irq, g0, g1, g2, g3, f0, f1]
}

/// Local APIC NMI (ACPI 6.5, 5.2.12.7).
fn local_nmi(pin: u8) -> [u8; 6] {
    let [f0, f1] = HIGH_EDGE.to_le_bytes();
    [4, 6, ALL_PROCESSORS, f0, f1, pin]
}
