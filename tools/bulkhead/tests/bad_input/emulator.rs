//! An emulator that is missing, too old or built without VT-x; a host that is
//! too small; temporary folders that cannot be used.

use std::fs;

use crate::{
    call::{Call, Catalogue},
    checkout::Checkout,
};

const EMULATOR: &str = "/usr/bin/bochs-bin";

/// What an emulator says that has this version and processor.
fn emulator(version: &str, processor: &str) -> String {
    format!("#!/bin/sh\necho {processor}\necho '      Bochs x86 Emulator {version}'\n")
}

pub fn an_emulator_that_cannot_be_the_machine_is_named_with_the_cure() {
    let checkout = Checkout::new();
    let scratch = checkout.scratch();
    let image = scratch.join("image.iso");
    fs::write(&image, vec![0; 1 << 20]).expect("a file");
    let small = "MemTotal:         524288 kB\n";
    let mut catalogue = Catalogue::default();
    for (name, file, place, text) in [
        ("too old", "old", EMULATOR, emulator("2.6.11", "corei7_skylake_x")),
        ("without VT-x", "plain", EMULATOR, emulator("2.7", "p4_willamette")),
        (
            "with a library missing",
            "broken",
            EMULATOR,
            "#!/bin/sh\necho 'bochs-bin: error while \
            loading shared libraries: libbx.so' >&2\nexit 127\n"
                .into(),
        ),
        ("of another architecture", "foreign", EMULATOR, "\x7fELF\x02\x01\x01".into()),
        (
            "ends at once",
            "short",
            EMULATOR,
            emulator("2.7", "corei7_skylake_x") + "case $1 in --help) ;; *) exit 1 ;; esac\n",
        ),
        ("larger than the host", "meminfo", "/proc/meminfo", small.into()),
    ] {
        let fake = checkout.program(file, &text);
        let mount = format!("mount --bind {} {place}", fake.display());
        let arguments = ["boot".as_ref(), image.as_os_str(), "--timeout".as_ref(), "60".as_ref()];
        let outcome = Call::new(&checkout, arguments).after(mount).run();
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        assert!(checkout.leftovers().is_empty(), "{name}: {:?}", checkout.leftovers());
        catalogue.add(name, &outcome);
    }
    // Root may install it, so the command must not be let.
    let hide = "mount -t tmpfs none /usr/lib/x86_64-linux-gnu/bochs";
    let arguments = ["boot".as_ref(), image.as_os_str(), "--no-install".as_ref()];
    let outcome = Call::new(&checkout, arguments).after(hide).run();
    assert_eq!(outcome.status, 125, "missing: {}", outcome.err);
    catalogue.add("missing", &outcome);
    catalogue.check("emulator");
}

pub fn a_temporary_folder_that_cannot_be_used_is_named() {
    let checkout = Checkout::new();
    let scratch = checkout.scratch();
    let image = scratch.join("image.iso");
    fs::write(&image, vec![0; 1 << 20]).expect("a file");
    let boot = ["boot".as_ref(), image.as_os_str(), "--timeout".as_ref(), "60".as_ref()];
    let mut catalogue = Catalogue::default();
    let missing = Call::new(&checkout, boot).with("TMPDIR", scratch.join("nowhere")).run();
    catalogue.add("missing", &missing);
    let file = Call::new(&checkout, boot).with("TMPDIR", &image).run();
    catalogue.add("a file", &file);
    for outcome in [&missing, &file] {
        assert_eq!(outcome.status, 125, "{}", outcome.err);
    }
    let full = "mount -t tmpfs -o size=4k,nr_inodes=3 none \"$TMPDIR\"";
    let full = Call::new(&checkout, boot).after(full).run();
    assert_eq!(full.status, 125, "{}", full.err);
    assert!(full.err.contains("No space left"), "{}", full.err);
    catalogue.check("temporary-folder");
}
