//! Real devices that a guest drives itself: which of what the description grants to
//! its VMM make up a device, and what the guest sees of it.
//!
//! Not here: addresses. The file names what the description grants, by numbers of its
//! `ioport` and `irq` elements and by names of its memory regions; where those are is
//! filled in when the file is compiled ([`IoRegion`](crate::IoRegion) does the same).

use heapless::{String, Vec};
use pci_bus::Place;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::NAME_MAX;

/// Most devices that one guest is given.
pub const PASSED_MAX: usize = 4;

/// Most ranges of ports, and most regions, of one of them.
pub const PASSED_PARTS_MAX: usize = 2;

/// A device that a guest is given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PassThrough {
    /// What reports call it.
    pub name: String<NAME_MAX>,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<PassedPorts, PASSED_PARTS_MAX>,
    /// Its registers in memory.
    #[serde(default)]
    pub memory: Vec<PassedMemory, PASSED_PARTS_MAX>,
    /// Its interrupt.
    #[serde(default)]
    pub interrupt: Option<PassedInterrupt>,
    /// What it is on the guest's PCI bus; left out: it is not there.
    #[serde(default)]
    pub pci: Option<PassedFunction>,
    /// What is known of transfers that it starts by itself.
    #[serde(default)]
    pub dma: Option<Dma>,
}

/// What keeps a device from memory that is not its guest's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dma {
    /// It cannot start transfers: whoever wrote the file says so.
    None,
    /// An `io_address_space` of the description.
    Confined,
    /// Nothing: the guest can read and write all memory through it.
    Unconfined,
}

/// A range of ports that the guest reaches under the same numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassedPorts {
    /// The number of the `ioport`.
    pub id: u8,
    /// The base address register that holds it, on PCI.
    pub bar: Option<u8>,
    /// First port.
    pub first: u16,
    /// How many; 0 until the description is looked at.
    pub count: u16,
}

/// A region that the description maps into the guest's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassedMemory {
    /// Its name.
    pub region: String<NAME_MAX>,
    /// The base address register that holds it, on PCI.
    pub bar: Option<u8>,
    /// Its guest-physical address.
    pub address: u32,
    /// In bytes; 0 until the description is looked at.
    pub size: u32,
}

/// An interrupt line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassedInterrupt {
    /// The number of the `irq`.
    pub channel: u8,
    /// The guest's line. Left out: that of the same number as the machine's, and for
    /// a device on PCI the one that its place there leads to.
    pub line: Option<u8>,
    /// Whether it is level-triggered.
    pub level: bool,
}

/// A function of PCI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassedFunction {
    /// Where it is on the machine's bus.
    pub place: Place,
    /// Base class, subclass and interface (PCI Code and ID Assignment 1.11).
    pub class: u32,
    /// Its maker's number, and its maker's number for it: as where it is set up.
    pub vendor: u16,
    /// The latter.
    pub device: u16,
}

/// What stands in the file, and the rest: for people only the first.
fn serialize<S: Serializer, A: Serialize, B: Serialize>(
    serializer: S,
    written: A,
    found: B,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        written.serialize(serializer)
    } else {
        (written, found).serialize(serializer)
    }
}

fn deserialize<'de, D: Deserializer<'de>, A, B>(deserializer: D) -> Result<(A, B), D::Error>
where
    A: DeserializeOwned,
    B: DeserializeOwned + Default,
{
    if deserializer.is_human_readable() {
        Ok((A::deserialize(deserializer)?, B::default()))
    } else {
        Deserialize::deserialize(deserializer)
    }
}

/// Implements both traits for a type with fields that are written and fields that are
/// found.
macro_rules! in_two_parts {
    ($type:ident, $written:ident {
        $($(#[$attribute:meta])* $field:ident: $field_type:ty),* $(,)?
    }, ($($found:ident),*)) => {
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct $written {
            $($(#[$attribute])* $field: $field_type,)*
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let this = self.clone();
                let written = $written { $($field: this.$field,)* };
                serialize(serializer, written, ($(this.$found,)*))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (written, ($($found,)*)): ($written, _) = deserialize(deserializer)?;
                Ok($type { $($field: written.$field,)* $($found,)* })
            }
        }
    };
}

in_two_parts!(PassedPorts, WrittenPorts {
    id: u8,
    #[serde(default)]
    bar: Option<u8>,
}, (first, count));

in_two_parts!(PassedMemory, WrittenMemory {
    region: String<NAME_MAX>,
    #[serde(default)]
    bar: Option<u8>,
}, (address, size));

in_two_parts!(PassedInterrupt, WrittenInterrupt {
    channel: u8,
    #[serde(default)]
    line: Option<u8>,
}, (level));

in_two_parts!(PassedFunction, WrittenFunction { place: Place, class: u32 }, (vendor, device));

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in the description reaches the VMM, and cannot be written.
    #[test]
    fn what_is_compiled_is_read_again_with_what_was_found() {
        let device = PassThrough {
            name: String::try_from("card").unwrap(),
            ports: Vec::from_slice(&[PassedPorts {
                id: 1,
                bar: Some(0),
                first: 0xd100,
                count: 32,
            }])
            .unwrap(),
            memory: [PassedMemory {
                region: String::try_from("registers").unwrap(),
                bar: None,
                address: 0xd000_0000,
                size: 0x2_0000,
            }]
            .into_iter()
            .collect(),
            interrupt: Some(PassedInterrupt { channel: 16, line: None, level: true }),
            pci: Some(PassedFunction {
                place: Place::new(3, 0),
                class: 0x02_0000,
                vendor: 0x10ec,
                device: 0x8029,
            }),
            dma: Some(Dma::Unconfined),
        };
        let bytes = postcard::to_stdvec(&device).unwrap();
        assert_eq!(postcard::from_bytes::<PassThrough>(&bytes), Ok(device));
    }
}
