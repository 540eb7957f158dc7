//! `io_address_space` and `iomap`.

use super::{Context, element::Element};
use crate::{
    model::{IoSpace, Map, Perms},
    rule::Rule,
    source::At,
};

/// One past the greatest I/O address: 39 bits, as the Microkit's initialiser
/// sets the IOMMU up.
pub(crate) const IO_TOP: u64 = 1 << 39;

impl Context<'_> {
    /// Reads what a device may reach.
    pub(super) fn io_space(&mut self, e: Element<'_>) -> Option<IoSpace> {
        let support = self.board.iommu;
        self.board_support(e.span(), "`io_address_space`", support);
        self.allow(e, &["name", "peripheral_id", "domain_id"]);
        let name = self.required(e, "name");
        let domain_id = self.required_number(e, "domain_id");
        let device = self.required(e, "peripheral_id").and_then(|w| self.pci_address(w));
        let mut maps = Vec::new();
        for c in e.children() {
            if c.name() == "iomap" {
                maps.extend(self.io_map(c));
            } else {
                self.unknown_element(e, c, &["iomap"]);
            }
        }
        Some(IoSpace {
            span: e.span(),
            name: name?.map(Into::into),
            device: device?,
            domain_id: domain_id?,
            maps,
        })
    }

    fn io_map(&mut self, e: Element<'_>) -> Option<Map> {
        self.allow(e, &["mr", "iovaddr", "perms"]);
        self.no_children(e);
        let name = self.required(e, "mr");
        let region = name.and_then(|n| self.known_region(&n, Rule::MapRegion));
        let address = self.required_number(e, "iovaddr");
        let perms = self.io_perms(e);
        let address = address?;
        if address.value >= IO_TOP {
            let message = format!("`iovaddr` is {:#x}", address.value);
            self.report(self.problem(Rule::IoAddress, address.span, message));
            return None;
        }
        Some(Map {
            span: e.span(),
            note: e.comment_before(),
            region: region?,
            address,
            perms,
            cached: false,
        })
    }

    fn io_perms(&mut self, e: Element<'_>) -> Perms {
        let Some(word) = e.attribute("perms") else { return Perms::READ_WRITE };
        let At { value, span } = word;
        if value.is_empty() || value.chars().any(|c| !"rw".contains(c)) {
            let message = format!("`perms` is `{value}`");
            self.report(self.problem(Rule::IoPerms, span, message));
            return Perms::READ_WRITE;
        }
        Perms { read: value.contains('r'), write: value.contains('w'), execute: false }
    }
}
