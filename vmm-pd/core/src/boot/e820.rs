//! The memory map handed to a guest, as firmware's INT 15h, E820h would give
//! it. Both boot protocols pass the same ranges.

use crate::layout::{RamSize, Span, numbers as n};

/// What a range is (ACPI 6.5, table 15.3; both protocols use the same numbers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// RAM that the guest may use.
    Usable = 1,
    /// Not to be used.
    Reserved = 2,
}

/// One range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// Ranges in a map.
pub const RANGES: usize = 4;

/// The map of a guest with so much RAM, in ascending order.
pub fn map(ram: RamSize) -> [Range; RANGES] {
    let range = |start, end, kind| Range { span: Span::new(start, end), kind };
    [
        range(0, n::EBDA, Kind::Usable),
        range(n::EBDA, n::EBDA_END, Kind::Reserved),
        range(n::ACPI, n::HIGH_MEMORY, Kind::Reserved),
        range(n::HIGH_MEMORY, ram.bytes(), Kind::Usable),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{DEVICES, LOW_TABLES};

    fn ram(bytes: u64) -> RamSize {
        RamSize::new(bytes).unwrap()
    }

    #[test]
    fn ranges_ascend_without_overlap_and_none_is_empty() {
        for bytes in [n::RAM_MIN, 512 * n::MIB, n::RAM_MAX] {
            let map = map(ram(bytes));
            assert!(map.iter().all(|r| r.span.length() > 0));
            assert!(map.windows(2).all(|w| w[0].span.end <= w[1].span.start));
        }
    }

    #[test]
    fn usable_ranges_are_ram_and_hold_no_device_or_firmware_table() {
        let map = map(ram(n::RAM_MAX));
        for r in map.iter().filter(|r| r.kind == Kind::Usable) {
            assert!(r.span.end <= n::RAM_MAX);
            assert!(DEVICES.iter().all(|(_, d)| !d.overlaps(r.span)));
            for (name, table) in LOW_TABLES {
                if name == "ACPI tables" || name == "extended BIOS data area" {
                    assert!(!table.overlaps(r.span), "{name}");
                }
            }
        }
    }
}
