//! A virtio device's structures, from its list of capabilities (virtio 1.2, 4.1.4).
//!
//! The device wrote the list: what it says is held to the registers that the
//! configuration names, and the list is looked at only as far as one can be long.

use bulkhead_config::{PciDevice, PciSpace};
use pci_bus::virtio::{Span, Structures};

use crate::{ConfigSpace, bars, bits};

/// Most capabilities: each takes four bytes at least of the 192 that are left.
const CAPABILITIES_MAX: usize = 48;

/// Types of structures (4.1.4).
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const ISR: u8 = 3;
const DEVICE: u8 = 4;

/// Bytes of a capability, and of one for [`NOTIFY`] (4.1.4, 4.1.4.4).
const LENGTH: u8 = 16;
const NOTIFY_LENGTH: u8 = 20;

/// Where in a capability the register's number is, the offset there, the length,
/// and a [`NOTIFY`]'s multiplier.
const BAR: u8 = 4;
const OFFSET: u8 = 8;
const SIZE: u8 = 12;
const MULTIPLIER: u8 = 16;

/// Where the structures are; `None` if one is missing or elsewhere.
///
/// The first of each type that is in memory counts: a device offers several in the
/// order of its preference, and one that is reached through I/O ports or through
/// configuration space is none that a driver of ours can use.
pub(crate) fn structures<C: ConfigSpace>(space: &mut C, wanted: &PciDevice) -> Option<Structures> {
    let place = wanted.place;
    if space.read(place, bits::COMMAND) & bits::STATUS_CAPABILITIES == 0 {
        return None;
    }
    let mut found: [Option<Span>; 4] = [None; 4];
    let mut multiplier = 0;
    let mut at = space.read(place, bits::CAPABILITIES) as u8 & 0xfc;
    for _ in 0..CAPABILITIES_MAX {
        if at < bits::CAPABILITY_MIN {
            break;
        }
        let [id, next, length, kind] = space.read(place, at).to_le_bytes();
        let here = core::mem::replace(&mut at, next & 0xfc);
        let least = if kind == NOTIFY { NOTIFY_LENGTH } else { LENGTH };
        let fits = here.checked_add(least - 4).is_some();
        if id != bits::CAPABILITY_VENDOR || length < least || !fits {
            continue;
        }
        let Some(slot) = kind.checked_sub(COMMON).and_then(|kind| found.get_mut(usize::from(kind)))
        else {
            continue;
        };
        if slot.is_none() {
            *slot = span(space, wanted, here);
            if kind == NOTIFY && slot.is_some() {
                multiplier = space.read(place, here + MULTIPLIER);
            }
        }
    }
    let of = |kind: u8| found[usize::from(kind - COMMON)];
    Some(Structures {
        common: of(COMMON)?,
        notify: of(NOTIFY)?,
        notify_multiplier: multiplier,
        isr: of(ISR)?,
        device: of(DEVICE).unwrap_or_default(),
    })
}

/// Where a capability's structure is, if that is in registers of memory that the
/// configuration names.
fn span<C: ConfigSpace>(space: &mut C, wanted: &PciDevice, capability: u8) -> Option<Span> {
    let number = space.read(wanted.place, capability + BAR) as u8;
    let offset = space.read(wanted.place, capability + OFFSET);
    let size = space.read(wanted.place, capability + SIZE);
    let mut named = wanted.registers.iter();
    let bar = named.find(|bar| bar.bar == number && bar.space == PciSpace::Memory)?;
    let decoded = bars::memory_size(space, wanted.place, number)?;
    let end = offset.checked_add(size)?;
    (size > 0 && end <= decoded).then_some(Span { address: bar.address.checked_add(offset)?, size })
}
