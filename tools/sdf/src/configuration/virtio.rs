//! A guest's virtio devices: those that a configuration speaks of are those whose
//! regions the description maps into the VMM.

use bulkhead_config::Vmm;

use super::{Section, consistency::Consistency};
use crate::model::ProtectionDomain;

/// How many devices of a kind a VMM has: the first without its region ends them.
fn mapped(d: &ProtectionDomain, kind: &str, region: &str) -> usize {
    let has = |index: usize| {
        let symbol = format!("{kind}{index}_{region}_vaddr");
        d.setvars.iter().any(|var| var.symbol.value == symbol)
    };
    (0..).take_while(|index| has(*index)).count()
}

impl Consistency<'_> {
    /// Checks what a VMM's section says of virtio devices.
    pub(super) fn virtio(&mut self, d: &ProtectionDomain, section: &Section, vmm: &Vmm) {
        let name = &d.name.value;
        let disks = mapped(d, "blk", "data");
        if vmm.block.len() > disks {
            let message = format!(
                "`{name}` maps the regions of {disks} disks (blk0_data_vaddr and so on), and {} are described",
                vmm.block.len()
            );
            self.report(section, "block", message);
        }
        let interfaces = mapped(d, "net", "rx_data");
        if vmm.net.len() != interfaces {
            let message = format!(
                "`{name}` maps the regions of {interfaces} network interfaces (net0_rx_data_vaddr and so on), and {} have an address",
                vmm.net.len()
            );
            self.report(section, "net", message);
        }
        for (index, interface) in vmm.net.iter().enumerate() {
            if vmm.net.iter().take(index).any(|other| other.mac == interface.mac) {
                let message = format!("two interfaces have the address {}", interface.mac);
                self.report(section, "net", message);
            }
        }
    }
}
