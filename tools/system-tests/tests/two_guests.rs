//! Two guests at once: nothing of the one reaches the other.

use std::time::Duration;

use bulkhead_machine::Outcome;
use system_tests::{Session, System, unit_guest};

const LIMIT: Duration = Duration::from_secs(240);
const BOOT: Duration = Duration::from_secs(500);
const ANSWER: Duration = Duration::from_secs(60);

/// The serial virtualiser's prefix for the number of the guest that is typed
/// to.
const SELECT: char = '\x1c';

fn pair(name: &str, a: &str, b: &str) -> Session {
    System::new("systems/two-unit.system")
        .with_guest("a", |guest| guest.kernel = Some(unit_guest(a)))
        .with_guest("b", |guest| guest.kernel = Some(unit_guest(b)))
        .start(name)
}

#[test]
fn all_state_stays_apart_through_thousands_of_switches() {
    let mut session = pair("state-apart", "state", "state");
    for guest in ["a", "b"] {
        let (outcome, reason) = session.expect_stop(guest, LIMIT);
        assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
    }
}

#[test]
fn a_guest_that_dies_is_not_noticed_by_the_other() {
    let mut session = pair("one-dies", "triple", "state");
    assert_eq!(session.expect_stop("a", LIMIT).0, Outcome::TRIPLE_FAULT);
    let (outcome, reason) = session.expect_stop("b", LIMIT);
    assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
}

#[test]
fn two_linux_guests_share_the_console_and_end_one_by_one() {
    let mut session = System::new("systems/two-guests.system").start("two-linux");
    // Both reach their prompts, in either order.
    for _ in 0..2 {
        session.expect("BusyBox", BOOT);
    }
    session.type_line("echo $((6 * 7)) of a");
    session.expect("a\\| .*42 of a", ANSWER);
    session.type_text(&format!("{SELECT}2"));
    session.type_line("echo $((6 * 7)) of b");
    session.expect("b\\| .*42 of b", ANSWER);
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("b", ANSWER).0, Outcome::POWER_OFF);
    session.type_text(&format!("{SELECT}1"));
    session.type_line("echo $((6 * 7)) still");
    session.expect("42 still", ANSWER);
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("a", ANSWER).0, Outcome::POWER_OFF);
}
