//! `docs/tour.md` names files and what is defined in them; both must be there.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

/// Folders of the tour's examples, which are not in the tree.
const EXAMPLES: [&str; 2] = ["device-pds/hello", "systems/hello"];

/// What is wrong with a text that names files and definitions.
fn wrong(text: &str, checkout: &Path) -> BTreeSet<String> {
    // A file or folder with at least one slash, and names defined in it.
    let reference =
        Regex::new(r"`([A-Za-z0-9_-]+/[A-Za-z0-9_./-]*)`(?:\s+\(((?:`[A-Za-z_]+`[,\s]*)+)\))?")
            .unwrap();
    let name = Regex::new("`([A-Za-z_]+)`").unwrap();
    let mut wrong = BTreeSet::new();
    for found in reference.captures_iter(text) {
        let file = &found[1];
        if file.starts_with("target/") || EXAMPLES.iter().any(|example| file.starts_with(example)) {
            continue;
        }
        let path = checkout.join(file);
        if !path.exists() {
            wrong.insert(format!("{file} is not there"));
            continue;
        }
        let Some(names) = found.get(2) else { continue };
        let source = fs::read_to_string(&path).unwrap_or_default();
        for found in name.captures_iter(names.as_str()) {
            let item = &found[1];
            let defined = Regex::new(&format!(
                r"(?m)\b(?:fn|struct|enum|trait|const|static|type|mod|macro_rules!)\s+{item}\b"
            ));
            if !defined.unwrap().is_match(&source) {
                wrong.insert(format!("{file} does not define {item}"));
            }
        }
    }
    wrong
}

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn what_the_tour_names_is_there() {
    let tour = fs::read_to_string(checkout().join("docs/tour.md")).unwrap();
    assert!(tour.matches("`vmm-pd/").count() > 20, "the test no longer sees the tour's references");
    assert_eq!(wrong(&tour, checkout()), BTreeSet::new());
}

#[test]
fn a_name_that_went_away_is_found() {
    let text = "see `tools/build/src/gone.rs`, and `tools/build/src/lib.rs` (`Workspace`,\n`gone`),\n\
                and `tools/build/src/workspace.rs` (`Workspace`, `find`); `target/x.log`";
    let expected = [
        "tools/build/src/gone.rs is not there",
        "tools/build/src/lib.rs does not define Workspace",
        "tools/build/src/lib.rs does not define gone",
    ];
    assert_eq!(wrong(text, checkout()), expected.map(String::from).into());
}
