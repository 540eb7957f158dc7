//! bzImages and Linux's own protocol.

use super::*;
use crate::cpu::Gpr;
use proptest::prelude::*;

/// Sectors of the test images' setup part, without the first.
const SETUP_SECTORS: usize = 3;
const PAYLOAD: usize = (SETUP_SECTORS + 1) * 512;
const PAYLOAD_SIZE: usize = 0x1000;
const PREFERRED: u64 = 16 * n::MIB;
const INIT_SIZE: u64 = 2 * n::MIB;

/// A 64-bit kernel of protocol 2.15, padded as a region is.
pub(super) fn kernel() -> Vec<u8> {
    let mut f = std::vec![0; PAYLOAD + PAYLOAD_SIZE + 333];
    f[0x1F1] = SETUP_SECTORS as u8;
    put(&mut f, 0x1F4, &(PAYLOAD_SIZE as u32 / 16).to_le_bytes());
    put(&mut f, 0x1FA, &0xFFFFu16.to_le_bytes());
    put(&mut f, 0x1FE, &[0x55, 0xAA, 0xEB, 0x6A]);
    put(&mut f, 0x202, b"HdrS");
    put(&mut f, 0x206, &0x020Fu16.to_le_bytes());
    f[0x211] = 1;
    put(&mut f, 0x214, &0x10_0000u32.to_le_bytes());
    put(&mut f, 0x22C, &0x7FFF_FFFFu32.to_le_bytes());
    put(&mut f, 0x230, &0x20_0000u32.to_le_bytes());
    f[0x234] = 1;
    put(&mut f, 0x236, &1u16.to_le_bytes());
    put(&mut f, 0x238, &2047u32.to_le_bytes());
    put(&mut f, 0x250, &0x1234_5678u64.to_le_bytes());
    put(&mut f, 0x258, &PREFERRED.to_le_bytes());
    put(&mut f, 0x260, &(INIT_SIZE as u32).to_le_bytes());
    for (i, byte) in f[PAYLOAD..PAYLOAD + PAYLOAD_SIZE].iter_mut().enumerate() {
        *byte = i as u8 | 1;
    }
    f
}

fn changed(at: usize, value: &[u8]) -> Vec<u8> {
    let mut f = kernel();
    put(&mut f, at, value);
    f
}

#[test]
fn a_64_bit_kernel_is_loaded_where_it_prefers_and_entered_in_64_bit_mode() {
    let (memory, started) = start(&kernel(), Some(b"initrd"));
    let started = started.unwrap();
    assert_eq!(started.protocol, Protocol::Linux { major: 2, minor: 15 });
    assert_eq!(started.entry.mode, Mode::Long64);
    assert_eq!(started.entry.rip, Gpa(PREFERRED + 0x200));
    assert_eq!(started.entry.register, Gpr::Rsi);
    assert_eq!(started.entry.table, Gpa(n::ZERO_PAGE));
    assert_eq!(started.kernel, Span::new(PREFERRED, PREFERRED + INIT_SIZE));
    let loaded = &memory.0[PREFERRED as usize..];
    assert!(loaded[..PAYLOAD_SIZE] == kernel()[PAYLOAD..PAYLOAD + PAYLOAD_SIZE]);
    assert_eq!(loaded[PAYLOAD_SIZE], 0xA5, "the file's padding was copied");
    check_low_memory(&memory);
}

/// Offsets from Documentation/arch/x86/zero-page.rst.
#[test]
fn the_zero_page_is_linuxs() {
    let kernel = kernel();
    let (memory, started) = start(&kernel, Some(b"initrd"));
    let initrd = started.unwrap().initrd.unwrap();
    let page = &memory.0[n::ZERO_PAGE as usize..][..4096];
    assert!(page[0x1F1..0x210] == kernel[0x1F1..0x210], "the header is copied");
    assert_eq!(page[0x210], 0xFF, "type_of_loader");
    assert_eq!(number(page, 0x214, 4), PREFERRED, "code32_start");
    assert_eq!(number(page, 0x218, 4), initrd.start);
    assert_eq!(number(page, 0x21C, 4), 6);
    assert_eq!(number(page, 0x228, 4), n::COMMAND_LINE);
    assert_eq!(number(page, 0x250, 8), 0, "a list that the image made up");
    assert_eq!(number(page, 0x258, 8), PREFERRED);
    assert_eq!(number(page, 0x070, 8), n::ACPI);
    assert_eq!(number(page, 0x1E8, 1), e820::RANGES as u64);
    for (i, range) in e820::map(ram()).iter().enumerate() {
        let entry = 0x2D0 + 20 * i as u64;
        assert_eq!(number(page, entry, 8), range.span.start);
        assert_eq!(number(page, entry + 8, 8), range.span.length());
        assert_eq!(number(page, entry + 16, 4), range.kind as u64);
    }
    // Everything else is zero: Linux clears nothing if the sentinel is zero.
    assert_eq!(page[0x1EF], 0, "sentinel");
    assert!(page[..0x070].iter().chain(&page[0x290..0x2D0]).all(|b| *b == 0));
}

#[test]
fn the_page_tables_map_four_gib_onto_themselves() {
    let (memory, started) = start(&kernel(), None);
    assert!(started.is_ok());
    let m = &memory.0;
    let next = |entry: u64| {
        assert_eq!(entry & 0xFFF, 0b11);
        entry & !0xFFF
    };
    let pdpt = next(number(m, n::BOOT_PAGE_TABLES, 8));
    for gib in 0..4 {
        let directory = next(number(m, pdpt + gib * 8, 8));
        for i in 0..512 {
            let page = number(m, directory + i * 8, 8);
            assert_eq!(page, (gib * n::GIB + i * 2 * n::MIB) | 0x83);
        }
    }
    assert_eq!(number(m, n::BOOT_PAGE_TABLES + 8, 8), 0);
    assert_eq!(number(m, pdpt + 4 * 8, 8), 0);
}

#[test]
fn a_kernel_without_a_64_bit_entry_is_entered_in_32_bit_mode() {
    for kernel in [
        changed(0x236, &[0]),
        // xloadflags means nothing before 2.12.
        changed(0x206, &0x020Bu16.to_le_bytes()),
    ] {
        let started = start(&kernel, None).1.unwrap();
        assert_eq!(started.entry.mode, Mode::Protected32);
        assert_eq!(started.entry.rip, Gpa(PREFERRED));
    }
}

#[test]
fn before_protocol_2_10_a_kernel_lies_at_one_mib() {
    let started = start(&changed(0x206, &0x0206u16.to_le_bytes()), None).1.unwrap();
    assert_eq!(started.kernel, Span::new(n::MIB, n::MIB + PAYLOAD_SIZE as u64));
}

#[test]
fn a_header_shorter_than_ours_says_nothing_beyond_its_end() {
    // It ends at 0x258, before pref_address and init_size: those are code.
    let (memory, started) = start(&changed(0x201, &[0x56]), None);
    let started = started.unwrap();
    assert_eq!(started.kernel.start, n::MIB.next_multiple_of(0x20_0000));
    assert_eq!(number(&memory.0, n::ZERO_PAGE + 0x258, 8), 0);
}

#[test]
fn a_relocatable_kernel_moves_down_if_ram_ends_too_early() {
    let started = start(&changed(0x258, &(RAM - n::PAGE).to_le_bytes()), None).1.unwrap();
    assert_eq!(started.kernel, Span::new(2 * n::MIB, 4 * n::MIB));
    assert_eq!(started.entry.rip, Gpa(2 * n::MIB + 0x200));
}

#[test]
fn a_kernel_that_cannot_move_or_does_not_fit_is_refused() {
    let mut fixed = changed(0x258, &(RAM - n::PAGE).to_le_bytes());
    fixed[0x234] = 0;
    assert!(matches!(refusal(&fixed), BootError::NoRoom { .. }));
    let large = changed(0x260, &u32::MAX.to_le_bytes());
    assert!(matches!(refusal(&large), BootError::NoRoom { .. }));
    let mut odd = changed(0x258, &u64::MAX.to_le_bytes());
    put(&mut odd, 0x230, &3u32.to_le_bytes());
    assert!(matches!(refusal(&odd), BootError::NoRoom { .. }));
}

#[test]
fn the_initrd_stays_below_what_the_kernel_admits() {
    let kernel = changed(0x22C, &(19 * n::MIB as u32 - 1).to_le_bytes());
    let initrd = start(&kernel, Some(&[1; 5000])).1.unwrap().initrd.unwrap();
    assert_eq!(initrd.start, 19 * n::MIB - 2 * n::PAGE);
    let kernel = changed(0x22C, &0u32.to_le_bytes());
    let error = start(&kernel, Some(&[1])).1.unwrap_err();
    assert!(matches!(error, BootError::InitrdNoRoom { .. }));
}

#[test]
fn the_command_line_is_no_longer_than_the_kernel_takes() {
    let error = refusal(&changed(0x238, &5u32.to_le_bytes()));
    assert_eq!(error, BootError::CommandLine { length: 13, most: 5 });
}

#[test]
fn old_protocols_and_zimages_are_refused() {
    let error = refusal(&changed(0x206, &0x0205u16.to_le_bytes()));
    assert_eq!(error, BootError::OldProtocol { major: 2, minor: 5 });
    assert!(matches!(refusal(&changed(0x211, &[0])), BootError::Malformed(_)));
}

#[test]
fn an_image_that_ends_within_its_kernel_is_truncated() {
    let kernel = kernel();
    for length in [0x260, PAYLOAD, PAYLOAD + PAYLOAD_SIZE - 1] {
        let error = refusal(&kernel[..length]);
        assert!(matches!(error, BootError::Truncated { .. }), "{error}");
    }
    assert!(start(&kernel[..PAYLOAD + PAYLOAD_SIZE], None).1.is_ok());
}

#[test]
fn four_setup_sectors_are_what_zero_means() {
    let mut f = kernel();
    f[0x1F1] = 0;
    f.resize(5 * 512 + PAYLOAD_SIZE, 7);
    let (memory, started) = start(&f, None);
    assert!(started.is_ok());
    assert_eq!(memory.0[PREFERRED as usize + PAYLOAD_SIZE - 1], 7);
}

#[test]
fn an_empty_kernel_is_refused() {
    assert!(matches!(refusal(&changed(0x1F4, &[0; 4])), BootError::Malformed(_)));
}

proptest! {
    /// Any header: no panic, nothing written outside RAM.
    #[test]
    fn damaged_headers_are_survived(
        changes in prop::collection::vec((0x1F1usize..0x26C, any::<u8>()), 0..12),
    ) {
        let mut f = kernel();
        for (at, value) in changes {
            f[at] = value;
        }
        prop_assert_eq!(writes_outside(&f, Some(b"initrd")), std::vec![]);
    }

    #[test]
    fn a_header_of_noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0x26C - 0x206)) {
        let mut f = kernel();
        put(&mut f, 0x206, &noise);
        prop_assert_eq!(writes_outside(&f, Some(b"initrd")), std::vec![]);
    }
}
