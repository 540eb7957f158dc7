//! A component: something with a name, a version, a licence and a source of
//! its own, of which files of the image are made.

use std::collections::BTreeMap;

/// SPDX 2.3, clause 7.7: nothing is claimed.
pub(crate) const NO_ASSERTION: &str = "NOASSERTION";

/// One licence text, as its owner wrote it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LicenceText {
    /// Name of the file that it was read from.
    pub file: String,
    /// All of it.
    pub text: String,
}

/// A component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Component {
    /// Its name, as its makers write it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX licence expression, or [`NO_ASSERTION`].
    pub licence: String,
    /// Who gives it out: `Organization: NAME`, or [`NO_ASSERTION`].
    pub supplier: String,
    /// Where it was downloaded from, or [`NO_ASSERTION`].
    pub download: String,
    /// Package URL (the "purl" specification).
    pub purl: Option<String>,
    /// SHA-256 of what was downloaded.
    pub sha256: Option<String>,
    /// How to get its source.
    pub obtain: String,
    /// What else a reader must know.
    pub remark: Option<String>,
    /// Its licence's texts and notices.
    pub texts: Vec<LicenceText>,
}

/// Which component: holding one means that it is in a [`Components`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ComponentId(String);

impl ComponentId {
    /// Letters, digits, `.` and `-`, as SPDX wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// All components, each once.
#[derive(Default, Debug)]
pub(crate) struct Components(BTreeMap<ComponentId, Component>);

impl Components {
    /// Adds a component of a kind ("crate", "debian"), unless it is there.
    pub fn add(&mut self, kind: &str, component: Component) -> ComponentId {
        let text = format!("{kind}-{}-{}", component.name, component.version);
        let id = ComponentId(plain(&text));
        self.0.entry(id.clone()).or_insert(component);
        id
    }

    /// One of them.
    pub fn get(&self, id: &ComponentId) -> Option<&Component> {
        self.0.get(id)
    }

    /// In the order of their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (&ComponentId, &Component)> {
        self.0.iter()
    }
}

/// The text with everything replaced that an SPDX identifier cannot hold
/// (SPDX 2.3, clause 7.2).
pub(crate) fn plain(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    text.chars().map(keep).collect()
}

/// For tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A component of this name.
    pub fn component(name: &str) -> Component {
        Component {
            name: name.into(),
            version: "1".into(),
            licence: "MIT".into(),
            supplier: NO_ASSERTION.into(),
            download: NO_ASSERTION.into(),
            purl: None,
            sha256: Some("00".repeat(32)),
            obtain: format!("the shop of {name}"),
            remark: None,
            texts: vec![LicenceText { file: "LICENSE".into(), text: format!("do as {name}") }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_holds_only_what_spdx_allows() {
        assert_eq!(plain("a_b 1:1.35.0-4+deb12u1~x"), "a-b-1-1.35.0-4-deb12u1-x");
    }
}
