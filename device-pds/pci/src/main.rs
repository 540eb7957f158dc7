//! The PCI domain: sets devices up at the start, then is silent. It alone can
//! reach configuration space.
//!
//! What it decides is in `pci-core`; this wires it to the kernel.
//!
//! | channel | other end                                              |
//! | ------- | ------------------------------------------------------ |
//! | 1 + i   | driver i (its channel 2): is told that its word is written |
//!
//! | symbol             | rights | region                                 |
//! | ------------------ | ------ | -------------------------------------- |
//! | `config`           | r      | kind `pci`                             |
//! | `client{i}_status` | rw     | driver i's word, and where a virtio device's structures are; `pci_status` to that |
//!
//! Each has `_vaddr` and `_size`. I/O ports 0: 0xcf8 to 0xcff. It needs
//! `stack_size="0x8000"`: the configuration, several KiB, is read on the stack.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{PCI_DEVICES_MAX, Pci};
use pci_bus::{
    Place, Status, StatusSink,
    virtio::{Structures, StructuresSink},
};
use pci_core::{ConfigSpace, Host};
use reports::Reports;
use sel4_microkit::{
    Channel, ChannelSet, Handler, Infallible, IoPort, each_of_8, memory_region, numbered_region,
    protection_domain, started,
};
use shmem::{ReadWrite, Region};

/// Configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2).
const PORTS: IoPort = IoPort::new(0);
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// In ADDRESS: the data port is configuration space.
const ENABLE: u32 = 1 << 31;

/// The channel of a driver.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

/// Configuration space through the two ports, which nobody else has.
struct Ports;

impl Ports {
    fn select(place: Place, offset: u8) {
        let device = u32::from(place.device()) << 11 | u32::from(place.function()) << 8;
        PORTS.write_32(ADDRESS, ENABLE | device | u32::from(offset & 0xfc));
    }
}

impl ConfigSpace for Ports {
    fn read(&mut self, place: Place, offset: u8) -> u32 {
        Ports::select(place, offset);
        PORTS.read_32(DATA)
    }

    fn write(&mut self, place: Place, offset: u8, value: u32) {
        Ports::select(place, offset);
        PORTS.write_32(DATA, value);
    }
}

struct Domain;

/// The page in which a driver finds what became of its device.
macro_rules! status {
    ($number:literal) => {
        numbered_region!(ReadWrite, "client", $number, "_status")
    };
}

#[protection_domain]
fn init() -> Domain {
    let config = memory_region!(Read, config_vaddr, config_size);
    let config: Pci = started(bulkhead_config::load(&config));
    let regions: [Option<Region<ReadWrite>>; PCI_DEVICES_MAX] = each_of_8!(status);
    let sinks = regions.map(|region| {
        region.map(|region| {
            (started(StatusSink::new(&region)), started(StructuresSink::new(&region)))
        })
    });
    let sink = |client: usize| match sinks.get(client).and_then(Option::as_ref) {
        Some(sink) => sink,
        None => {
            panic!("the system description maps no region with setvar client{client}_status_vaddr")
        }
    };
    // After a restart of this domain alone everything is as it was left, and the
    // drivers are at work, whom looking at their devices would disturb.
    if (0..config.devices.len()).any(|client| sink(client).0.is_written()) {
        return Domain;
    }
    let mut reports = Reports::start();
    let mut host = Host::new(Ports);
    host.hush(|place| config.devices.iter().any(|device| device.place == place));
    let mut found = [(Status::Waiting, Structures::default()); PCI_DEVICES_MAX];
    for (device, found) in config.devices.iter().zip(&mut found) {
        *found = match host.set_up(device) {
            Ok(structures) => (Status::Ready, structures.unwrap_or_default()),
            Err(why) => {
                reports.say(format_args!("{} at {}: {why}", device.client, device.place));
                (Status::Refused(why), Structures::default())
            }
        };
    }
    for (client, (found, structures)) in found.into_iter().enumerate().take(config.devices.len()) {
        let (word, behind) = sink(client);
        behind.publish(&structures);
        word.publish(found);
        channel(client).notify();
    }
    Domain
}

impl Handler for Domain {
    type Error = Infallible;

    /// A driver that starts anew reads its word; there is nothing to be done.
    fn notified(&mut self, _channels: ChannelSet) -> Result<(), Infallible> {
        Ok(())
    }
}
