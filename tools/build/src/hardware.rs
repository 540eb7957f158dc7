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
}

/// A disk that a system has a driver for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskWanted {
    /// What it is.
    pub kind: DeviceKind,
    /// The partitions that a new one is given, one a guest and called like it.
    pub partitions: Vec<String>,
}

impl Hardware {
    /// Of the drivers that the configuration has sections for.
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
        Hardware {
            disk: kind(|c| matches!(c, Content::Ide(_)), |c| matches!(c, Content::VirtioBlk(_)))
                .map(|kind| DiskWanted { kind, partitions: names() }),
            network: kind(
                |c| matches!(c, Content::E1000(_)),
                |c| matches!(c, Content::VirtioNet(_)),
            ),
        }
    }
}
