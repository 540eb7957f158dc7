//! Reads and writes addresses at which the guest has no memory, where the machine below
//! has the other guest's, its devices' and the kernel's.
//!
//! What is nothing reads all ones and swallows what is written; anything else is
//! somebody's.

use std::{fs, path::Path};

use crate::mapping::{Mapping, PAGE};

/// The machine below has no more memory than this; each page up to here is tried.
const DENSE: u64 = 1 << 30;
/// Each megabyte up to here, the end of 32-bit addresses.
const SPARSE: u64 = 1 << 32;
/// Each gigabyte up to here: the least that a processor of 64 bits addresses.
const WIDE: u64 = 1 << 36;

/// Pages of one mapping.
const PAGES: u64 = 4096;

/// What is written.
const MARK: u64 = 0x696e_7472_7564_6572;

/// Tries them all.
///
/// # Errors
/// Something is there.
pub fn attack() -> Result<String, String> {
    let taken = taken()?;
    let end = end_of(&taken)?;
    own(&taken)?;
    let free = |address: u64| {
        let last = address + PAGE as u64 - 1;
        taken.iter().all(|range| last < range.start || range.end <= address)
    };
    let mut tried = 0_u64;
    let mut found = Vec::new();
    for (from, to, step) in
        [(end, DENSE, PAGE as u64), (DENSE, SPARSE, 1 << 20), (SPARSE, WIDE, 1 << 30)]
    {
        let mut next = from.next_multiple_of(step);
        while next < to {
            // As many as lie side by side in one mapping.
            let count = if step == PAGE as u64 { PAGES.min((to - next) / step) } else { 1 };
            let length = count as usize * PAGE;
            let last = next + length as u64;
            let clear = (next..last).step_by(PAGE).all(free);
            if clear {
                let map = Mapping::new(Path::new("/dev/mem"), next, length)
                    .map_err(|e| format!("{next:#x} cannot be mapped: {e}"))?;
                for page in 0..count as usize {
                    tried += 1;
                    let at = page * PAGE;
                    let before: u64 = map.read(at);
                    map.write(at, MARK);
                    let after: u64 = map.read(at);
                    if (before, after) != (u64::MAX, u64::MAX) {
                        found.push(format!("{:#x}: {before:#x}, {after:#x}", next + at as u64));
                    }
                }
            }
            next = last.max(next + step);
        }
    }
    if found.is_empty() {
        return Ok(format!("memory from {end:#x} on: {tried} pages hold nothing"));
    }
    found.truncate(8);
    Err(format!("what is not ours answers: {}", found.join("; ")))
}

/// What is ours can be reached in this way: the BIOS's words below 1 MiB, which Linux
/// lets be mapped.
fn own(taken: &[Range]) -> Result<(), String> {
    let rom = taken.iter().find(|range| (0xe_0000..0x10_0000).contains(&range.start));
    let start = rom.map_or(0xf_0000, |range| range.start);
    let map = Mapping::new(Path::new("/dev/mem"), start, PAGE)
        .map_err(|e| format!("{start:#x} cannot be mapped: {e}"))?;
    let words = (0..PAGE).step_by(8).map(|at| map.read::<u64>(at));
    if words.into_iter().all(|word| word == u64::MAX) {
        return Err(format!("not even what is at {start:#x} can be read"));
    }
    Ok(())
}

/// Addresses that the guest's kernel knows to be something.
struct Range {
    start: u64,
    /// The first behind it.
    end: u64,
    is_memory: bool,
}

/// Where the guest's memory ends.
///
/// # Errors
/// It has none.
pub fn end() -> Result<u64, String> {
    end_of(&taken()?)
}

fn end_of(taken: &[Range]) -> Result<u64, String> {
    let memory = taken.iter().filter(|range| range.is_memory).map(|range| range.end).max();
    memory.ok_or_else(|| "there is no memory".into())
}

fn taken() -> Result<Vec<Range>, String> {
    let text = fs::read_to_string("/proc/iomem").map_err(|e| format!("/proc/iomem: {e}"))?;
    let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let range = |line: &str| {
        let (range, name) = line.trim().split_once(" : ")?;
        let (start, last) = range.split_once('-')?;
        let end = number(last)?.checked_add(1)?;
        // The window of a bus is where devices may be, and mostly nothing is.
        let window = name.starts_with("PCI Bus");
        (!window).then_some(Range { start: number(start)?, end, is_memory: name == "System RAM" })
    };
    Ok(text.lines().filter_map(range).collect())
}
