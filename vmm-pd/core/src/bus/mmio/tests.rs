//! Which address leads where.

use super::*;
use crate::bus::pci::Pci;
use crate::devices::acpi_pm::{AcpiPm, TimerWidth};
use crate::devices::i8042::I8042;
use crate::devices::passed::Passed;
use crate::devices::pit::{Pit, SystemControlB};
use crate::devices::rtc::Rtc;
use crate::devices::uart::Uart;
use crate::devices::virtio::{Models, Virtio};
use crate::interrupts::Interrupts;
use crate::layout::RamSize;
use crate::time::TscFrequency;
use crate::vm::Deadlines;
use crate::watched::Watched;

const NOW: Ticks = Ticks(1);
/// Version registers, which no two devices share.
const LAPIC_VERSION: u64 = 0x30;
const IOAPIC_INDEX: u64 = 0;
const IOAPIC_WINDOW: u64 = 0x10;

fn devices() -> Devices {
    let tsc = TscFrequency::new(1_000_000_000).unwrap();
    let ram = RamSize::new(64 * n::MIB).unwrap();
    Devices {
        interrupts: Watched::new(Interrupts::new(tsc, 46)),
        uart: Uart::new(tsc),
        pit: Pit::new(tsc),
        system_control_b: SystemControlB::new(),
        rtc: Rtc::new(tsc, 0, NOW, ram),
        pm: AcpiPm::new(tsc, TimerWidth::Bits32, NOW),
        keyboard: I8042::new(),
        pci: Pci::new(),
        virtio: Virtio::new(Models::default()),
        passed: Passed::default(),
        unclaimed_ports: 0,
        unclaimed_addresses: 0,
        deadlines: Deadlines::default(),
    }
}

fn dword(devices: &mut Devices, at: u64) -> u64 {
    read(devices, Gpa(at), Width::Dword, NOW)
}

#[test]
fn the_io_apic_answers_at_its_page() {
    let mut d = devices();
    write(&mut d, Gpa(n::IOAPIC + IOAPIC_INDEX), Width::Dword, 1, NOW);
    let version = dword(&mut d, n::IOAPIC + IOAPIC_WINDOW);
    assert_eq!(version >> 16, u64::from(n::IOAPIC_PINS) - 1);
    assert_eq!(d.unclaimed_addresses, 0);
}

#[test]
fn the_local_apic_answers_where_its_base_is() {
    let mut d = devices();
    let version = dword(&mut d, n::LAPIC + LAPIC_VERSION);
    assert_ne!(version, 0xffff_ffff);
    let elsewhere = 0xd000_0000;
    let flags = d.interrupts.apic_base() & 0xfff;
    d.interrupts.set_apic_base(elsewhere | flags, NOW).unwrap();
    assert_eq!(dword(&mut d, elsewhere + LAPIC_VERSION), version);
    assert_eq!(dword(&mut d, n::LAPIC + LAPIC_VERSION), 0xffff_ffff);
    assert_eq!(d.unclaimed_addresses, 1);
}

#[test]
fn in_x2apic_mode_the_page_is_nothing() {
    let mut d = devices();
    let base = d.interrupts.apic_base();
    d.interrupts.set_apic_base(base | 1 << 10, NOW).unwrap();
    assert_eq!(dword(&mut d, n::LAPIC + LAPIC_VERSION), 0xffff_ffff);
}

#[test]
fn unassigned_addresses_read_all_ones_of_the_width_and_are_counted() {
    let mut d = devices();
    for (count, width) in [Width::Byte, Width::Word, Width::Dword, Width::Qword].iter().enumerate()
    {
        assert_eq!(read(&mut d, Gpa(0xd000_0000), *width, NOW), width.mask());
        write(&mut d, Gpa(u64::MAX), *width, 0, NOW);
        assert_eq!(d.unclaimed_addresses, 2 * (count as u64 + 1));
    }
}

#[test]
fn the_pages_beside_the_apics_are_nothing() {
    let mut d = devices();
    for at in [n::IOAPIC - 4, n::IOAPIC_END, n::LAPIC - 4, n::LAPIC_END] {
        assert_eq!(dword(&mut d, at), 0xffff_ffff, "{at:#x}");
    }
}
