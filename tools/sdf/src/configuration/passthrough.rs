//! Real devices that a guest drives itself: what a configuration puts together is what
//! the description grants, all of it, and what such a device could do to others' memory
//! is stated.

use bulkhead_config::{Dma, PASSED_MAX, PassThrough, Vmm};
use system_spec::{PdIndex, RegionIndex};
use vmm_core::{
    bus::pio,
    devices::passed::{self, Passed},
    layout::{Span, numbers as n},
};

use super::{
    Configuration, Content, Section,
    consistency::{Consistency, section_of},
    element_key,
};
use crate::{
    model::{IoPort, Irq, IrqSource, Map, ProtectionDomain, System, region_index},
    problem::Problem,
    rule::Rule,
};

/// Key of the section that all of this is about.
const KEY: &str = "passthrough";

/// Fills in where what a guest is given is.
///
/// # Returns
/// What the description does not grant.
pub(super) fn resolve(system: &System, configuration: &mut Configuration) -> Vec<Problem> {
    let source = configuration.source.clone();
    let identities = identities(configuration);
    let mut problems = Vec::new();
    for (name, section) in &mut configuration.sections {
        let places: Vec<_> =
            (0..PASSED_MAX).map(|index| section.value_span(&element_key(KEY, index))).collect();
        let Content::Vmm(vmm) = &mut section.content else { continue };
        let Some(domain) = reader(system, name) else { continue };
        for (device, at) in vmm.passthrough.iter_mut().zip(places) {
            for (message, cure) in find(system, domain, &identities, device) {
                let message = format!("`{}`: {message}", device.name);
                let p = Problem::new(&source, Rule::PassThrough, at.clone(), message);
                problems.push(p.cure(cure));
            }
        }
    }
    problems
}

/// The domain that a section is for.
fn reader<'a>(system: &'a System, section: &str) -> Option<&'a ProtectionDomain> {
    let region = system
        .regions
        .iter()
        .position(|region| section_of(region).is_some_and(|(_, name)| name == section))?;
    let maps = |d: &ProtectionDomain| d.maps.iter().any(|map| map.region == region_index(region));
    system.domains.iter().find(|d| maps(d))
}

/// A device that the PCI domain sets up: for whom, where, and what it is.
struct Identity {
    client: String,
    place: pci_bus::Place,
    vendor: u16,
    device: u16,
}

fn identities(configuration: &Configuration) -> Vec<Identity> {
    let mut found = Vec::new();
    for section in configuration.sections.values() {
        let Content::Pci(pci) = &section.content else { continue };
        found.extend(pci.devices.iter().map(|device| Identity {
            client: device.client.to_string(),
            place: device.place,
            vendor: device.vendor,
            device: device.device,
        }));
    }
    found
}

type Wrong = (String, &'static str);

/// Finds the parts of one device.
fn find(
    system: &System,
    domain: &ProtectionDomain,
    identities: &[Identity],
    device: &mut PassThrough,
) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let (name, file) = (&domain.name.value, system.source.name());
    for ports in &mut device.ports {
        match domain.io_ports.iter().find(|granted| granted.id.value == ports.id) {
            Some(IoPort { base, size, .. }) if *size <= u16::MAX.into() => {
                ports.first = base.value;
                ports.count = *size as u16;
            }
            Some(_) => wrong.push((
                "all ports there are cannot be one device's".into(),
                "give the `ioport` the size of the device's",
            )),
            None => wrong.push((
                format!("{file} gives `{name}` no `ioport` with id {}", ports.id),
                "name the `id` of an `ioport` of the guest's VMM, or write one there",
            )),
        }
    }
    if let Some(interrupt) = &mut device.interrupt {
        let id = interrupt.channel;
        match domain.irqs.iter().find(|irq| irq.id.value == id) {
            Some(Irq { source: IrqSource::IoApic { pin, level, .. }, .. }) => {
                interrupt.level = *level;
                if device.pci.is_none() && interrupt.line.is_none() {
                    interrupt.line = u8::try_from(pin.value).ok();
                }
            }
            Some(_) => wrong.push((
                format!("`irq` {id} of `{name}` comes by messages"),
                "a guest is handed lines only: give the `irq` a `pin`",
            )),
            None => wrong.push((
                format!("{file} gives `{name}` no `irq` with id {id}"),
                "name the `id` of an `irq` of the guest's VMM, or write one there",
            )),
        }
    }
    for memory in &mut device.memory {
        match guest_map(system, domain, &memory.region) {
            Some((region, map)) => {
                let address = u32::try_from(map.address.value).ok();
                let size = system.region(region).bytes().and_then(|n| u32::try_from(n).ok());
                match (address, size) {
                    (Some(address), Some(size)) => {
                        memory.address = address;
                        memory.size = size;
                    }
                    _ => wrong.push((
                        format!("`{}` does not lie below 4 GiB in the guest", memory.region),
                        "map it into the guest's window for devices, 0xc0000000 to 0xfebfffff",
                    )),
                }
            }
            None => wrong.push((
                format!("{file} does not map `{}` into the guest", memory.region),
                "write a `map` of it inside the `virtual_machine`",
            )),
        }
    }
    if let Some(function) = &mut device.pci {
        let of = identities.iter().find(|i| i.client == *name && i.place == function.place);
        match of {
            Some(Identity { vendor, device, .. }) => {
                function.vendor = *vendor;
                function.device = *device;
            }
            None => wrong.push((
                format!("nobody sets up {} for `{name}`", function.place),
                "write its device into the section of kind `pci`, with this domain as client",
            )),
        }
    }
    wrong
}

/// The map of a region into the guest of a domain.
fn guest_map<'a>(
    system: &System,
    domain: &'a ProtectionDomain,
    region: &str,
) -> Option<(RegionIndex, &'a Map)> {
    let index = system.regions.iter().position(|r| r.name.value == region).map(region_index)?;
    let map = domain.machine.as_ref()?.maps.iter().find(|map| map.region == index)?;
    Some((index, map))
}

impl Consistency<'_> {
    /// Checks what a guest is given.
    pub(super) fn passthrough(
        &mut self,
        pd: PdIndex,
        d: &ProtectionDomain,
        section: &Section,
        vmm: &Vmm,
    ) {
        self.all_is_named(d, section, vmm);
        for (index, device) in vmm.passthrough.iter().enumerate() {
            let key = element_key(KEY, index);
            let mut wrong = apart(index, device);
            wrong.extend(self.function(pd, d, index, device));
            for (message, cure) in wrong {
                let message = format!("`{}`: {message}", device.name);
                self.refuse(Rule::PassThrough, section, &key, message, cure);
            }
            if let Some((message, cure)) = self.transfers(d, device) {
                let message = format!("`{}`: {message}", device.name);
                self.refuse(Rule::PassThroughDma, section, &key, message, cure);
            }
        }
    }

    /// Whatever of hardware the description gives a VMM is part of one device.
    fn all_is_named(&mut self, d: &ProtectionDomain, section: &Section, vmm: &Vmm) {
        let mut wrong: Vec<Wrong> = Vec::new();
        let mut once = |what: String, times: usize, cure| match times {
            0 => wrong.push((format!("{what} is no device's"), cure)),
            1 => {}
            _ => wrong.push((format!("{what} is several devices'"), "leave it to one of them")),
        };
        let devices = || vmm.passthrough.iter();
        for granted in &d.io_ports {
            let id = granted.id.value;
            let named = devices().flat_map(|device| &device.ports).filter(|ports| ports.id == id);
            once(
                format!("`ioport` {id}"),
                named.count(),
                "name it in [[vmm.passthrough]], or remove it",
            );
        }
        for irq in &d.irqs {
            let id = irq.id.value;
            let named = devices().filter_map(|device| device.interrupt).filter(|i| i.channel == id);
            once(
                format!("`irq` {id}"),
                named.count(),
                "name it in [[vmm.passthrough]], or remove it",
            );
        }
        let maps = d.machine.iter().flat_map(|machine| &machine.maps);
        for map in maps {
            let region = self.system.region(map.region);
            if !self.is_device(map) {
                continue;
            }
            let name = &region.name.value;
            let named = devices().flat_map(|device| &device.memory).filter(|m| *name == *m.region);
            once(
                format!("`{name}`"),
                named.count(),
                "name it in [[vmm.passthrough]], or remove it",
            );
        }
        let lines: Vec<u8> = devices()
            .filter(|device| device.pci.is_none())
            .filter_map(|device| device.interrupt?.line)
            .collect();
        for (number, line) in lines.iter().enumerate() {
            if lines.iter().take(number).any(|other| other == line) {
                wrong.push((format!("two devices have line {line}"), "give them different lines"));
            }
        }
        for (message, cure) in wrong {
            self.refuse(Rule::PassThrough, section, KEY, message, cure);
        }
    }

    /// Whether a guest's map is of a device: of a fixed address beyond the machine's
    /// memory, or in the guest's window for devices.
    fn is_device(&self, map: &Map) -> bool {
        let region = self.system.region(map.region);
        let beyond = self.system.board.memory.is_some_and(|memory| !region.is_ram(memory));
        beyond || region.phys_addr.is_some() && map.address.value >= n::PCI_WINDOW
    }

    /// Checks a device on PCI against who sets it up.
    fn function(
        &self,
        pd: PdIndex,
        d: &ProtectionDomain,
        index: usize,
        device: &PassThrough,
    ) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let bars = device.ports.iter().any(|p| p.bar.is_some())
            || device.memory.iter().any(|m| m.bar.is_some());
        let level = device.interrupt.map(|interrupt| interrupt.level);
        let Some(function) = device.pci else {
            if bars {
                wrong.push((
                    "it has base address registers and is not on PCI".into(),
                    "say where it is: pci = { place = \"00:03.0\", class = 0x020000 }",
                ));
            }
            if level == Some(true) {
                wrong.push((
                    "its interrupt is level-triggered, and the guest takes lines of ISA for edges"
                        .into(),
                    "give the `irq` trigger=\"edge\", or say where on PCI the device is",
                ));
            }
            return wrong;
        };
        if level == Some(false) {
            wrong.push((
                "its interrupt is an edge, and the guest takes those of PCI for levels".into(),
                "give the `irq` trigger=\"level\"",
            ));
        }
        if level.is_none() {
            wrong.push((
                "a device on PCI has an interrupt here".into(),
                "write interrupt = { channel = ... }",
            ));
        }
        if device.interrupt.is_some_and(|interrupt| interrupt.line.is_some()) {
            wrong.push(("the line of a device on PCI is its place's".into(), "leave `line` out"));
        }
        if let Err(why) = Passed::default().add(index, device) {
            wrong.push((why.to_string(), "give the region or the ports such a size and place"));
        }
        let symbol = format!("pass{index}_status_vaddr");
        if !d.setvars.iter().any(|var| var.symbol.value == symbol) {
            wrong.push((
                format!("`{}` maps no region for what `pci` says of it", d.name.value),
                "map the one that `pci` writes for it, with setvar_vaddr=\"passN_status_vaddr\", N as in the order here",
            ));
        }
        // A line of the machine's that another one is routed to would fall silent.
        let set_up = self.set_up(pd, function.place);
        let pin = d.irqs.iter().find_map(|irq| match &irq.source {
            IrqSource::IoApic { pin, .. }
                if device.interrupt.is_some_and(|i| i.channel == irq.id.value) =>
            {
                Some(pin.value)
            }
            _ => None,
        });
        if let (Some(found), Some(pin)) = (set_up, pin)
            && u64::from(found.interrupt) != pin
        {
            wrong.push((
                format!(
                    "its interrupt is led to line {} and awaited at pin {pin}",
                    found.interrupt
                ),
                "make `interrupt` in the section of kind `pci` and the `pin` the same",
            ));
        }
        wrong
    }

    /// What the PCI domain does with a device for this client.
    fn set_up(&self, pd: PdIndex, place: pci_bus::Place) -> Option<&bulkhead_config::PciDevice> {
        let name = &self.system.domain(pd).name.value;
        self.configuration.sections.values().find_map(|section| match &section.content {
            Content::Pci(pci) => pci
                .devices
                .iter()
                .find(|device| device.client == name.as_str() && device.place == place),
            _ => None,
        })
    }

    /// What is wrong with what is said of transfers that a device starts by itself.
    fn transfers(&self, d: &ProtectionDomain, device: &PassThrough) -> Option<Wrong> {
        let masters = self.configuration.sections.values().any(|section| match &section.content {
            Content::Pci(pci) => pci.devices.iter().any(|set_up| {
                set_up.client == d.name.value.as_str()
                    && device.pci.is_some_and(|function| function.place == set_up.place)
                    && set_up.bus_master
            }),
            _ => false,
        });
        let unsure = device.pci.is_none() && !device.memory.is_empty();
        match device.dma {
            Some(Dma::Unconfined) => None,
            Some(Dma::Confined) => self.confined(d, device),
            Some(Dma::None) if masters => Some((
                "it is said to start no transfers, and is made a master of the bus".into(),
                "write bus-master = false in the section of kind `pci`",
            )),
            None if masters => Some((
                "it is a master of the bus: through it the guest reads and writes all memory, and nothing confines it".into(),
                "write bus-master = false; or confine it by an `io_address_space` and dma = \"confined\"; or accept that by dma = \"unconfined\"",
            )),
            None if unsure => Some((
                "its registers are in memory, it is not on PCI, and nothing says whether it writes memory by itself (an HPET does)".into(),
                "write dma = \"none\" if it cannot, or accept that it can by dma = \"unconfined\"",
            )),
            Some(Dma::None) | None => None,
        }
    }

    /// What is wrong with the I/O address space of a device.
    fn confined(&self, d: &ProtectionDomain, device: &PassThrough) -> Option<Wrong> {
        let place = device.pci.map(|function| function.place);
        let space = self.system.io_spaces.iter().find(|space| {
            let at = space.device.value;
            place.is_some_and(|place| {
                at.bus == 0 && at.device == place.device() && at.function == place.function()
            })
        });
        let Some(space) = space else {
            return Some((
                "it is said to be confined, and no `io_address_space` is its".into(),
                "write one with its place as `peripheral_id`, on a board that has an IOMMU",
            ));
        };
        let guest = d.machine.as_ref().map_or(&[][..], |machine| &machine.maps);
        for map in &space.maps {
            let own = guest.iter().find(|own| own.region == map.region);
            let name = &self.system.region(map.region).name.value;
            match own {
                None => {
                    return Some((
                        format!("it reaches `{name}`, which is not its guest's"),
                        "map into its `io_address_space` what the guest has",
                    ));
                }
                Some(own) if own.address.value != map.address.value => {
                    return Some((
                        format!(
                            "it finds `{name}` at {:#x}, and its guest at {:#x}: the driver tells it the guest's addresses",
                            map.address.value, own.address.value
                        ),
                        "make `iovaddr` the guest's address",
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }
}

/// Checks that a device lies beside those of the guest's machine.
fn apart(index: usize, device: &PassThrough) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for ports in &device.ports {
        let mut all = (0..ports.count).filter_map(|n| ports.first.checked_add(n));
        if let Some(port) = all.find(|&port| pio::is_taken(port)) {
            wrong.push((
                format!("port {port:#x} is a device's of the guest's machine"),
                "a guest has such a device already, emulated; see docs/architecture.md",
            ));
        }
    }
    for memory in device.memory.iter().filter(|memory| memory.size > 0) {
        let start = u64::from(memory.address);
        let window = Span::new(n::PCI_WINDOW, n::PCI_WINDOW_END);
        if !window.contains(Span::new(start, start + u64::from(memory.size))) {
            wrong.push((
                format!(
                    "`{}` at {start:#x} is outside the guest's window for devices",
                    memory.region
                ),
                "map it between 0xc0000000 and 0xfebfffff",
            ));
        }
    }
    if device.pci.is_none()
        && let Some(line) = device.interrupt.and_then(|interrupt| interrupt.line)
        && !passed::may_drive(line)
    {
        wrong.push((
            format!("line {line} is a device's of the guest's machine, or none of ISA"),
            "free are 3, 5, 6, 7, 10, 11, 12, 14 and 15: write `line`",
        ));
    }
    if device.ports.is_empty() && device.memory.is_empty() && device.interrupt.is_none() {
        wrong.push((
            format!("device {index} has no parts"),
            "give it ports, memory or an interrupt",
        ));
    }
    wrong
}
