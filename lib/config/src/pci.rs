//! Devices that the PCI domain sets up.

use heapless::{String, Vec};
use pci_bus::Place;
use serde::{Deserialize, Serialize};

use crate::NAME_MAX;

/// Most devices of one PCI domain.
pub const PCI_DEVICES_MAX: usize = 8;

/// The PCI domain: its clients' devices, in the order of their channels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pci {
    /// One device a client.
    pub devices: Vec<PciDevice, PCI_DEVICES_MAX>,
}

/// A device and what its driver needs of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PciDevice {
    /// The driver: a protection domain's name.
    pub client: String<NAME_MAX>,
    /// Where it is.
    pub place: Place,
    /// Its maker's number.
    pub vendor: u16,
    /// Its maker's number for it.
    pub device: u16,
    /// Where its registers must be.
    pub registers: Vec<PciBar, 6>,
    /// Whether it may start transfers. If not, this is off.
    pub bus_master: bool,
    /// The input of the I/O APIC that its pin must lead to; 0: it needs none.
    pub interrupt: u8,
}

/// A base address register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PciBar {
    /// Which of the six.
    pub bar: u8,
    /// In which space.
    pub space: PciSpace,
    /// The address that it must hold.
    pub address: u32,
}

/// An address space of PCI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PciSpace {
    /// I/O ports.
    Io,
    /// Memory.
    Memory,
}
