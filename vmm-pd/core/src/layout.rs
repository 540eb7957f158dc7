//! The guest-physical map: where RAM ends, where each table that is handed
//! over at the start lies, what is a device.
//!
//! The numbers themselves are in [`numbers`], shared with `build.rs`. The
//! surprising fact: guest RAM is one piece from zero, so the ISA hole
//! (0xA0000-0xFFFFF) is RAM too; only the memory map keeps guests out of it.

pub mod numbers;

use core::fmt;

use crate::types::Gpa;
use numbers as n;

/// How much RAM a guest has. Holding one proves that it fits the map: whole
/// pages, between [`numbers::RAM_MIN`] and [`numbers::RAM_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RamSize(u64);

/// A size of RAM that the map has no place for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRamSize(
    /// In bytes.
    pub u64,
);

impl RamSize {
    /// # Errors
    /// Less than the least, more than the most, or not whole pages.
    pub const fn new(bytes: u64) -> Result<Self, BadRamSize> {
        if bytes < n::RAM_MIN || bytes > n::RAM_MAX || !bytes.is_multiple_of(n::PAGE) {
            return Err(BadRamSize(bytes));
        }
        Ok(RamSize(bytes))
    }

    /// In bytes; also the first address above RAM.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The first address above RAM.
    pub const fn end(self) -> Gpa {
        Gpa(self.0)
    }
}

impl fmt::Display for BadRamSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the guest's RAM is {:#x} bytes, but must be between {} MiB and {} MiB in whole \
             4 KiB pages: correct the size of the guest's memory region in the system description",
            self.0,
            n::RAM_MIN / n::MIB,
            n::RAM_MAX / n::MIB
        )
    }
}

/// A range of guest-physical addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Span {
    /// From `start` up to, and without, `end`.
    pub const fn new(start: u64, end: u64) -> Self {
        Span { start, end }
    }

    /// Length in bytes.
    pub const fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the two share an address.
    pub const fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether `other` lies wholly inside.
    pub const fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end && other.start <= other.end
    }
}

/// What lies in RAM below 1 MiB before the first instruction.
pub const LOW_TABLES: [(&str, Span); 9] = [
    ("BIOS data area", Span::new(n::BDA, n::BDA_END)),
    ("boot GDT", Span::new(n::BOOT_GDT, n::BOOT_GDT_END)),
    ("boot TSS", Span::new(n::BOOT_TSS, n::BOOT_TSS_END)),
    ("PVH start information", Span::new(n::PVH_START_INFO, n::PVH_START_INFO_END)),
    ("zero page", Span::new(n::ZERO_PAGE, n::ZERO_PAGE_END)),
    ("boot page tables", Span::new(n::BOOT_PAGE_TABLES, n::BOOT_PAGE_TABLES_END)),
    ("command line", Span::new(n::COMMAND_LINE, n::COMMAND_LINE_END)),
    ("extended BIOS data area", Span::new(n::EBDA, n::EBDA_END)),
    ("ACPI tables", Span::new(n::ACPI, n::ACPI_END)),
];

/// What answers above RAM, in ascending order.
pub const DEVICES: [(&str, Span); 3] = [
    ("PCI window", Span::new(n::PCI_WINDOW, n::PCI_WINDOW_END)),
    ("I/O APIC", Span::new(n::IOAPIC, n::IOAPIC_END)),
    ("local APIC", Span::new(n::LAPIC, n::LAPIC_END)),
];

/// Where a kernel may be loaded: RAM above 1 MiB.
pub const fn kernel_room(ram: RamSize) -> Span {
    Span::new(n::HIGH_MEMORY, ram.0)
}

/// Places the initial RAM disk: as high as RAM and `highest` (its last
/// admissible byte) allow, on a page, above `kernel_end`.
///
/// # Returns
/// Nothing if it does not fit there.
pub fn place_initrd(ram: RamSize, kernel_end: u64, highest: u64, size: u64) -> Option<Span> {
    let top = ram.bytes().min(highest.saturating_add(1));
    let start = top.checked_sub(size)? / n::PAGE * n::PAGE;
    (start >= kernel_end).then_some(Span::new(start, start + size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn nothing_in_the_map_overlaps() {
        let all: Vec<_> = LOW_TABLES.iter().chain(&DEVICES).collect();
        for (i, (name, span)) in all.iter().enumerate() {
            assert!(span.start < span.end, "{name} is empty");
            for (other, o) in &all[i + 1..] {
                assert!(!span.overlaps(*o), "{name} overlaps {other}");
            }
        }
    }

    #[test]
    fn every_low_table_is_in_the_least_ram_and_below_any_kernel() {
        let ram = RamSize::new(n::RAM_MIN).unwrap();
        for (name, span) in LOW_TABLES {
            assert!(span.end <= n::HIGH_MEMORY, "{name}");
            assert!(!span.overlaps(kernel_room(ram)), "{name}");
        }
    }

    #[test]
    fn what_lies_in_conventional_memory_is_below_the_ebda() {
        for (name, span) in LOW_TABLES {
            let outside = name == "extended BIOS data area" || name == "ACPI tables";
            assert_eq!(span.end <= n::EBDA, !outside, "{name}");
        }
        assert_eq!(n::EBDA_END, n::ISA_HOLE);
    }

    #[test]
    fn the_most_ram_reaches_no_device() {
        let ram = RamSize::new(n::RAM_MAX).unwrap();
        for (name, span) in DEVICES {
            assert!(!span.overlaps(Span::new(0, ram.bytes())), "{name}");
            assert!(span.end <= 4 * n::GIB, "{name}");
        }
    }

    #[test]
    fn no_two_devices_share_a_port() {
        let ports: [(&str, u16, u16); 20] = [
            ("8259 master", n::PIC_MASTER_PORT, 2),
            ("8259 slave", n::PIC_SLAVE_PORT, 2),
            ("ELCR", n::ELCR_PORT, 2),
            ("8254", n::PIT_PORT, 4),
            ("system control B", n::SYSTEM_CONTROL_B_PORT, 1),
            ("keyboard data", n::KEYBOARD_DATA_PORT, 1),
            ("keyboard command", n::KEYBOARD_COMMAND_PORT, 1),
            ("RTC", n::RTC_PORT, 2),
            ("POST", n::POST_PORT, 1),
            ("system control A", n::SYSTEM_CONTROL_A_PORT, 1),
            ("debug console", n::DEBUG_CONSOLE_PORT, 1),
            ("debug exit", n::DEBUG_EXIT_PORT, 4),
            ("COM1", n::COM1_PORT, 8),
            ("pvpanic", n::PVPANIC_PORT, 1),
            ("PM1a event", n::PM1A_EVENT_PORT, 4),
            ("PM1a control", n::PM1A_CONTROL_PORT, 2),
            ("PM timer", n::PM_TIMER_PORT, 4),
            ("GPE0", n::GPE0_PORT, 4),
            // Four ports as a dword; its second byte is the reset register.
            ("PCI address", n::PCI_ADDRESS_PORT, 4),
            ("PCI data", n::PCI_DATA_PORT, 4),
        ];
        for (i, (name, start, count)) in ports.iter().enumerate() {
            for (other, s, c) in &ports[i + 1..] {
                assert!(start + count <= *s || s + c <= *start, "{name} overlaps {other}");
            }
        }
        assert_eq!(n::RESET_CONTROL_PORT, n::PCI_ADDRESS_PORT + 1);
    }

    #[test]
    fn ram_is_whole_pages_within_bounds() {
        for bad in [0, n::RAM_MIN - n::PAGE, n::RAM_MIN + 1, n::RAM_MAX + n::PAGE, u64::MAX] {
            assert_eq!(RamSize::new(bad), Err(BadRamSize(bad)));
        }
        assert_eq!(RamSize::new(n::RAM_MAX).unwrap().end(), Gpa(n::PCI_WINDOW));
    }

    #[test]
    fn an_initrd_lies_as_high_as_allowed_and_above_the_kernel() {
        let ram = RamSize::new(512 * n::MIB).unwrap();
        let at = |kernel_end, highest, size| place_initrd(ram, kernel_end, highest, size);
        assert_eq!(at(n::MIB, 0x7FFF_FFFF, 5000).unwrap().start, 510 * n::MIB + 2 * n::MIB - 8192);
        assert_eq!(at(n::MIB, 0x37F_FFFF, n::PAGE).unwrap().start, 0x37F_F000);
        assert_eq!(at(n::MIB, u64::MAX, n::PAGE).unwrap().end, 512 * n::MIB);
        assert_eq!(at(511 * n::MIB, u64::MAX, n::MIB + 1), None);
        assert_eq!(at(n::MIB, u64::MAX, u64::MAX), None);
        assert_eq!(at(512 * n::MIB, u64::MAX, 0).unwrap().length(), 0);
    }
}
