//! The systems of this repository hold to every rule, on both boards.

use std::path::{Path, PathBuf};

use bulkhead_sdf::{
    Board, NotBuilt, Source, System, authority_markdown, configuration, parse, render, topology_svg,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every description, and the boards that it is for: a folder in `systems/` is
/// named after the only one.
fn descriptions() -> Vec<(PathBuf, Vec<Board>)> {
    let all = vec![Board::bochs(), Board::x86_64_generic_vtx()];
    let (sdk, smp) = (Board::x86_64_generic_vtx(), Board::x86_64_generic_vtx_smp());
    let mut found = vec![(root().join("system.xml"), all.clone())];
    for (folder, boards) in [
        ("systems", all),
        ("systems/x86_64_generic_vtx-smp", vec![smp]),
        // Of docs/microkit.md.
        ("docs/examples", vec![sdk]),
    ] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "system") {
                found.push((path, boards.clone()));
            }
        }
    }
    assert!(found.len() > 4, "{found:?}");
    found
}

#[test]
fn our_own_descriptions_break_no_rule_on_the_boards_that_they_are_for() {
    for (path, boards) in descriptions() {
        let source = Source::read(&path).unwrap();
        for board in boards {
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
fn nothing_in_the_default_system_is_left_undone_by_a_board() {
    let source = Source::read(&root().join("system.xml")).unwrap();
    for board in Board::all() {
        let notes = parse(&source, &board, &NotBuilt).unwrap().notes;
        assert!(notes.is_empty(), "{}", render(&notes, 100));
    }
}

#[test]
fn a_system_for_several_processors_is_refused_where_there_is_one() {
    let path = root().join("systems/x86_64_generic_vtx-smp/two-processors.system");
    for board in [Board::bochs(), Board::x86_64_generic_vtx()] {
        let problems = parse(&Source::read(&path).unwrap(), &board, &NotBuilt).unwrap_err();
        let rules: Vec<_> = problems.iter().map(|p| p.rule().code()).collect();
        assert_eq!(rules, ["cpu", "cpu"]);
    }
}

#[test]
fn our_own_configurations_fit_their_descriptions() {
    for (path, boards) in descriptions() {
        if path.ends_with("docs/examples/driver.system") {
            // It has no domain that has a configuration.
            continue;
        }
        let source = Source::read(&path).unwrap();
        let system = parse(&source, &boards[0], &NotBuilt).unwrap().system;
        let checked = configuration::load(&configuration::path_beside(&path))
            .and_then(|mut c| configuration::check(&system, &mut c).map(|()| c));
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

fn default_system() -> System {
    let text = std::fs::read_to_string(root().join("system.xml")).unwrap();
    parse(&Source::new("system.xml", text), &Board::bochs(), &NotBuilt).unwrap().system
}

/// Compares a file made from the description with what it would be now.
/// `BULKHEAD_BLESS=1` writes it instead.
fn assert_current(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("BULKHEAD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: run BULKHEAD_BLESS=1 cargo test -p bulkhead-sdf, and read what changed",
        path.display()
    );
}

#[test]
fn the_page_of_authority_is_current() {
    assert_current("docs/authority.md", &authority_markdown(&default_system()));
}

#[test]
fn the_picture_is_current() {
    assert_current("docs/system.svg", &topology_svg(&default_system()));
}
