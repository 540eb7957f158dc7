//! Checkouts that may not be written, odd names of folders, odd environments,
//! closed streams.

use std::{fs, process::Command};

use crate::{
    call::{Call, Catalogue},
    checkout::Checkout,
};

pub fn a_checkout_that_cannot_be_written_is_named_and_can_be_asked() {
    let checkout = Checkout::new();
    let before = checkout.state();
    let root = checkout.root().display().to_string();
    let read_only =
        format!("mount --bind {root} {root}; mount -o remount,bind,ro {root}; cd {root}");
    let mut catalogue = Catalogue::default();
    for (arguments, status) in [
        (&["build"][..], 125),
        (&["run"], 125),
        (&["test"], 125),
        (&["clean"], 125),
        (&["check", "system.xml"], 0),
    ] {
        let outcome = Call::new(&checkout, arguments).after(&read_only).run();
        assert_eq!(outcome.status, status, "{arguments:?}: {}", outcome.err);
        if status != 0 {
            catalogue.add(&arguments.join(" "), &outcome);
        }
    }
    assert_eq!(checkout.state(), before);
    assert_eq!(Call::new(&checkout, ["build"]).run().status, 0, "when it can be written it works");
    catalogue.check("read-only");
}

pub fn odd_environments_and_closed_streams_do_no_harm() {
    let checkout = Checkout::new();
    let build = || Call::new(&checkout, ["build"]);
    for (name, call) in [
        ("no HOME, no TERM", build().without("TERM").without("LANG")),
        ("an unknown locale", build().with("LC_ALL", "xx_XX.UTF-8").with("LANG", "nonsense")),
        ("an unknown terminal", build().with("TERM", "no-such-terminal")),
        ("a subfolder", build().from(checkout.root().join("tools/sdf"))),
        ("a strict umask", build().by(&["sh", "-c", "umask 077; exec \"$@\"", "sh"])),
        ("no input", build().by(&["sh", "-c", "exec \"$@\" <&-", "sh"])),
        ("no errors", build().by(&["sh", "-c", "exec \"$@\" 2>&-", "sh"])),
    ] {
        let outcome = call.run();
        assert_eq!(outcome.status, 0, "{name}: {}", outcome.err);
    }
    // Nobody reads what it says: it must say so by its status, and not abort.
    let script = "\"$@\" 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}";
    let deaf = build().by(&["bash", "-c", script, "bash"]).run();
    assert_eq!(deaf.status, 0, "standard error closed: {}", deaf.err);
    let script = "\"$@\" | true; exit ${PIPESTATUS[0]}";
    let deaf = build().by(&["bash", "-c", script, "bash"]).run();
    assert!([0, 141].contains(&deaf.status), "standard output closed: {}", deaf.err);
    let outside = build().from("/".into()).run();
    assert_eq!(outside.status, 125);
    assert!(outside.err.contains("no checkout of Bulkhead at / or above"), "{}", outside.err);
}

/// Compilers, linkers and xorriso take apart names that hold their separators.
pub fn a_checkout_may_have_an_odd_name() {
    let checkout = Checkout::new();
    let odd = checkout.scratch().join("a b, c=d 'é' -x");
    let status = Command::new("cp").arg("-al").arg(checkout.root()).arg(&odd).status();
    assert!(status.expect("cp starts").success());
    // The kernel's tools see the name only if it is built there.
    fs::remove_dir_all(odd.join("target/bulkhead/kernel")).expect("it was built");
    let outcome = Call::new(&checkout, ["build"]).from(odd).run();
    assert_eq!(outcome.status, 0, "{}", outcome.err);
}
