//! The numbers of the guest's machine: addresses, ports and interrupt lines.
//! Bare constants and no imports, because `build.rs` compiles this file too
//! and writes the same numbers into the ACPI tables: one truth for both.
//!
//! All addresses are guest-physical.

/// 2^10.
pub const KIB: u64 = 1 << 10;
/// 2^20.
pub const MIB: u64 = 1 << 20;
/// 2^30.
pub const GIB: u64 = 1 << 30;
/// Size of a page.
pub const PAGE: u64 = 4 * KIB;

// Low memory: what a PC's firmware would leave there, and what we hand over.

/// BIOS data area (IBM PS/2 and PC BIOS Interface Technical Reference).
pub const BDA: u64 = 0x400;
/// Its end.
pub const BDA_END: u64 = 0x500;
/// Global descriptor table at the first instruction.
pub const BOOT_GDT: u64 = 0x500;
/// Its end: room for eight descriptors.
pub const BOOT_GDT_END: u64 = BOOT_GDT + 8 * 8;
/// Task state segment at the first instruction; only its limit matters.
pub const BOOT_TSS: u64 = 0x600;
/// Its end: 104 bytes (Intel SDM vol. 3A, figure 8-11).
pub const BOOT_TSS_END: u64 = BOOT_TSS + 104;
/// PVH start information, its modules and memory map.
pub const PVH_START_INFO: u64 = 0x6000;
/// Its end.
pub const PVH_START_INFO_END: u64 = PVH_START_INFO + PAGE;
/// Linux's `boot_params`, the "zero page".
pub const ZERO_PAGE: u64 = 0x7000;
/// Its end.
pub const ZERO_PAGE_END: u64 = ZERO_PAGE + PAGE;
/// Identity page tables for a 64-bit entry: one PML4, one PDPT, and a page
/// directory of 2 MiB pages for each of the first four GiB.
pub const BOOT_PAGE_TABLES: u64 = 0x9000;
/// Their end.
pub const BOOT_PAGE_TABLES_END: u64 = BOOT_PAGE_TABLES + 6 * PAGE;
/// The kernel command line with its terminator.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Its end; far above `bulkhead_config::COMMAND_LINE_MAX`.
pub const COMMAND_LINE_END: u64 = COMMAND_LINE + PAGE;
/// Extended BIOS data area, where conventional memory ends.
pub const EBDA: u64 = 0x9_FC00;
/// Its end: one KiB, as its first byte says.
pub const EBDA_END: u64 = EBDA + KIB;
/// Video memory and option ROMs of a PC: nothing answers here that a guest
/// should use.
pub const ISA_HOLE: u64 = 0xA_0000;
/// ACPI tables; the RSDP comes first, on a 16-byte boundary within the area
/// that is searched for it (ACPI 6.5, 5.2.5.1).
pub const ACPI: u64 = 0xE_0000;
/// End of the room for ACPI tables.
pub const ACPI_END: u64 = 0xF_0000;
/// End of the ISA hole and of the BIOS area.
pub const HIGH_MEMORY: u64 = MIB;

// RAM and the hole below 4 GiB.

/// Least RAM: low memory and a little more.
pub const RAM_MIN: u64 = 2 * MIB;
/// Most RAM: it ends where the PCI window begins.
pub const RAM_MAX: u64 = PCI_WINDOW;
/// Addresses that a PCI device's BAR may use.
pub const PCI_WINDOW: u64 = 3 * GIB;
/// End of that window.
pub const PCI_WINDOW_END: u64 = IOAPIC;
/// The I/O APIC (Intel 82093AA, 3.0).
pub const IOAPIC: u64 = 0xFEC0_0000;
/// Its end.
pub const IOAPIC_END: u64 = IOAPIC + PAGE;
/// The local APIC (Intel SDM vol. 3A, 11.4.1).
pub const LAPIC: u64 = 0xFEE0_0000;
/// Its end.
pub const LAPIC_END: u64 = LAPIC + PAGE;

// Ports.

/// First 8259.
pub const PIC_MASTER_PORT: u16 = 0x20;
/// Second 8259.
pub const PIC_SLAVE_PORT: u16 = 0xA0;
/// Its edge/level control registers.
pub const ELCR_PORT: u16 = 0x4D0;
/// 8254.
pub const PIT_PORT: u16 = 0x40;
/// System control port B: PIT channel 2's gate and output.
pub const SYSTEM_CONTROL_B_PORT: u16 = 0x61;
/// Keyboard controller, data.
pub const KEYBOARD_DATA_PORT: u16 = 0x60;
/// Keyboard controller, status and command.
pub const KEYBOARD_COMMAND_PORT: u16 = 0x64;
/// RTC index; data is the next port.
pub const RTC_PORT: u16 = 0x70;
/// Power-on self-test codes; also written for a short delay.
pub const POST_PORT: u16 = 0x80;
/// System control port A: fast reset and A20.
pub const SYSTEM_CONTROL_A_PORT: u16 = 0x92;
/// Debug console (Bochs's and QEMU's convention).
pub const DEBUG_CONSOLE_PORT: u16 = 0xE9;
/// Debug exit (QEMU's `isa-debug-exit` convention), four ports.
pub const DEBUG_EXIT_PORT: u16 = 0xF4;
/// COM1, eight ports.
pub const COM1_PORT: u16 = 0x3F8;
/// pvpanic (QEMU's `docs/specs/pvpanic`).
pub const PVPANIC_PORT: u16 = 0x505;
/// ACPI PM1a event block: status, then enable, two bytes each.
pub const PM1A_EVENT_PORT: u16 = 0x600;
/// ACPI PM1a control block, two bytes.
pub const PM1A_CONTROL_PORT: u16 = 0x604;
/// ACPI power-management timer, four bytes.
pub const PM_TIMER_PORT: u16 = 0x608;
/// ACPI general-purpose event block 0: status, then enable, two bytes each.
pub const GPE0_PORT: u16 = 0x620;
/// PCI configuration address (mechanism 1).
pub const PCI_ADDRESS_PORT: u16 = 0xCF8;
/// Reset control register (Intel PIIX3, 2.5.4), inside the PCI address port.
pub const RESET_CONTROL_PORT: u16 = 0xCF9;
/// PCI configuration data, four ports.
pub const PCI_DATA_PORT: u16 = 0xCFC;
/// Where ports of PCI devices begin: where firmware of PCs puts them.
pub const PCI_PORTS: u16 = 0xC000;

// Interrupt lines, as ISA IRQ numbers. IRQ 0 is GSI 2; every other number is
// its own GSI.

/// 8254 channel 0.
pub const PIT_IRQ: u8 = 0;
/// COM1.
pub const COM1_IRQ: u8 = 4;
/// RTC.
pub const RTC_IRQ: u8 = 8;
/// ACPI system control interrupt; level-triggered, active high.
pub const SCI_IRQ: u8 = 9;
/// First of the I/O APIC's pins that PCI devices' interrupts lead to.
pub const PCI_FIRST_GSI: u8 = 16;
/// How many those are: pin p of device d leads to the one of number (d + p)
/// modulo this, so that neighbours do not share.
pub const PCI_GSIS: u8 = 4;
/// First device number of real devices that the guest drives itself. Their first pins
/// lead to I/O APIC pins of their own, from [`PASSED_FIRST_GSI`] on.
pub const PASSED_FIRST_DEVICE: u8 = 16;
/// First of those pins.
pub const PASSED_FIRST_GSI: u8 = PCI_FIRST_GSI + PCI_GSIS;
/// Pins of the I/O APIC.
pub const IOAPIC_PINS: u8 = 24;
/// The I/O APIC's identity: what its register holds after reset (Intel 82093AA,
/// 3.2.1). It is another space than the local APIC's since the Pentium 4.
pub const IOAPIC_ID: u8 = 0;
/// The one local APIC's identity.
pub const LAPIC_ID: u8 = 0;

// Values that tables and devices share.

/// SLP_TYP of S5.
pub const SLEEP_TYPE_S5: u8 = 5;
/// What resets the machine when written to the reset control register.
pub const RESET_VALUE: u8 = 0x06;
/// CMOS index of the century (FADT CENTURY).
pub const RTC_CENTURY: u8 = 0x32;
