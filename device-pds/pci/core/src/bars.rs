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

/// Gives a register its address, if it does not have it and nobody else has.
pub(crate) fn place<C: ConfigSpace>(space: &mut C, at: Place, bar: &PciBar) -> Result<(), Refusal> {
    if bar.bar >= BARS {
        return Err(Refusal::Bar);
    }
    let register = offset(bar.bar);
    let old = space.read(at, register);
    let mask = match (bar.space, old & bits::BAR_IO != 0) {
        (PciSpace::Io, true) => bits::BAR_IO_MASK,
        (PciSpace::Memory, false) if is_32(old) || is_64(old) => bits::BAR_MEMORY_MASK,
        _ => return Err(Refusal::Bar),
    };
    // The upper half of one of 64 bits, which the last register cannot be.
    let upper = is_64(old).then(|| register + 4);
    if upper.is_some() && bar.bar + 1 >= BARS {
        return Err(Refusal::Bar);
    }
    let size = size(space, at, bar.bar, mask).ok_or(Refusal::Bar)?;
    let last = bar.address.checked_add(size - 1).ok_or(Refusal::Bar)?;
    if bar.address == 0 || bar.address & (size - 1) != 0 {
        return Err(Refusal::Bar);
    }
    let wanted = Decoded { space: bar.space, range: bar.address..=last };
    if is_taken(space, at, bar.bar, &wanted) {
        return Err(Refusal::Overlap);
    }
    let stands = |space: &mut C| {
        space.read(at, register) & mask == bar.address
            && upper.is_none_or(|upper| space.read(at, upper) == 0)
    };
    if !stands(space) {
        quietly(space, at, |space| {
            space.write(at, register, bar.address);
            if let Some(upper) = upper {
                space.write(at, upper, 0);
            }
        });
    }
    // One for I/O ports may have fewer bits than there are.
    if stands(space) { Ok(()) } else { Err(Refusal::Bar) }
}

/// Whether a register is for memory and 32 bits wide.
fn is_32(value: u32) -> bool {
    value & bits::BAR_IO == 0 && value & bits::BAR_TYPE == bits::BAR_TYPE_32
}

/// Whether a register is for memory and 64 bits wide, with the next one.
fn is_64(value: u32) -> bool {
    value & bits::BAR_IO == 0 && value & bits::BAR_TYPE == bits::BAR_TYPE_64
}

/// How much memory the register at an address decodes that is set up already.
pub(crate) fn memory_size<C: ConfigSpace>(space: &mut C, at: Place, bar: u8) -> Option<u32> {
    size(space, at, bar, bits::BAR_MEMORY_MASK)
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
/// address.
fn decoded<C: ConfigSpace>(space: &mut C, at: Place, bar: u8) -> Option<Decoded> {
    let is_upper_half = bar > 0 && is_upper(space, at, bar);
    let value = space.read(at, offset(bar));
    // What lies above 4 GiB is in nobody's way here.
    if is_upper_half || is_64(value) && bar + 1 < BARS && space.read(at, offset(bar + 1)) != 0 {
        return None;
    }
    let (kind, mask) = if value & bits::BAR_IO != 0 {
        (PciSpace::Io, bits::BAR_IO_MASK)
    } else {
        (PciSpace::Memory, bits::BAR_MEMORY_MASK)
    };
    let start = value & mask;
    if start == 0 {
        return None;
    }
    let last = start.checked_add(size(space, at, bar, mask)? - 1)?;
    Some(Decoded { space: kind, range: start..=last })
}

/// Whether a register is the upper half of the one before it.
fn is_upper<C: ConfigSpace>(space: &mut C, at: Place, bar: u8) -> bool {
    // Each register of 64 bits takes the next with it.
    let mut lower = 0;
    while lower < bar {
        let width = if is_64(space.read(at, offset(lower))) { 2 } else { 1 };
        lower += width;
    }
    lower > bar
}

/// How much a register decodes: found by writing ones, with the device silent.
fn size<C: ConfigSpace>(space: &mut C, at: Place, bar: u8, mask: u32) -> Option<u32> {
    let value = space.read(at, offset(bar));
    let ones = quietly(space, at, |space| {
        space.write(at, offset(bar), u32::MAX);
        let ones = space.read(at, offset(bar));
        space.write(at, offset(bar), value);
        ones & mask
    });
    // The lowest bit that can be set; the upper half of one for I/O ports need
    // not be there.
    let size = ones & ones.wrapping_neg();
    (size != 0).then_some(size)
}

/// Whether another register, of this device or of any other, decodes part of it.
fn is_taken<C: ConfigSpace>(space: &mut C, own: Place, bar: u8, wanted: &Decoded) -> bool {
    every_place().any(|place| {
        let has_bars =
            is_present(space, place) && space.read(place, bits::HEADER) & bits::HEADER_KIND == 0;
        has_bars
            && (0..BARS)
                .filter(|&other| (place, other) != (own, bar))
                .filter_map(|other| decoded(space, place, other))
                .any(|other| other.overlaps(wanted))
    })
}
