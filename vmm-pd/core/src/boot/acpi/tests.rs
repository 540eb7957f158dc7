//! The tables as a guest follows them, from the RSDP to the registers that they
//! name; and ACPICA's own opinion of them, where it is installed.

use super::*;
use crate::bus::pio::tests::Bench;
use crate::devices::acpi_pm::bits::PM_TIMER_HZ;
use crate::devices::request::{Request, ResetSource};
use crate::memory::TestMemory;
use crate::types::{Ticks, Width};
use std::process::Command;
use std::vec::Vec;
use std::{eprintln, fs, string::String};

fn installed() -> TestMemory {
    let mut memory = TestMemory::new(n::HIGH_MEMORY as usize);
    install(&mut memory).unwrap();
    memory
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |a, b| a.wrapping_add(*b))
}

/// A table by address, as long as its header says.
fn table(memory: &TestMemory, address: u64) -> &[u8] {
    let at = address as usize;
    let length = number(&memory.0, at + 4, 4) as usize;
    &memory.0[at..at + length]
}

/// All tables by signature: XSDT and what it lists, FACS and DSDT.
fn tables(memory: &TestMemory) -> Vec<&[u8]> {
    let rsdp = &memory.0[RSDP.0 as usize..][..36];
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert_eq!(RSDP.0 % 16, 0);
    assert_eq!((sum(&rsdp[..20]), sum(rsdp)), (0, 0));
    assert_eq!(rsdp[15], 2, "revision");
    let xsdt = table(memory, number(rsdp, 24, 8));
    let mut all = std::vec![xsdt];
    for entry in xsdt[36..].chunks(8) {
        all.push(table(memory, number(entry, 0, 8)));
    }
    let fadt = all.iter().find(|t| t.starts_with(b"FACP")).unwrap();
    let (facs, dsdt) = (number(fadt, 36, 4), number(fadt, 40, 4));
    assert_eq!(number(fadt, 140, 8), dsdt, "X_DSDT");
    assert_eq!(facs % 64, 0);
    all.push(table(memory, facs));
    all.push(table(memory, dsdt));
    all
}

fn named<'a>(tables: &[&'a [u8]], signature: &[u8; 4]) -> &'a [u8] {
    tables.iter().find(|t| t.starts_with(signature)).unwrap()
}

#[test]
fn every_table_is_found_inside_its_room_and_sums_to_zero() {
    let memory = installed();
    let tables = tables(&memory);
    for signature in [b"XSDT", b"FACP", b"APIC", b"FACS", b"DSDT"] {
        let table = named(&tables, signature);
        let start = table.as_ptr() as usize - memory.0.as_ptr() as usize;
        assert!(start as u64 >= n::ACPI && (start + table.len()) as u64 <= n::ACPI_END);
        if signature != b"FACS" {
            assert_eq!(sum(table), 0, "{:?}", core::str::from_utf8(signature));
        }
    }
    assert_eq!(tables.len(), 5);
}

/// A register of the FADT: port and width in bits.
fn register(fadt: &[u8], at: usize) -> (u16, u64) {
    const SYSTEM_IO: u64 = 1;
    assert_eq!(number(fadt, at, 1), SYSTEM_IO);
    (number(fadt, at + 4, 8) as u16, number(fadt, at + 1, 1))
}

#[test]
fn following_the_fadt_reaches_the_devices() {
    let memory = installed();
    let tables = tables(&memory);
    let fadt = named(&tables, b"FACP");
    let mut bench = Bench::new();

    // No SMI: in ACPI mode already.
    assert_eq!(number(fadt, 48, 4), 0);
    let (control, bits) = register(fadt, 172);
    assert_eq!(bits, 16);
    assert_eq!(bench.read(control, Width::Word) & 1, 1);
    // \_S5 in PM1a control powers off.
    let s5 = u32::from(n::SLEEP_TYPE_S5) << 10 | 1 << 13;
    assert_eq!(bench.write(control, Width::Word, s5), Some(Request::PowerOff));

    let (event, bits) = register(fadt, 148);
    assert_eq!(bits, 32);
    bench.devices.pm.press_power_button();
    assert_eq!(bench.read(event, Width::Word), 1 << 8);
    let (gpe, bits) = register(fadt, 220);
    assert_eq!(bits, 32);
    assert_eq!(bench.read(gpe, Width::Dword), 0);

    let (timer, bits) = register(fadt, 208);
    assert_eq!(bits, 32);
    bench.now = Ticks(1_000_000_000);
    assert_eq!(u64::from(bench.read(timer, Width::Dword)), PM_TIMER_HZ);

    let (reset, bits) = register(fadt, 116);
    assert_eq!(bits, 8);
    let expected = Some(Request::Reset(ResetSource::ResetControl));
    assert_eq!(bench.write(reset, Width::Byte, u32::from(fadt[128])), expected);
}

#[test]
fn the_old_and_the_extended_register_addresses_agree() {
    let memory = installed();
    let tables = tables(&memory);
    let fadt = named(&tables, b"FACP");
    // Block, its length in bytes, its extended form (ACPI 6.5, table 5.9).
    for (old, length, extended) in [(56, 88, 148), (64, 89, 172), (76, 91, 208), (80, 92, 220)] {
        let (port, bits) = register(fadt, extended);
        assert_eq!(number(fadt, old, 4), u64::from(port));
        assert_eq!(u64::from(fadt[length]) * 8, bits);
    }
}

#[test]
fn linux_is_told_that_there_is_no_8042_and_no_vga() {
    let memory = installed();
    let tables = tables(&memory);
    let boot_arch = number(named(&tables, b"FACP"), 109, 2);
    assert_eq!(boot_arch & 0b10, 0, "8042");
    assert_eq!(boot_arch & 0b100, 0b100, "VGA not present");
    assert_eq!(boot_arch & 0b10_0000, 0, "there is an RTC");
}

#[test]
fn the_madt_describes_the_interrupt_controllers() {
    let memory = installed();
    let tables = tables(&memory);
    let madt = named(&tables, b"APIC");
    assert_eq!(number(madt, 36, 4), n::LAPIC);
    assert_eq!(number(madt, 40, 4), 1, "the 8259 pair is there");
    let mut rest = &madt[44..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (entry, next) = rest.split_at(rest[1].into());
        found.push(entry);
        rest = next;
    }
    let sci = n::SCI_IRQ;
    let expected: [&[u8]; 5] = [
        &[0, 8, 0, n::LAPIC_ID, 1, 0, 0, 0],
        &[1, 12, n::IOAPIC_ID, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0],
        &[2, 10, 0, n::PIT_IRQ, 2, 0, 0, 0, 0, 0],
        &[2, 10, 0, sci, sci, 0, 0, 0, 0b1101, 0],
        &[4, 6, 0xFF, 0b0101, 0, 1],
    ];
    assert_eq!(found, expected);
}

/// ACPICA reads the tables back into source and compiles that without a word.
#[test]
fn acpica_finds_nothing_to_remark() {
    if Command::new("iasl").arg("-v").output().is_err() {
        eprintln!("skipped: iasl is not installed (Debian: apt install acpica-tools)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let memory = installed();
    for table in tables(&memory) {
        let name = core::str::from_utf8(&table[..4]).unwrap();
        fs::write(folder.path().join(name), table).unwrap();
        let run = |argument: &[&str]| {
            let output = Command::new("iasl").current_dir(&folder).args(argument).output().unwrap();
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{name}: {text}");
            text
        };
        let text = run(&["-d", name]);
        assert!(!text.contains("Warning") && !text.contains("Error"), "{name}: {text}");
        let source = std::format!("{name}.dsl");
        let text = run(&[&source]);
        assert!(text.contains("0 Errors, 0 Warnings, 0 Remarks"), "{name}: {text}");
    }
}
