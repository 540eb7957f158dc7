//! The notices: for people, plain text, each licence text once.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{component::Components, digest::Digests, inventory::Inventory};

const RULE: &str =
    "--------------------------------------------------------------------------------";

/// The whole text.
pub(crate) fn notices(
    file: &str,
    digests: &Digests,
    components: &Components,
    inventory: &Inventory,
) -> String {
    // Writing to a string cannot fail.
    let mut out = String::new();
    let _ = write!(
        out,
        "THIRD-PARTY NOTICES\n\nfor the boot image {file}\nSHA-256 {}\n\n\
         The image is an aggregate of programs under different licences. Whoever passes it on\n\
         owes the complete source of those under the GPL and LGPL, and these notices. Below:\n\
         1. the files and what each is made of; 2. the components and how to get their sources;\n\
         3. the licences' texts. The same facts for machines are in the SPDX file beside it.\n",
        digests.sha256
    );
    let _ = write!(out, "\n\n1. FILES\n{RULE}\n");
    for (path, entry) in inventory.iter().filter(|(_, entry)| entry.inside) {
        let names = entry.made_of.iter().filter_map(|(_, id)| components.get(id));
        let names: Vec<String> = names.map(|c| format!("{} {}", c.name, c.version)).collect();
        let _ = write!(out, "\n{path}\n    SHA-256 {}\n", entry.digests.sha256);
        out.push_str(&wrapped(&names.join(", "), "    "));
    }
    let _ = write!(out, "\n\n2. COMPONENTS\n{RULE}\n");
    for (_, component) in components.iter() {
        let _ = write!(out, "\n{} {}\n", component.name, component.version);
        let _ = writeln!(out, "    licence  {}", component.licence);
        let _ = writeln!(out, "    source   {}", component.obtain);
        if let Some(sum) = &component.sha256 {
            let _ = writeln!(out, "    SHA-256  {sum} (as downloaded)");
        }
        if let Some(remark) = &component.remark {
            let _ = writeln!(out, "    remark   {remark}");
        }
    }
    let _ = write!(out, "\n\n3. LICENCES\n{RULE}\n");
    for (text, owners) in texts(components) {
        out.push('\n');
        out.push_str(&wrapped(&owners.join(", "), ""));
        let _ = write!(out, "\n{text}\n\n{RULE}\n");
    }
    out
}

/// Each text once, with those that it belongs to, in the order of the first of
/// them.
fn texts(components: &Components) -> Vec<(&str, Vec<String>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for (_, component) in components.iter() {
        for text in &component.texts {
            let owner = format!("{} {} ({})", component.name, component.version, text.file);
            let place = *places.entry(&text.text).or_insert_with(|| {
                all.push((&text.text, Vec::new()));
                all.len() - 1
            });
            if let Some((_, owners)) = all.get_mut(place) {
                owners.push(owner);
            }
        }
    }
    all
}

/// Breaks a list at spaces, within 100 columns where that can be.
fn wrapped(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        if column > 0 && column + 1 + word.len() > 100 {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{component::testing::component, inventory::Origin};

    #[test]
    fn a_text_that_two_components_share_is_there_once_with_both_names() {
        let mut components = Components::default();
        let mut other = component("b");
        other.texts = component("a").texts;
        let id = components.add("crate", component("a"));
        components.add("crate", other);
        let mut inventory = Inventory::default();
        inventory.add("system/x.elf", b"x", vec![(Origin::Linked, id)]).unwrap();
        let text = notices("system.iso", &Digests::of(b"image"), &components, &inventory);
        assert_eq!(text.matches("do as a").count(), 1, "{text}");
        assert!(text.contains("a 1 (LICENSE), b 1 (LICENSE)\n"), "{text}");
        assert!(text.contains("system/x.elf\n    SHA-256 2d711642"), "{text}");
    }

    #[test]
    fn a_long_list_is_broken_at_spaces() {
        let list = vec!["word"; 60].join(" ");
        let text = wrapped(&list, "  ");
        assert!(text.lines().all(|line| line.len() <= 100 && line.starts_with("  word")));
        assert_eq!(text.split_whitespace().count(), 60);
    }
}
