//! No network at each step of a first run: package lists, packages, the
//! guest's packages, crates.

use std::{fs, process::Command};

use crate::{
    call::{Call, Catalogue, skipped},
    checkout::Checkout,
};

/// Stands for apt-get without a network, from the step that is named on.
const APT: &str = "#!/bin/sh
for word; do
    case $word in
        @STEP@) echo \"E: Failed to fetch http://debian.example/: Could not connect\" >&2; exit 100 ;;
        update|install) exit 0 ;;
    esac
done
exec /usr/bin/apt-get \"$@\"
";

/// Stands for cargo without a network.
const CARGO: &str = "#!/bin/sh
[ \"$1\" = metadata ] && [ \"$*\" = \"${*#*--offline}\" ] && exec @CARGO@ \"$@\"
[ \"$1\" = build ] || { echo 'error: failed to download from `https://static.crates.io/`' >&2; exit 101; }
exec @CARGO@ \"$@\"
";

/// Hides the emulator and its parts, as on a machine where it is not installed.
const HIDE: &str = "mount -t tmpfs none /usr/share/seabios";
/// Hides apt's lists.
const NO_LISTS: &str = "mount -t tmpfs none /var/lib/apt/lists";

pub fn each_step_of_a_first_run_says_that_it_needs_the_network() {
    let checkout = Checkout::new();
    let before = checkout.state();
    let mut catalogue = Catalogue::default();
    for (name, step, hide) in [
        ("package lists", "update", format!("{NO_LISTS}; {HIDE}")),
        ("packages", "install", HIDE.to_owned()),
    ] {
        checkout.program("apt-get", &APT.replace("@STEP@", step));
        let outcome = Call::new(&checkout, ["build"]).after(hide).run();
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        assert_eq!(checkout.state(), before, "{name} has changed something");
        catalogue.add(name, &outcome);
    }
    checkout.remove_program("apt-get");

    checkout.program("apt-get", &APT.replace("@STEP@", "download"));
    let packages = checkout.out().join("guest/packages");
    let kept = checkout.scratch().join("packages");
    fs::rename(&packages, &kept).expect("they were fetched");
    let outcome = Call::new(&checkout, ["build"]).run();
    assert_eq!(outcome.status, 125, "guest packages: {}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
    catalogue.add("the guest's packages", &outcome);
    fs::remove_dir_all(&packages).expect("it was made");
    fs::rename(&kept, &packages).expect("they were fetched");
    checkout.remove_program("apt-get");

    let cargo = checkout.programs().join("cargo");
    let through = checkout.programs().join("cargo-with-network");
    fs::rename(&cargo, &through).expect("a script");
    checkout.program("cargo", &CARGO.replace("@CARGO@", &through.display().to_string()));
    let outcome = Call::new(&checkout, ["build"]).run();
    assert_eq!(outcome.status, 125, "the kernel's source: {}", outcome.err);
    catalogue.add("the kernel's source", &outcome);
    fs::rename(&through, &cargo).expect("a script");

    let again = Call::new(&checkout, ["build"]).run();
    assert_eq!(again.status, 0, "with a network it works: {}", again.err);
    catalogue.check("network");
}

/// dpkg's database, in which a package is not installed.
const NOT_INSTALLED: &str = "cp -a /var/lib/dpkg \"$TMPDIR\"/dpkg
sed -i '/^Package: seabios$/,/^$/d' \"$TMPDIR\"/dpkg/status
mount --bind \"$TMPDIR\"/dpkg /var/lib/dpkg
mount -t tmpfs none /var/cache/apt/archives
mkdir /var/cache/apt/archives/partial";

/// With the real apt and the real cargo, in a namespace without any device but a
/// loopback that is down.
pub fn without_any_network_each_step_fails_by_name_and_a_later_run_works() {
    let checkout = Checkout::new();
    let offline = || Call::new(&checkout, ["build"]).by(&["unshare", "--net"]);
    let before = checkout.state();
    for (name, hide, said) in [
        (
            "package lists",
            format!("{NO_LISTS}; {HIDE}; {NOT_INSTALLED}"),
            "apt-get update fetched nothing",
        ),
        ("packages", format!("{HIDE}; {NOT_INSTALLED}"), "apt-get install failed"),
    ] {
        let outcome = offline().after(hide).run();
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        assert!(outcome.err.contains(said), "{name}: {}", outcome.err);
        assert!(outcome.err.contains("seabios"), "{name} is not named: {}", outcome.err);
        assert!(outcome.err.contains("is there a network"), "{name}: {}", outcome.err);
        assert_eq!(checkout.state(), before, "{name} has changed something");
        fs::remove_dir_all(checkout.tmp().join("dpkg")).expect("the copy of dpkg's database");
    }

    let packages = checkout.out().join("guest/packages");
    let kept = checkout.scratch().join("packages");
    fs::rename(&packages, &kept).expect("they were fetched");
    let outcome = offline().run();
    assert_eq!(outcome.status, 125, "the guest's packages: {}", outcome.err);
    assert!(outcome.err.contains("could not be fetched"), "{}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
    fs::remove_dir_all(&packages).expect("it was made");
    fs::rename(&kept, &packages).expect("they were fetched");

    let outcome = offline().with("CARGO_HOME", checkout.scratch().join("cargo")).run();
    assert_eq!(outcome.status, 125, "the kernel's source: {}", outcome.err);
    assert!(outcome.err.contains("the seL4 source could not be downloaded"), "{}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());

    let again = offline().run();
    assert_eq!(again.status, 0, "what is here needs no network: {}", again.err);
}

/// What was fetched is not trusted for its name: it is held to its digest.
pub fn a_package_that_was_damaged_is_fetched_again_or_named() {
    let checkout = Checkout::new();
    let packages = checkout.out().join("guest/packages");
    let package = fs::read_dir(&packages)
        .expect("they were fetched")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.to_string_lossy().contains("busybox")
                && path.extension().is_some_and(|e| e == "deb")
        })
        .expect("busybox is one");
    // Not in place: the original has the same file.
    fs::remove_file(&package).expect("it is there");
    fs::write(&package, "half a package").expect("a file");
    checkout.program("apt-get", &APT.replace("@STEP@", "download"));
    let outcome = Call::new(&checkout, ["build"]).run();
    assert_eq!(outcome.status, 125, "{}", outcome.err);
    assert!(outcome.err.contains("busybox-static"), "{}", outcome.err);
    let online =
        Command::new("apt-get").args(["download", "--print-uris", "busybox-static"]).output();
    if online.is_ok_and(|output| output.status.success()) {
        checkout.remove_program("apt-get");
        let again = Call::new(&checkout, ["build"]).run();
        if again.status == 0 {
            assert!(package.metadata().expect("it is there again").len() > 100_000);
        } else {
            skipped("there is no network here to fetch it again");
        }
    }
}
