//! Two guests at once, as on every board: nothing of the one reaches the other.

use std::time::Duration;

use bulkhead_machine::Outcome;

use crate::{System, unit_guest};

const LIMIT: Duration = Duration::from_secs(240);
const BOOT: Duration = Duration::from_secs(500);
const ANSWER: Duration = Duration::from_secs(60);

/// The serial virtualiser's prefix for the number of the guest that is typed
/// to.
pub const SELECT: char = '\x1c';

/// Of `systems/two-unit.system`: each guest's state outlasts thousands of switches
/// to the other's.
///
/// # Panics
/// It does not.
pub fn state_stays_apart(system: System, name: &str) {
    let mut session = system.with(|guest| guest.kernel = Some(unit_guest("state"))).start(name);
    for guest in ["a", "b"] {
        let (outcome, reason) = session.expect_stop(guest, LIMIT);
        assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
    }
}

/// Of `systems/two-guests.system`: two Linux guests share the console and end one by
/// one.
///
/// # Panics
/// They do not.
pub fn linux_guests_end_one_by_one(system: System, name: &str) {
    let mut session = system.start(name);
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
