//! What a system's drivers expect the machine to have.

use bulkhead_machine::DeviceKind;
use bulkhead_sdf::configuration::{Configuration, Content};

use crate::Guest;

/// Devices beyond those that every machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hardware {
    /// A disk.
    pub disk: Option<DiskWanted>,
    /// A network card.
    pub network: Option<DeviceKind>,
    /// A PCI NE2000.
    pub ne2000: bool,
    /// A fourth serial port.
    pub fourth_serial: bool,
}

/// A disk that a system has a driver for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskWanted {
    /// What it is.
    pub kind: DeviceKind,
    /// The partitions that a new one is given, one a guest and called like it.
    pub partitions: Vec<String>,
}

/// Makers' numbers of the cards, and theirs for them (`tools/machine` has them).
const E1000: (u16, u16) = (0x8086, 0x100e);
const NE2000: (u16, u16) = (0x10ec, 0x8029);

/// First port of a PC's fourth serial port.
const COM4: u16 = 0x2e8;

impl Hardware {
    /// Of the drivers that the configuration has sections for, and of the devices that it
    /// gives to guests.
    pub(crate) fn of(configuration: &Configuration, guests: &[Guest]) -> Self {
        let kind = |plain: fn(&Content) -> bool, virtio: fn(&Content) -> bool| {
            let any = |wanted: fn(&Content) -> bool| {
                configuration.sections.values().any(|section| wanted(&section.content))
            };
            if any(plain) {
                Some(DeviceKind::Plain)
            } else {
                any(virtio).then_some(DeviceKind::Virtio)
            }
        };
        let names = || guests.iter().map(|guest| guest.name.clone()).collect();
        let card = |wanted: (u16, u16)| {
            configuration.sections.values().any(|section| match &section.content {
                Content::Pci(pci) => pci.devices.iter().any(|d| (d.vendor, d.device) == wanted),
                _ => false,
            })
        };
        Hardware {
            disk: kind(|c| matches!(c, Content::Ide(_)), |c| matches!(c, Content::VirtioBlk(_)))
                .map(|kind| DiskWanted { kind, partitions: names() }),
            network: kind(
                |c| matches!(c, Content::E1000(_)),
                |c| matches!(c, Content::VirtioNet(_)),
            )
            .or(card(E1000).then_some(DeviceKind::Plain)),
            ne2000: card(NE2000),
            fourth_serial: configuration.sections.values().any(|section| match &section.content {
                Content::Vmm(vmm) => vmm
                    .passthrough
                    .iter()
                    .flat_map(|device| &device.ports)
                    .any(|ports| ports.first == COM4),
                _ => false,
            }),
        }
    }
}
