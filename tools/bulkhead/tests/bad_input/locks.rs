//! Two commands at once in one checkout: kept apart, or one waits.

use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    call::{Call, Catalogue, PATIENCE},
    checkout::Checkout,
};

fn start(checkout: &Checkout, arguments: &[&str]) -> Child {
    let mut command = Call::new(checkout, arguments).command();
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

fn wait_for(what: &str, mut come: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !come() {
        assert!(Instant::now() < until, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

pub fn two_runs_have_logs_of_their_own_and_clean_waits_for_neither() {
    let checkout = Checkout::new();
    let logs = checkout.out().join("logs");
    let up = |name: &str| {
        let path = logs.join(name).join("emulator.log");
        path.exists()
    };
    let mut first = start(&checkout, &["run", "--timeout", "200"]);
    wait_for("the first emulator", || up("run"));
    // One disk is no two machines'.
    let refused = Call::new(&checkout, ["run", "--timeout", "200"]).run();
    assert_eq!(refused.status, 125, "{}", refused.err);
    let other = checkout.root().join("other.img");
    fs::copy(checkout.root().join("target/disks/system.img"), &other).expect("it is there");
    let other = other.to_str().expect("a plain path");
    let mut second = start(&checkout, &["run", "--timeout", "200", "--disk", other]);
    wait_for("the second emulator", || up("run-2"));
    let mut catalogue = Catalogue::default();
    let clean = Call::new(&checkout, ["clean"]).run();
    assert_eq!(clean.status, 125, "{}", clean.err);
    assert!(checkout.out().join("linux.elf").exists(), "nothing was removed");
    assert!(clean.err.contains("(process "), "{}", clean.err);
    assert_eq!(Call::new(&checkout, ["build"]).run().status, 0, "a build during a run");
    for child in [&mut first, &mut second] {
        assert!(child.try_wait().expect("it can be asked").is_none(), "it still runs");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    let clean = Call::new(&checkout, ["clean"]).run();
    assert_eq!(clean.status, 0, "{}", clean.err);
    assert!(!checkout.out().exists());
    catalogue.add("a second run on the same disk", &refused);
    catalogue.add("clean after the runs", &clean);
    catalogue.check("locks");
}

pub fn builds_at_once_wait_for_each_other() {
    let checkout = Checkout::new();
    fs::remove_dir_all(checkout.out().join("kernel")).expect("it was built");
    let children: Vec<Child> = (0..3).map(|_| start(&checkout, &["build"])).collect();
    let mut waited = 0;
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        waited += usize::from(said.contains("waiting for process"));
    }
    assert!(waited >= 1, "nobody had to wait");
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}
