//! The same systems on the board of the Microkit SDK that MICROKIT_SDK names.
//! Without one every test here counts as ignored, and the output says so.

use std::{process::ExitCode, time::Duration};

use bulkhead_machine::Status;
use libtest_mimic::{Arguments, Trial};
use regex::Regex;
use system_tests::{System, checkout, debian, pairs, sdk, unit_guest, unit_guests, units};

const LIMIT: Duration = Duration::from_secs(240);

const UNIT: &str = "systems/unit.system";
const TWO_UNIT: &str = "systems/two-unit.system";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !sdk::is_given() {
        eprintln!(
            "the SDK's board was not tested: set MICROKIT_SDK to the folder of a Microkit SDK 2.3.x"
        );
    }
    let mut trials = Vec::new();
    let mut add = |name: &str, possible: bool, test: Box<dyn FnOnce() + Send>| {
        let test = move || {
            test();
            Ok(())
        };
        let left_out = !(sdk::is_given() && possible);
        trials.push(Trial::test(name, test).with_ignored_flag(left_out));
    };
    for (name, test) in DEFAULT_SYSTEM {
        add(name, true, Box::new(move || test(release("system.xml"), &format!("sdk-{name}"))));
    }
    let debug = || System::default().on(sdk::platform("debug"));
    add(
        "the_self_test_passes_on_the_debug_kernel",
        true,
        Box::new(move || debian::tests_itself(debug(), "sdk-debug-selftest")),
    );
    add("two_guests_are_refused_on_the_sdk_s_own_kernel", true, Box::new(two_are_refused));
    add("each_misdeed_is_reported_by_the_debug_kernel", true, Box::new(misdeeds_are_reported));
    for configuration in ["release", "debug"] {
        let possible = sdk::kernel(configuration).is_some();
        let name = format!("state_stays_apart_with_a_kernel_for_several_{configuration}");
        add(&name, possible, Box::new(move || state_stays_apart(configuration)));
    }
    let possible = sdk::kernel("release").is_some();
    add("two_linux_guests_with_a_kernel_for_several", possible, Box::new(two_linux_guests));
    // Making the images takes a moment, and without an SDK nobody uses them.
    let units = if sdk::is_given() { unit_guests() } else { Vec::new() };
    let trials_of_units = units.into_iter().map(|(name, image)| {
        Trial::test(format!("unit_{name}"), move || {
            units::run(release(UNIT), &format!("sdk-unit-{name}"), &name, image)?;
            Ok(())
        })
    });
    trials.extend(trials_of_units);
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Test = fn(System, &str);

/// What the default system does on every board.
const DEFAULT_SYSTEM: [(&str, Test); 4] = [
    ("a_typed_command_answers_and_poweroff_ends_with_0", debian::answers_and_powers_off),
    ("a_reboot_starts_again_from_the_pristine_images", debian::reboots),
    ("a_kernel_panic_ends_the_guest_with_101", debian::panics),
    ("the_guests_own_self_test_passes", debian::tests_itself),
];

fn release(description: &str) -> System {
    System::new(description).on(sdk::platform("release"))
}

/// Unless its kernel has the change, which a later release's may.
fn two_are_refused() {
    let built = release(TWO_UNIT).with(|guest| guest.kernel = Some(unit_guest("state"))).build();
    match built {
        Err(why) => assert!(why.contains("2 virtual machines") && why.contains("1732"), "{why}"),
        Ok(built) => {
            let symbols = std::fs::read(built.kernel).expect("it was built");
            let old = symbols.windows(12).any(|window| window == b"vmxon_region");
            assert!(!old, "a kernel without the change was accepted");
        }
    }
}

fn state_stays_apart(configuration: &str) {
    let system = System::new(TWO_UNIT).on(sdk::for_several(configuration));
    pairs::state_stays_apart(system, &format!("sdk-state-apart-{configuration}"));
}

fn two_linux_guests() {
    let system = System::new("systems/two-guests.system").on(sdk::for_several("release"));
    pairs::linux_guests_end_one_by_one(system, "sdk-two-linux");
}

/// A domain that does what it may not, and what the Microkit's monitor makes of
/// it.
const MISDEEDS: &[(&str, &str)] = &[
    ("panic", "kind=exception ip=0x2[0-9a-f]+: panic$"),
    ("gives_up", "kind=exception ip=.*: panic$"),
    ("null_read", "kind=memory access=read address=0x0 ip=.*: nothing is mapped there"),
    ("unmapped_write", "kind=memory access=write address=0x66666000 ip=.*: nothing is mapped"),
    ("read_only_write", "kind=memory access=write address=0x10000000 ip=.*: mapped without"),
    ("null_fetch", "kind=memory access=fetch address=0x0 ip=0x0: nothing is mapped"),
    ("not_canonical", "kind=exception ip=.*: processor exception"),
    ("undefined", "kind=exception ip=.*: processor exception"),
    ("overflow", "kind=memory access=write address=0x7f"),
    ("system_call", "kind=system-call number=-99 ip=.*: no such system call"),
    ("no_slot", "kind=capability address=0x77770000 ip="),
];

/// The domain that forges messages to the monitor without an end comes last:
/// the monitor prints each of them, and nobody else would have a turn.
const FORGER: (&str, &str) = (r#"name="forger" priority="50""#, r#"name="forger" priority="1""#);

fn misdeeds_are_reported() {
    let text = std::fs::read_to_string(checkout("tools/system-tests/systems/faults.system"));
    let text = text.expect("the description is there");
    assert!(text.contains(FORGER.0), "the forger has another priority now");
    let folder = tempfile::tempdir().expect("a folder");
    let description = folder.path().join("sdk-faults.system");
    std::fs::write(&description, text.replace(FORGER.0, FORGER.1)).expect("a file");
    let system = System::new(description.to_str().expect("a plain name"));
    let mut session = system.on(sdk::platform("debug")).start("sdk-faults");
    for (name, pattern) in MISDEEDS {
        let pattern = Regex::new(pattern).expect("a valid pattern");
        let reported = |status: &Status| matches!(status, Status::PdFault { pd, detail } if pd == name && pattern.is_match(detail));
        session.expect_status(&format!("of the fault of {name}"), reported, LIMIT);
    }
    let registers = |status: &&Status| matches!(status, Status::PdReport { pd, text } if pd == "panic" && text.starts_with("rip="));
    assert!(session.statuses().iter().any(|status| registers(&status)), "where it stopped");
    // What they said is not looked at: several panic at once here, and each prints a
    // character a call.
}
