//! Disks that are full: at each step that writes, by a small file system in a
//! namespace of its own; and files that may not grow.

use std::fs;

use crate::{
    call::{Call, Catalogue, Outcome},
    checkout::{Checkout, real},
    namespace::Tight,
};

/// Stands for apt-get with a network: the packages that were fetched once.
const APT: &str = "#!/bin/sh
for word; do [ $word = download ] && exec cp @KEPT@/\"$(ls @KEPT@ | grep \"^${5}_\")\" .; done
exec /usr/bin/apt-get \"$@\"
";

/// A step of a build: what is removed of what is built, below `target/bulkhead`,
/// so that it is made anew; how much room it finds, in KiB; words that say what
/// could not be written.
struct Step {
    name: &'static str,
    removed: &'static [&'static str],
    room: u64,
    says: &'static str,
}

const fn step(
    name: &'static str,
    removed: &'static [&'static str],
    room: u64,
    says: &'static str,
) -> Step {
    Step { name, removed, room, says }
}

const IMAGE: &str = "release/systems";

/// In the order in which a build comes to them.
const STEPS: &[Step] = &[
    step("the kernel's source", &["kernel"], 1_000, "seL4"),
    step("the kernel's compilation", &["kernel"], 14_000, "kernel"),
    step("programs that cargo makes", &["../pd", "release"], 300, "domains do not compile"),
    step("programs", &["release"], 700, "release/"),
    step("a package", &["guest/packages"], 300, "could not be fetched"),
    step("a package's files", &["guest/unpacked"], 6_000, "unpacking"),
    step("the guest's kernel", &["linux.elf", "linux.elf.stamp"], 6_000, "linux.elf"),
    step(
        "the initial RAM disk",
        &["initramfs.cpio", "initramfs.cpio.stamp"],
        300,
        "initramfs.cpio",
    ),
    step("the image's contents", &[IMAGE], 9_000, "payload"),
    step("the image's program", &[IMAGE], 85_000, "system image"),
    step("the image", &[IMAGE], 140_000, "xorriso"),
    step(
        "the bill of materials",
        &["release/systems/system/system.spdx.json"],
        100,
        "system.spdx.json",
    ),
];

/// What is said of a full disk, whichever step it was.
fn is_explained(name: &str, outcome: &Outcome) {
    let Outcome { status, err, .. } = outcome;
    assert_eq!(*status, 125, "{name}: {err}");
    let causes = ["No space left on device", "exceeds free space"];
    assert!(causes.iter().any(|cause| err.contains(cause)), "{name}, no cause: {err}");
    assert!(err.contains("a disk was full"), "{name}, not explained: {err}");
    // Which one, how much is free there, how much is needed.
    for word in ["build folder  CHECKOUT/target", " free  ", "TMPDIR"] {
        assert!(err.contains(word), "{name}, without {word:?}: {err}");
    }
    assert!(!err.contains("panicked"), "{name}: {err}");
}

pub fn a_full_disk_is_named_at_each_step_leaves_nothing_and_is_got_over() {
    let checkout = Checkout::new();
    assert_eq!(Call::new(&checkout, ["build"]).run().status, 0, "with room it works");
    let tight = Tight::new(&checkout);
    let see = |place: &std::path::Path| tight.see(place);
    let build = || Call::new(&checkout, ["build"]).within(&tight);
    let image = || {
        let path = checkout.out().join(IMAGE).join("system/system.iso");
        fs::read(tight.see(&path)).expect("there is an image")
    };
    let whole = image();
    let kept = real().join("target/bulkhead/guest/packages");
    checkout.program("apt-get", &APT.replace("@KEPT@", &kept.display().to_string()));
    for Step { name, removed, room, says } in STEPS {
        for part in *removed {
            let path = tight.see(&checkout.out().join(part));
            let gone =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.unwrap_or_else(|error| panic!("{name}: {}: {error}", path.display()));
        }
        tight.fill("bulkhead", *room);
        let outcome = build().run();
        is_explained(name, &outcome);
        assert!(outcome.err.contains(says), "{name}, without {says:?}: {}", outcome.err);
        assert!(checkout.leftovers_as_seen(&see).is_empty(), "{name}: {:?}", {
            checkout.leftovers_as_seen(&see)
        });
        tight.relieve();
        let again = build().run();
        assert_eq!(again.status, 0, "{name}, with room again: {}", again.err);
        assert!(image() == whole, "{name}: what was kept is not whole");
    }

    let run = || Call::new(&checkout, ["run", "--timeout", "5"]).within(&tight).run();
    tight.fill("bulkhead", 0);
    // The guest's disk has all its room from the start, or is not made.
    let outcome = run();
    is_explained("the guest's disk", &outcome);
    assert!(outcome.err.contains("disks/system.img"), "{}", outcome.err);
    assert!(checkout.leftovers_as_seen(&see).is_empty());
    tight.relieve();
    assert_eq!(run().status, 124, "with room it is made");
    tight.fill("bulkhead", 0);
    // What is built can be run: only logs are cut short.
    let outcome = run();
    assert_eq!(outcome.status, 124, "{}", outcome.err);
    assert!(checkout.leftovers_as_seen(&see).is_empty());
    // Figures are kept at the end of minutes of work: whether they can be is found
    // out before.
    let figures = checkout.root().join("target/figures.json");
    let bench = ["bench".as_ref(), "--json".as_ref(), figures.as_os_str()];
    let outcome = Call::new(&checkout, bench).within(&tight).run();
    is_explained("figures", &outcome);
    assert!(outcome.err.contains("figures.json"), "{}", outcome.err);
    assert!(!outcome.out.contains("cpuid"), "nothing was measured: {}", outcome.out);
    tight.relieve();
}

/// A fresh checkout on a disk of this many KiB, and what is said of it.
pub fn too_little_room_is_told_before_long_work() {
    let checkout = Checkout::new();
    for part in ["kernel", "guest", "release"] {
        fs::remove_dir_all(checkout.out().join(part)).expect("it was built");
    }
    let tight = Tight::new(&checkout);
    let call = |command: &str| Call::new(&checkout, [command]).within(&tight).run();
    let mut catalogue = Catalogue::default();
    tight.fill("", 2_000);
    for command in ["build", "run", "test"] {
        let outcome = call(command);
        assert_eq!(outcome.status, 125, "{command}: {}", outcome.err);
        assert!(outcome.err.contains("is too small"), "{command}: {}", outcome.err);
        assert!(!outcome.err.contains("kernel"), "{command} has begun: {}", outcome.err);
    }
    tight.relieve();
    // A build may yet fit; tests for the better part of an hour do not begin.
    tight.fill("", 300_000);
    let outcome = call("test");
    assert_eq!(outcome.status, 125, "{}", outcome.err);
    catalogue.add("a whole test run", &outcome);
    tight.relieve();
    tight.fill("", 30_000);
    let outcome = call("build");
    assert!(outcome.err.contains("little room"), "{}", outcome.err);
    let warning = outcome.err.lines().filter(|line| line.contains("little room"));
    let warning = warning.collect::<Vec<_>>().join("\n");
    catalogue.add("a build", &Outcome { err: warning, ..outcome });
    assert!(checkout.leftovers_as_seen(&|place| tight.see(place)).is_empty());
    catalogue.check("little-room");
}

pub fn a_limit_on_file_sizes_is_an_error_and_not_a_death() {
    let checkout = Checkout::new();
    // In blocks of 512 bytes: the boot image has far more.
    let limited = "ulimit -f 20000; exec \"$@\"";
    let outcome = Call::new(&checkout, ["build"]).by(&["sh", "-c", limited, "sh"]).run();
    assert_eq!(outcome.status, 125, "{}", outcome.err);
    assert!(outcome.err.contains("File too large"), "no cause: {}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
    let again = Call::new(&checkout, ["build"]).run();
    assert_eq!(again.status, 0, "without the limit it works: {}", again.err);
}

pub fn a_transcript_that_finds_no_room_ends_the_run_with_its_name() {
    let checkout = Checkout::new();
    let outcome = Call::new(&checkout, ["run", "--log", "/dev/full", "--timeout", "250"]).run();
    assert_eq!(outcome.status, 125, "{}", outcome.err);
    assert!(outcome.err.contains("cannot write /dev/full"), "{}", outcome.err);
    assert!(outcome.err.contains("No space left on device"), "{}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}
