//! System descriptions with each kind of mistake. `tools/sdf` has a test for
//! each rule and holds the text of its message; here is that the command shows
//! it, with its place, and builds nothing.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use crate::{
    call::{Call, Catalogue},
    checkout::Checkout,
};

/// A description that can be built, with notes: what it asks for has no
/// effect on the board `bochs`.
const NOTED: &str = "tools/sdf/tests/rules/cases/not_enforced.system";

/// How a case for the other board begins.
const OTHER_BOARD: &str = "<!-- board:";

fn cases(checkout: &Checkout) -> Vec<PathBuf> {
    let folder = checkout.root().join("tools/sdf/tests/rules/cases");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("the cases").flatten().map(|entry| entry.path()).collect();
    cases.retain(|case| {
        let text = fs::read_to_string(case).expect("a case");
        !text.starts_with(OTHER_BOARD)
    });
    cases.sort();
    assert!(cases.len() > 80, "only {} cases", cases.len());
    cases
}

pub fn each_mistake_is_shown_with_its_place_and_nothing_is_built() {
    let checkout = Checkout::new();
    let before = checkout.state();
    let mut refused = 0;
    for case in cases(&checkout) {
        let name = case.file_stem().expect("a name").to_string_lossy().into_owned();
        let check = Call::new(&checkout, ["check".as_ref(), case.as_os_str()]).run();
        if check.status == 0 {
            // What the rule says is then a note, or hangs on files that are
            // not built yet, or on less memory.
            continue;
        }
        refused += 1;
        assert_eq!(check.status, 1, "{name}: {}", check.err);
        let place = format!("{}:", case.file_name().expect("a name").to_string_lossy());
        assert!(check.err.contains(&place), "{name} shows no place: {}", check.err);
        assert!(check.err.contains("breaks "), "{name}: {}", check.err);
        let build = Call::new(&checkout, ["build".as_ref(), "--system".as_ref(), case.as_os_str()]);
        let build = build.run();
        assert_eq!(build.status, 125, "{name}: {}", build.err);
        assert!(build.err.contains(&place), "{name} shows no place: {}", build.err);
        assert_eq!(checkout.state(), before, "{name} has built something");
    }
    assert!(refused >= 70, "only {refused} are refused");
    // Each attribute that this board does not act on is told once.
    let noted = Call::new(&checkout, ["check", NOTED]).run();
    assert_eq!(noted.status, 0, "{}", noted.err);
    assert_eq!(noted.err.matches("accepts this and does not act on it").count(), 3, "{noted:?}");
}

/// Files that are no descriptions, and configurations that do not fit.
pub fn what_is_no_description_is_refused_by_name() {
    let checkout = Checkout::new();
    let folder = checkout.scratch();
    let at = |name: &str| folder.join(name);
    let system = fs::read(checkout.root().join("system.xml")).expect("the default system");
    for (name, text) in [
        ("binary.system", &b"\x7fELF\x02\x01\xff\xfe"[..]),
        ("empty.system", b""),
        ("cut.system", b"<system>\n    <!-- The first do"),
        ("alone.system", &system),
        ("broken.system", &system),
        ("broken.toml", b"[vmm\n"),
        ("unknown.system", &system),
        ("unknown.toml", b"[vmm]\nkind = \"vm\"\n"),
    ] {
        fs::write(at(name), text).expect("a file");
    }
    fs::File::create(at("large.system")).and_then(|f| f.set_len(2 << 30)).expect("a file");
    symlink("loop.system", at("loop.system")).expect("a link");
    let made = Command::new("mkfifo").arg(at("pipe.system")).status().expect("mkfifo starts");
    assert!(made.success());
    let before = checkout.state();
    let mut catalogue = Catalogue::default();
    for name in [
        "nowhere.system",
        "binary.system",
        "empty.system",
        "cut.system",
        "large.system",
        "loop.system",
        "pipe.system",
        "alone.system",
        "broken.system",
        "unknown.system",
        "",
    ] {
        let path = at(name);
        for (command, status) in [("check", [1, 125]), ("build", [125, 125])] {
            let mut arguments = vec![command.as_ref(), path.as_os_str()];
            if command == "build" {
                arguments.insert(1, "--system".as_ref());
            }
            let outcome = Call::new(&checkout, arguments).run();
            assert!(status.contains(&outcome.status), "{command} {name}: {}", outcome.err);
            assert_eq!(checkout.state(), before, "{command} {name} has changed something");
            if command == "check" {
                catalogue.add(if name.is_empty() { "a folder" } else { name }, &outcome);
            }
        }
    }
    catalogue.check("descriptions");
}
