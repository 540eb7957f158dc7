//! PCI devices: what is set up for a driver is what the description grants it.

use bulkhead_config::{IoRegion, Pci, PciDevice, PciSpace};
use system_spec::PdIndex;

use super::{Section, consistency::Consistency};
use crate::model::{IrqSource, Map, ProtectionDomain};

/// Ports that one base address register can cover (PCI Local Bus Specification
/// 3.0, 6.2.5.1): 256.
const PORTS_MAX: u32 = 256;

impl Consistency<'_> {
    /// Checks the PCI domain's section.
    pub(super) fn pci(&mut self, pd: PdIndex, d: &ProtectionDomain, section: &Section, pci: &Pci) {
        let served = self.served(pd);
        let name = |&client: &PdIndex| self.system.domain(client).name.value.as_str();
        let want: Vec<&str> = served.iter().map(name).collect();
        let have: Vec<&str> = pci.devices.iter().map(|device| device.client.as_str()).collect();
        if have != want {
            let message = format!(
                "`{}` sets up devices for, on channels 1 and up: {}",
                d.name.value,
                if want.is_empty() { "nobody".to_owned() } else { want.join(", ") }
            );
            self.report(section, "devices", message);
            return;
        }
        for (device, client) in pci.devices.iter().zip(served) {
            for message in lacks(self.system.domain(client), device, |region| {
                self.system.region(region).phys_addr.as_ref().map(|at| at.value)
            }) {
                self.report(section, "devices", message);
            }
        }
    }

    /// Checks that what tells a device where to read and write is mapped by its
    /// driver alone: whoever else could write there could send it anywhere.
    pub(super) fn own(&mut self, pd: PdIndex, section: &Section, key: &str, region: &IoRegion) {
        let system = self.system;
        for (other, d) in system.indexed_domains() {
            let named = |map: &Map| system.region(map.region).name.value == region.name.as_str();
            let mut guest = d.machine.iter().flat_map(|machine| &machine.maps);
            if other != pd && d.maps.iter().any(named) || guest.any(named) {
                let message = format!(
                    "`{}` maps `{}`, and could send the device anywhere: it is the driver's own",
                    d.name.value, region.name
                );
                self.report(section, key, message);
            }
        }
    }
}

/// What is set up for a driver and not granted to it.
fn lacks(
    driver: &ProtectionDomain,
    device: &PciDevice,
    address: impl Fn(system_spec::RegionIndex) -> Option<u64>,
) -> Vec<String> {
    let mut lacks = Vec::new();
    let name = &driver.name.value;
    for bar in &device.registers {
        let granted = match bar.space {
            PciSpace::Memory => {
                let guest = driver.machine.iter().flat_map(|machine| &machine.maps);
                let mut maps = driver.maps.iter().chain(guest);
                maps.any(|map| address(map.region) == Some(bar.address.into()))
            }
            PciSpace::Io => driver.io_ports.iter().any(|ports| {
                let covered = bar.address..bar.address.saturating_add(PORTS_MAX);
                covered.contains(&ports.range().start)
            }),
        };
        if !granted {
            let what = match bar.space {
                PciSpace::Memory => "maps no region with that `phys_addr`",
                PciSpace::Io => "has no I/O ports there",
            };
            lacks.push(format!("register {} is {:#x}, and `{name}` {what}", bar.bar, bar.address));
        }
    }
    let has_line = driver.irqs.iter().any(|irq| match &irq.source {
        IrqSource::IoApic { pin, level, .. } => pin.value == u64::from(device.interrupt) && *level,
        IrqSource::Msi { .. } => false,
    });
    if device.interrupt != 0 && !has_line {
        lacks
            .push(format!("`{name}` has no level-triggered interrupt at pin {}", device.interrupt));
    }
    lacks
}
