//! Block devices: clients have data regions of their own and parts of the disk
//! that nobody else writes.

use bulkhead_config::{BlkClient, BlkPartition, BlkVirt, IoRegion};
use system_spec::PdIndex;

use super::{Section, consistency::Consistency};
use crate::model::{ProtectionDomain, region_index};

impl Consistency<'_> {
    /// Checks a block virtualiser's section.
    pub(super) fn blk_virt(
        &mut self,
        pd: PdIndex,
        d: &ProtectionDomain,
        section: &Section,
        virt: &BlkVirt,
    ) {
        let have: Vec<&str> = virt.clients.iter().map(|client| client.name.as_str()).collect();
        if !self.serves(pd, d, section, "clients", &have) {
            return;
        }
        for (client, server) in virt.clients.iter().zip(self.served(pd)) {
            let user = self.system.domain(server);
            if !self.maps(user, &client.data) {
                let message = format!(
                    "`{}` does not map `{}`, which is to hold its buffers",
                    user.name.value, client.data.name
                );
                self.report(section, "clients", message);
            }
            if client.partition.needs_table() && virt.table.is_none() {
                let message = format!(
                    "`{}` has a partition of the disk's table, and no `table` names a region to read that into",
                    client.name
                );
                self.report(section, "clients", message);
            }
        }
        self.reaches(d, section, "table", &virt.table);
        for (number, client) in virt.clients.iter().enumerate() {
            for earlier in virt.clients.iter().take(number) {
                if earlier.data.name == client.data.name {
                    let message = format!(
                        "`{}` and `{}` have `{}` both, and would see each other's data",
                        earlier.name, client.name, client.data.name
                    );
                    self.report(section, "clients", message);
                }
                if (!earlier.read_only || !client.read_only) && overlap(earlier, client) {
                    let message = format!(
                        "`{}` and `{}` have the same blocks of the disk, and not both are `read-only`",
                        earlier.name, client.name
                    );
                    self.report(section, "clients", message);
                }
            }
        }
    }

    /// Checks that a driver maps what it copies from and to.
    pub(super) fn reaches<'a>(
        &mut self,
        d: &ProtectionDomain,
        section: &Section,
        key: &str,
        regions: impl IntoIterator<Item = &'a IoRegion>,
    ) {
        for region in regions {
            if !self.maps(d, region) {
                let message = format!("`{}` does not map `{}`", d.name.value, region.name);
                self.report(section, key, message);
            }
        }
    }

    /// Whether a domain maps a region. (One that there is not is reported
    /// elsewhere.)
    pub(super) fn maps(&self, d: &ProtectionDomain, region: &IoRegion) -> bool {
        let mut named = self.system.regions.iter().enumerate();
        let found = named.find(|(_, r)| r.name.value == region.name.as_str());
        found.is_none_or(|(i, _)| d.maps.iter().any(|map| map.region == region_index(i)))
    }
}

/// Whether two clients have a block in common, as far as it is known without a
/// look at the disk.
fn overlap(a: &BlkClient, b: &BlkClient) -> bool {
    match (&a.partition, &b.partition) {
        (BlkPartition::Whole, _) | (_, BlkPartition::Whole) => true,
        (
            BlkPartition::Range { first: a, blocks: a_blocks },
            BlkPartition::Range { first: b, blocks: b_blocks },
        ) => *a < b.saturating_add(b_blocks.get()) && *b < a.saturating_add(a_blocks.get()),
        (
            BlkPartition::Index(_) | BlkPartition::Name(_) | BlkPartition::Guid(_),
            BlkPartition::Index(_) | BlkPartition::Name(_) | BlkPartition::Guid(_),
        ) => a.partition == b.partition,
        // One is a place and one a name: the virtualiser finds out.
        (BlkPartition::Range { .. }, _) | (_, BlkPartition::Range { .. }) => false,
    }
}
