//! The systems of this repository hold to every rule, on both boards.

use std::path::{Path, PathBuf};

use bulkhead_sdf::{Board, NotBuilt, Source, configuration, parse, render};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn descriptions() -> Vec<PathBuf> {
    let mut found = vec![root().join("system.xml")];
    for entry in std::fs::read_dir(root().join("systems")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "system") {
            found.push(path);
        }
    }
    assert!(found.len() > 3, "{found:?}");
    found
}

#[test]
fn our_own_descriptions_break_no_rule_on_any_board() {
    for path in descriptions() {
        let source = Source::read(&path).unwrap();
        for board in [Board::bochs(), Board::x86_64_generic_vtx()] {
            match parse(&source, &board, &NotBuilt) {
                Ok(parsed) => {
                    assert!(parsed.warnings.is_empty(), "{}", render(&parsed.warnings, 100));
                }
                Err(problems) => panic!("{}", render(problems.iter(), 100)),
            }
        }
    }
}

#[test]
fn our_own_configurations_fit_their_descriptions() {
    for path in descriptions() {
        let source = Source::read(&path).unwrap();
        let system = parse(&source, &Board::bochs(), &NotBuilt).unwrap().system;
        let checked = configuration::load(&configuration::path_beside(&path))
            .and_then(|c| configuration::check(&system, &c).map(|()| c));
        match checked {
            Ok(c) => {
                for section in c.sections.values() {
                    assert!(section.encode().unwrap().starts_with(&bulkhead_config::MAGIC));
                }
            }
            Err(problems) => panic!("{}", render(problems.iter(), 100)),
        }
    }
}
