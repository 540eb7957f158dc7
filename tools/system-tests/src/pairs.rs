//! Two guests at once, as on every board: nothing of the one reaches the other.

use std::time::Duration;

use bulkhead_machine::Outcome;

use crate::{COMMAND, Shells, System, unit_guest};

const LIMIT: Duration = Duration::from_secs(240);

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
    let mut shells = Shells::booted(system, name);
    for guest in ["a", "b"] {
        // With the virtualiser's prefix.
        shells.type_to(guest, &format!("echo $((6 * 7)) of {guest}"));
        shells.session().expect(&format!("{guest}\\| .*42 of {guest}"), COMMAND);
    }
    shells.type_to("b", "poweroff");
    assert_eq!(shells.session().expect_stop("b", COMMAND).0, Outcome::POWER_OFF);
    assert_eq!(shells.succeeds("a", "echo $((6 * 7)) still"), "42 still");
    shells.type_to("a", "poweroff");
    assert_eq!(shells.session().expect_stop("a", COMMAND).0, Outcome::POWER_OFF);
}
