//! Memory-mapped devices: the I/O APIC's page, the local APIC's wherever
//! IA32_APIC_BASE has it, and PCI devices' memory wherever the guest puts it.
//!
//! What is neither RAM nor one of these reads all ones and ignores writes, which
//! is counted. An access does not cross a page: the emulator has split it. The
//! surprising fact: in x2APIC mode, or with the local APIC disabled, its page is
//! nothing (Intel SDM vol. 3A, 11.12.1), and a guest may move it over RAM, where
//! RAM wins, because nothing exits there.

#[cfg(test)]
mod tests;

use crate::devices::virtio::Device;
use crate::layout::numbers as n;
use crate::types::{Gpa, Ticks, Width};
use crate::vm::{Devices, Timed};

/// What an address leads to, and the offset in its page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    IoApic(u32),
    LocalApic(u32),
    Virtio(Device, u32),
}

const IOAPIC_LAST: u64 = n::IOAPIC_END - 1;

/// The one match: address to device.
fn claim(devices: &Devices, gpa: Gpa) -> Option<Claim> {
    let offset = (gpa.0 % n::PAGE) as u32;
    let page = Gpa(gpa.0 - gpa.0 % n::PAGE);
    // The local APIC lies on the I/O APIC if the guest moves it there; then its
    // own processor's accesses go no further.
    if devices.interrupts.lapic_base() == Some(page) {
        return Some(Claim::LocalApic(offset));
    }
    match gpa.0 {
        n::IOAPIC..=IOAPIC_LAST => Some(Claim::IoApic(offset)),
        _ => devices.virtio.at_memory(gpa).map(|(device, offset)| Claim::Virtio(device, offset)),
    }
}

/// Reads `width` bytes, zero-extended.
pub fn read(devices: &mut Devices, gpa: Gpa, width: Width, now: Ticks) -> u64 {
    match claim(devices, gpa) {
        Some(Claim::IoApic(offset)) => devices.interrupts.ioapic_read(offset, width),
        Some(Claim::LocalApic(offset)) => {
            let value = devices.interrupts.lapic_read(offset, width, now);
            devices.touched(Timed::Interrupts);
            value
        }
        Some(Claim::Virtio(device, offset)) => {
            devices.virtio.read(device, offset, width, &mut devices.interrupts)
        }
        None => {
            devices.unclaimed_addresses = devices.unclaimed_addresses.wrapping_add(1);
            width.mask()
        }
    }
}

/// Writes the low `width` bytes of `value`.
pub fn write(devices: &mut Devices, gpa: Gpa, width: Width, value: u64, now: Ticks) {
    match claim(devices, gpa) {
        Some(Claim::IoApic(offset)) => devices.interrupts.ioapic_write(offset, width, value),
        Some(Claim::LocalApic(offset)) => {
            devices.interrupts.lapic_write(offset, width, value, now);
            devices.touched(Timed::Interrupts);
        }
        Some(Claim::Virtio(device, offset)) => {
            devices.virtio.write(device, offset, width, value, &mut devices.interrupts);
        }
        None => devices.unclaimed_addresses = devices.unclaimed_addresses.wrapping_add(1),
    }
}
