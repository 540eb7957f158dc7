//! `map`, in a protection domain or a virtual machine.

use system_spec::RegionIndex;

use super::{Context, element::Element, element::nearest};
use crate::{
    model::{Map, Perms, ProtectionDomain, SetVarValue},
    rule::Rule,
    source::At,
};

impl Context<'_> {
    /// Reads a map of a protection domain, and the variables it sets.
    pub(super) fn domain_map(&mut self, e: Element<'_>, domain: &mut ProtectionDomain) {
        self.allow(
            e,
            &[
                "mr",
                "vaddr",
                "perms",
                "cached",
                "setvar_vaddr",
                "setvar_size",
                "setvar_prefill_size",
            ],
        );
        let Some(map) = self.map(e, "vaddr") else { return };
        let values = [
            ("setvar_vaddr", SetVarValue::Number(map.address.value)),
            ("setvar_size", SetVarValue::RegionSize(map.region)),
            ("setvar_prefill_size", SetVarValue::PrefillSize(map.region)),
        ];
        for (name, value) in values {
            if let Some(symbol) = e.attribute(name) {
                self.add_setvar(domain, symbol, value);
            }
        }
        domain.maps.push(map);
    }

    /// Reads a map of a guest, which has no variables to set.
    pub(super) fn guest_map(&mut self, e: Element<'_>) -> Option<Map> {
        self.allow(e, &["mr", "vaddr", "perms", "cached"]);
        self.map(e, "vaddr")
    }

    fn map(&mut self, e: Element<'_>, address: &str) -> Option<Map> {
        self.no_children(e);
        let name = self.required(e, "mr");
        let region = name.and_then(|n| self.known_region(&n, Rule::MapRegion));
        let address = self.required_number(e, address);
        let perms = self.perms(e);
        let cached = self.boolean(e, "cached", true);
        Some(Map {
            span: e.span(),
            note: e.comment_before(),
            region: region?,
            address: address?,
            perms,
            cached,
        })
    }

    fn perms(&mut self, e: Element<'_>) -> Perms {
        let Some(word) = e.attribute("perms") else { return Perms::READ_WRITE };
        let perms = Perms {
            read: word.value.contains('r'),
            write: word.value.contains('w'),
            execute: word.value.contains('x'),
        };
        if word.value.chars().any(|c| !"rwx".contains(c)) {
            let message = format!("`perms` is `{}`", word.value);
            self.report(self.problem(Rule::MapPerms, word.span, message));
            Perms::READ_WRITE
        } else if perms.write && !perms.read && !perms.execute {
            let p = self
                .problem(Rule::MapWriteOnly, word.span, "a write-only map")
                .cure("write perms=\"rw\"");
            self.report(p);
            Perms::READ_WRITE
        } else {
            if !perms.read {
                let p = self
                    .problem(Rule::MapUseless, word.span, "a map that cannot be read")
                    .cure("add `r`, or remove the map");
                self.report(p);
            }
            perms
        }
    }

    /// Finds a region by name.
    pub(super) fn known_region(&mut self, name: &At<&str>, rule: Rule) -> Option<RegionIndex> {
        let found = self.regions.get(name.value).copied();
        if found.is_none() {
            let names: Vec<&str> = self.regions.keys().map(String::as_str).collect();
            let mut p = self.problem(
                rule,
                name.span.clone(),
                format!("no memory region is called `{}`", name.value),
            );
            if let Some(near) = nearest(name.value, &sorted(names)) {
                p = p.cure(format!("did you mean `{near}`?"));
            }
            self.report(p);
        }
        found
    }
}

/// A hash map's keys in an order that does not change.
pub(super) fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}
