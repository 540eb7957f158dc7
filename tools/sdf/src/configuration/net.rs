//! The network: addresses are one port's each, peers are ports, and a guest's
//! interface has an address that its port lets pass.

use std::collections::BTreeMap;

use bulkhead_config::{Interface, LEARNED_MAX, Mac, NetVirt};
use system_spec::PdIndex;

use super::{Content, Section, consistency::Consistency};
use crate::model::ProtectionDomain;

impl Consistency<'_> {
    /// Checks a network virtualiser's section.
    pub(super) fn net_virt(
        &mut self,
        pd: PdIndex,
        d: &ProtectionDomain,
        section: &Section,
        virt: &NetVirt,
    ) {
        let names: Vec<&str> = virt.ports.iter().map(|port| port.name.as_str()).collect();
        if self.serves(pd, d, section, "ports", &names) {
            self.addresses(section, virt);
            self.peers(section, virt);
        }
        if let Some(uplink) = &virt.uplink {
            for region in [&uplink.receive, &uplink.transmit] {
                if !self.maps(d, region) {
                    let message = format!("`{}` does not map `{}`", d.name.value, region.name);
                    self.report(section, "uplink", message);
                }
            }
            if uplink.receive.name == uplink.transmit.name {
                let message =
                    format!("it receives into and transmits from `{}`", uplink.receive.name);
                self.report(section, "uplink", message);
            }
        }
    }

    /// Each address is one port's, and each port has one.
    fn addresses(&mut self, section: &Section, virt: &NetVirt) {
        let mut owners: BTreeMap<Mac, &str> = BTreeMap::new();
        let mut messages = Vec::new();
        for port in &virt.ports {
            for mac in &port.macs {
                if let Some(other) = owners.insert(*mac, &port.name) {
                    messages
                        .push(format!("{mac} is the address of `{other}` and of `{}`", port.name));
                }
            }
            if port.macs.is_empty() && port.learn == 0 {
                messages.push(format!(
                    "`{}` has no address (`macs`) and may take none (`learn`): it can send nothing",
                    port.name
                ));
            }
            for Interface { mac, .. } in self.interfaces(&port.name) {
                let is_anyones = virt
                    .ports
                    .iter()
                    .any(|p| p.name == port.name && (p.macs.contains(mac) || p.learn > 0));
                if !is_anyones {
                    messages.push(format!(
                        "the guest `{}` has an interface with address {mac}, and no port of its lets that pass",
                        port.name
                    ));
                }
            }
        }
        let learned: usize = virt.ports.iter().map(|port| usize::from(port.learn)).sum();
        if learned > LEARNED_MAX {
            messages.push(format!(
                "all ports together may take {LEARNED_MAX} addresses (`learn`), not {learned}"
            ));
        }
        for message in messages {
            self.report(section, "ports", message);
        }
    }

    /// Peers are other ports, and agree.
    fn peers(&mut self, section: &Section, virt: &NetVirt) {
        let mut messages = Vec::new();
        for (number, port) in virt.ports.iter().enumerate() {
            for peer in port.peers.iter().flatten() {
                let mut others = virt
                    .ports
                    .iter()
                    .enumerate()
                    .filter(|&(other, p)| other != number && p.name == *peer);
                match others.next() {
                    None => messages
                        .push(format!("`{peer}`, a peer of `{}`, is no other port", port.name)),
                    Some((other, _)) if !virt.are_peers(number, other) => messages.push(format!(
                        "`{}` has the peer `{peer}`, which does not have it: they exchange nothing",
                        port.name
                    )),
                    Some(_) => {}
                }
            }
        }
        for message in messages {
            self.report(section, "ports", message);
        }
    }

    /// The network interfaces of a guest.
    fn interfaces(&self, guest: &str) -> &[Interface] {
        let vmm = self.configuration.sections.values().find_map(|section| {
            let Content::Vmm(vmm) = &section.content else { return None };
            (vmm.name == *guest).then_some(vmm)
        });
        vmm.map_or(&[], |vmm| &vmm.net)
    }
}
