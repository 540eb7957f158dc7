//! Base address registers.

use core::ops::RangeInclusive;

use bulkhead_config::{PciBar, PciSpace};
use pci_bus::{Place, Refusal};

use crate::{ConfigSpace, bits, every_place, is_present};

/// Most registers of one function.
const BARS: u8 = 6;

fn offset(bar: u8) -> u8 {
    bits::BAR0 + 4 * bar
}

/// What one decodes: its space, and its first and last address.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Decoded {
    space: PciSpace,
    range: RangeInclusive<u32>,
}

impl Decoded {
    fn overlaps(&self, other: &Decoded) -> bool {
        self.space == other.space
            && self.range.start() <= other.range.end()
            && other.range.start() <= self.range.end()
    }
}

/// Gives a register its address, if it does not have it.
pub(crate) fn place<C: ConfigSpace>(space: &mut C, at: Place, bar: &PciBar) -> Result<(), Refusal> {
    if bar.bar >= BARS {
        return Err(Refusal::Bar);
    }
    let old = space.read(at, offset(bar.bar));
    let mask = match (bar.space, old & bits::BAR_IO != 0) {
        (PciSpace::Io, true) => bits::BAR_IO_MASK,
        (PciSpace::Memory, false) if old & bits::BAR_TYPE == 0 => bits::BAR_MEMORY_MASK,
        _ => return Err(Refusal::Bar),
    };
    if bar.address == 0 || bar.address & !mask != 0 {
        return Err(Refusal::Bar);
    }
    if old & mask != bar.address {
        quietly(space, at, |space| space.write(at, offset(bar.bar), bar.address));
    }
    // A register that is not there reads as zero, and one too low in the address
    // drops bits.
    if space.read(at, offset(bar.bar)) & mask == bar.address { Ok(()) } else { Err(Refusal::Bar) }
}

/// Does something while the device answers to nothing.
fn quietly<C: ConfigSpace, T>(space: &mut C, at: Place, act: impl FnOnce(&mut C) -> T) -> T {
    let command = space.read(at, bits::COMMAND) & bits::COMMAND_MASK;
    let silent = command & !(bits::COMMAND_IO | bits::COMMAND_MEMORY);
    space.write(at, bits::COMMAND, silent);
    let result = act(space);
    space.write(at, bits::COMMAND, command);
    result
}

/// What a register decodes; `None` where there is none, or where it has no
/// address. Its size is found by writing ones, with the device silent.
fn decoded<C: ConfigSpace>(space: &mut C, at: Place, bar: u8) -> Option<Decoded> {
    let value = space.read(at, offset(bar));
    let (kind, mask) = if value & bits::BAR_IO != 0 {
        (PciSpace::Io, bits::BAR_IO_MASK)
    } else {
        (PciSpace::Memory, bits::BAR_MEMORY_MASK)
    };
    let start = value & mask;
    if start == 0 {
        return None;
    }
    let size_mask = quietly(space, at, |space| {
        space.write(at, offset(bar), u32::MAX);
        let read = space.read(at, offset(bar));
        space.write(at, offset(bar), value);
        read & mask
    });
    // The lowest bit that can be set is the size; I/O registers may leave the
    // upper half out, which this does not look at.
    let size = size_mask & size_mask.wrapping_neg();
    let last = start.checked_add(size.checked_sub(1)?)?;
    Some(Decoded { space: kind, range: start..=last })
}

/// Holds that this device's registers lie over no other's.
pub(crate) fn no_overlap<C: ConfigSpace>(space: &mut C, own: Place) -> Result<(), Refusal> {
    for bar in 0..BARS {
        let Some(mine) = decoded(space, own, bar) else { continue };
        for other in every_place().filter(|&place| place != own) {
            let has_bars = is_present(space, other)
                && space.read(other, bits::HEADER) & bits::HEADER_KIND == 0;
            if has_bars
                && (0..BARS).filter_map(|n| decoded(space, other, n)).any(|it| it.overlaps(&mine))
            {
                return Err(Refusal::Overlap);
            }
        }
    }
    Ok(())
}
