//! Microkit SDKs that cannot be used, and options that do not go together. The
//! SDK is one that the test makes, with one thing wrong at a time.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use bulkhead_sdk::fake::{CONFIGURATION, Fake, elf};

use crate::{
    call::{Call, Catalogue},
    checkout::Checkout,
};

/// A case: its name, what is wrong with the SDK, and the arguments; `@` stands
/// for the folder of files, in which `sdk` is the SDK.
type Case = (&'static str, fn(&Fake), &'static str);

const FINE: fn(&Fake) = |_| {};

/// All are refused before anything is built.
const REFUSED: &[Case] = &[
    ("an SDK that is not there", FINE, "build --sdk @/nowhere"),
    ("the SDK's archive", FINE, "build --sdk @/sdk.tar.gz"),
    ("a file", FINE, "build --sdk @/text"),
    ("an empty folder", FINE, "build --sdk @/empty"),
    ("a folder of something else", FINE, "build --sdk @"),
    ("an older release", |sdk| sdk.write("VERSION", b"2.2.0\n"), "build --sdk @/sdk"),
    ("a much older release", |sdk| sdk.write("VERSION", b"1.4.1\n"), "build --sdk @/sdk"),
    ("a later release", |sdk| sdk.write("VERSION", b"2.4.0\n"), "build --sdk @/sdk"),
    ("no release", |sdk| sdk.write("VERSION", b"\x1b[2Jnew"), "build --sdk @/sdk"),
    ("an endless release", |sdk| sdk.write("VERSION", &[b'2'; 4096]), "build --sdk @/sdk"),
    ("without its tool", |sdk| sdk.remove("bin/microkit"), "build --sdk @/sdk"),
    ("with a tool that may not be executed", dull, "build --sdk @/sdk"),
    ("for macOS", |sdk| sdk.write("bin/microkit", b"\xcf\xfa\xed\xfe\x07"), "build --sdk @/sdk"),
    ("for AArch64", |sdk| sdk.write("bin/microkit", &elf(2, 183)), "build --sdk @/sdk"),
    ("without boards", |sdk| sdk.remove("board"), "build --sdk @/sdk"),
    ("a board that it has not", FINE, "build --sdk @/sdk --board odroidc4"),
    ("a board out of the folder", FINE, "build --sdk @/sdk --board ../../sdk"),
    ("a board for AArch64", arm, "build --sdk @/sdk --board odroidc4"),
    ("a board without VT-x", plain, "build --sdk @/sdk --board x86_64_generic"),
    ("a configuration that it has not", FINE, "build --sdk @/sdk --config smp-release"),
    ("a kernel for 32-bit guests", short, "build --sdk @/sdk"),
    ("a kernel's configuration that is no JSON", broken, "build --sdk @/sdk"),
    ("without its initialiser", |sdk| sdk.remove(INITIALISER), "build --sdk @/sdk"),
    (
        "a 64-bit kernel instead of the other",
        |sdk| sdk.write(SMALL, &elf(2, 62)),
        "build --sdk @/sdk",
    ),
    ("several guests", FINE, "build --sdk @/sdk --system systems/two-unit.system"),
    ("several guests, to be checked", FINE, "check systems/two-unit.system --sdk @/sdk"),
    ("another kernel that is not there", FINE, "build --sdk @/sdk --override-kernel @/nowhere"),
    ("another kernel that is a text", FINE, "build --sdk @/sdk --override-kernel @/text"),
    ("another kernel that is a folder", FINE, "build --sdk @/sdk --override-kernel @"),
    ("tests", |sdk| sdk.write("VERSION", b"2.2.0\n"), "test --sdk @/sdk"),
    ("a board without an SDK", FINE, "build --board x86_64_generic_vtx"),
    ("a kernel without an SDK", FINE, "build --override-kernel @/text"),
    ("a kernel for the embedded board", FINE, "build --board bochs --override-kernel @/text"),
    ("the embedded board, as an SDK has it", FINE, "build --config benchmark"),
    ("two configurations", FINE, "build --sdk @/sdk --config release --debug"),
];

const INITIALISER: &str = "board/x86_64_generic_vtx/release/elf/initialiser.elf";
const SMALL: &str = "board/x86_64_generic_vtx/release/elf/sel4_32.elf";

fn dull(sdk: &Fake) {
    let none = fs::Permissions::from_mode(0o644);
    fs::set_permissions(sdk.path("bin/microkit"), none).expect("its permissions can be set");
}

fn arm(sdk: &Fake) {
    sdk.add("odroidc4", "release", &CONFIGURATION.replace("x86_64", "aarch64"));
}

fn plain(sdk: &Fake) {
    sdk.add("x86_64_generic", "release", &CONFIGURATION.replace("\"VTX\": true", "\"VTX\": false"));
}

fn short(sdk: &Fake) {
    let settings = CONFIGURATION.replace("GUESTS\": true", "GUESTS\": false");
    sdk.add("x86_64_generic_vtx", "release", &settings);
}

fn broken(sdk: &Fake) {
    sdk.add("x86_64_generic_vtx", "release", "{\"SEL4_ARCH\": ");
}

fn prepare(folder: &Path) {
    fs::write(folder.join("text"), "This is no SDK.\n").expect("a file");
    fs::write(folder.join("sdk.tar.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03").expect("a file");
    fs::create_dir(folder.join("empty")).expect("a folder");
}

pub fn an_sdk_that_cannot_be_used_is_refused_with_what_was_found_and_what_is_needed() {
    let checkout = Checkout::new();
    let folder = checkout.scratch();
    prepare(&folder);
    let before = checkout.state();
    let mut catalogue = Catalogue::default();
    for (name, wrong, case) in REFUSED {
        let place = folder.join("sdk");
        let _ = fs::remove_dir_all(&place);
        wrong(&Fake::make(&place));
        let shown = folder.display().to_string();
        let arguments: Vec<String> =
            case.split(' ').map(|word| word.replace('@', &shown)).collect();
        let outcome = Call::new(&checkout, arguments).run();
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        assert_eq!(checkout.state(), before, "{name} has changed something");
        catalogue.add(name, &outcome);
    }
    let named = Call::new(&checkout, ["build"]).with("MICROKIT_SDK", folder.join("text")).run();
    assert_eq!(named.status, 125, "the environment counts: {}", named.err);
    catalogue.add("a file, named by the environment", &named);
    let empty = Call::new(&checkout, ["build"]).with("MICROKIT_SDK", "").run();
    assert_eq!(empty.status, 0, "an empty name is none: {}", empty.err);
    catalogue.check("sdk");
}
