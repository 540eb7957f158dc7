//! The host bridge at 0:0.0: what makes a guest believe the PCI bus.
//!
//! All of its configuration space is read-only and it has no registers
//! elsewhere. Linux accepts configuration mechanism 1 only if it finds a host
//! bridge's class code (arch/x86/pci/direct.c, `pci_sanity_check`).

use crate::bus::pci::Header;

/// Red Hat's vendor identity with QEMU's generic host bridge. No guest that we
/// know applies a quirk of real silicon to it, unlike to an Intel 440FX.
const VENDOR: u16 = 0x1B36;
/// See [`VENDOR`].
const DEVICE: u16 = 0x0008;

/// Its configuration header.
pub const HEADER: Header = Header {
    vendor: VENDOR,
    device: DEVICE,
    class: 0x06,
    subclass: 0x00,
    interface: 0x00,
    revision: 0,
    subsystem: DEVICE,
};
