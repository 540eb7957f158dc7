//! Files that may not grow: as a full disk, without one.

use crate::{call::Call, checkout::Checkout};

#[test]
fn a_limit_on_file_sizes_is_an_error_and_not_a_death() {
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

#[test]
fn a_transcript_that_finds_no_room_ends_the_run_with_its_name() {
    let checkout = Checkout::new();
    let outcome = Call::new(&checkout, ["run", "--log", "/dev/full", "--timeout", "250"]).run();
    assert_eq!(outcome.status, 125, "{}", outcome.err);
    assert!(outcome.err.contains("cannot write /dev/full"), "{}", outcome.err);
    assert!(outcome.err.contains("No space left on device"), "{}", outcome.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}
