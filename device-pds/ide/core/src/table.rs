//! The table that tells the bus master where data goes: physical region
//! descriptors (Bus Master IDE programming interface 1.0, 1.2).

use core::fmt;

use shmem::{ReadWrite, Region};

/// Bytes of an entry: address (u32), bytes (u16, 0 for 64 KiB), flags (u16).
const ENTRY: usize = 8;
/// In the flags: the last entry.
const LAST: u16 = 1 << 15;
/// No entry's memory crosses a multiple of this, nor does the table.
const BOUNDARY: u64 = 1 << 16;

/// Most bytes of one command: keeps a command short, so that a time limit means
/// something.
pub const TRANSFER_MAX: u64 = 1 << 20;

/// Entries for that much, wherever it begins.
const ENTRIES: usize = (TRANSFER_MAX / BOUNDARY) as usize + 1;

/// Why a region cannot hold the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// It is too small.
    Small {
        /// Bytes that it has.
        size: usize,
    },
    /// The bus master cannot address it, or not all of it in one piece.
    Place {
        /// Its I/O address.
        base: u64,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Small { size } => {
                write!(f, "the table's region has {size} bytes, and {} are wanted", ENTRIES * ENTRY)
            }
            TableError::Place { base } => write!(
                f,
                "the table's region at {base:#x} is not aligned to four bytes, crosses a multiple \
                 of 64 KiB or lies above 4 GiB"
            ),
        }
    }
}

/// The table, in a region of the driver's own.
#[derive(Debug)]
pub struct Table {
    entries: Region<ReadWrite>,
    address: u32,
}

impl Table {
    /// In this region, which the bus master finds at `base`.
    ///
    /// # Errors
    /// The region will not do.
    pub fn new(region: &Region<ReadWrite>, base: u64) -> Result<Table, TableError> {
        let size = ENTRIES * ENTRY;
        let entries = region.sub(0, size).map_err(|_| TableError::Small { size: region.len() })?;
        let place = TableError::Place { base };
        let address = u32::try_from(base).map_err(|_| place)?;
        if !base.is_multiple_of(4) || base % BOUNDARY + size as u64 > BOUNDARY {
            return Err(place);
        }
        Ok(Table { entries, address })
    }

    /// Where the bus master finds it.
    pub fn address(&self) -> u32 {
        self.address
    }

    /// Describes a range of memory.
    ///
    /// # Returns
    /// Whether it can be described: it is not empty, even, no longer than
    /// [`TRANSFER_MAX`], and below 4 GiB.
    #[must_use]
    pub fn describe(&self, start: u64, bytes: u64) -> bool {
        let Some(end) = start.checked_add(bytes) else { return false };
        if bytes == 0 || bytes > TRANSFER_MAX || !(start | bytes).is_multiple_of(2) || end > 1 << 32
        {
            return false;
        }
        let mut at = start;
        for index in 0..ENTRIES {
            let stop = (at - at % BOUNDARY).saturating_add(BOUNDARY).min(end);
            let flags = if stop == end { LAST } else { 0 };
            // 64 KiB are written as 0, which is what the cut makes of it.
            let size = (stop - at) as u16;
            let word = u64::from(flags) << 48 | u64::from(size) << 32 | at;
            if self.entries.write_u64(index * ENTRY, word).is_err() {
                return false;
            }
            if stop == end {
                return true;
            }
            at = stop;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// What the controller makes of the table: address and bytes of each entry.
    fn read(region: &Region<ReadWrite>) -> Vec<(u64, u64)> {
        let mut entries = Vec::new();
        for index in 0..ENTRIES {
            let word = region.read_u64(index * ENTRY).unwrap();
            let size = word >> 32 & 0xffff;
            entries.push((word & 0xffff_ffff, if size == 0 { BOUNDARY } else { size }));
            if word >> 63 != 0 {
                return entries;
            }
        }
        panic!("no entry is the last");
    }

    proptest! {
        #[test]
        fn the_entries_are_the_range_and_none_crosses_64_kib(
            start in 0u64..1 << 32, bytes in 0u64..2 * TRANSFER_MAX,
        ) {
            let region = Region::host(4096);
            let table = Table::new(&region, 0x1000).unwrap();
            let possible = (start | bytes) % 2 == 0
                && bytes > 0
                && bytes <= TRANSFER_MAX
                && start + bytes <= 1 << 32;
            prop_assert_eq!(table.describe(start, bytes), possible);
            if possible {
                let mut at = start;
                for (address, size) in read(&region) {
                    prop_assert_eq!(address, at);
                    prop_assert_eq!(address / BOUNDARY, (address + size - 1) / BOUNDARY);
                    at += size;
                }
                prop_assert_eq!(at, start + bytes);
            }
        }
    }

    #[test]
    fn the_table_lies_where_the_controller_can_read_it() {
        let region = Region::host(4096);
        for base in [0, 0x1000, 0xf000] {
            assert!(Table::new(&region, base).is_ok(), "{base:#x}");
        }
        for base in [2, 0xfff0, 1 << 32] {
            let error = Table::new(&region, base).unwrap_err();
            assert_eq!(error, TableError::Place { base });
        }
        let small = Table::new(&Region::host(100), 0).unwrap_err();
        assert_eq!(small, TableError::Small { size: 100 });
    }
}
