//! The default system's Debian guest, as a user meets it at a shell prompt: what
//! it must do on every board.

use std::time::Duration;

use bulkhead_machine::Outcome;

use crate::{BANNER, BOOT, COMMAND, Shells, System};

/// Its own tests, beside a boot of the debug kernel.
const SELF_TEST: Duration = Duration::from_secs(600);

/// Its name.
const GUEST: &str = "debian";

/// A typed command answers, and poweroff ends the guest with 0.
///
/// # Panics
/// It does not.
pub fn answers_and_powers_off(system: System, name: &str) {
    let mut shell = Shells::booted(system, name);
    assert_eq!(shell.succeeds(GUEST, "echo $((6 * 7)) bulkheads"), "42 bulkheads");
    shell.power_off();
}

/// A reboot starts again from the pristine images.
///
/// # Panics
/// It does not.
pub fn reboots(system: System, name: &str) {
    let mut shell = Shells::booted(system, name);
    shell.type_to(GUEST, "touch /trace; reboot");
    shell.session().expect_restart(GUEST, 1, COMMAND);
    shell.session().expect(BANNER, BOOT);
    let (said, status) = shell.run(GUEST, "ls /trace");
    assert!(status != 0 && said.contains("No such file"), "{said}");
    shell.power_off();
}

/// A panic of the guest's kernel ends it with 101.
///
/// # Panics
/// It does not.
pub fn panics(system: System, name: &str) {
    ends(Shells::booted(system, name), "echo c > /proc/sysrq-trigger", Outcome::PANIC);
}

/// A triple fault ends it with 102.
///
/// # Panics
/// It does not.
pub fn triple_faults(system: System, name: &str) {
    // Linux resets by a triple fault if told to.
    let system = system.with(|guest| guest.append = Some("reboot=t".into()));
    ends(Shells::booted(system, name), "reboot -f", Outcome::TRIPLE_FAULT);
}

/// HLT with interrupts off ends it with 100.
///
/// # Panics
/// It does not.
pub fn halts(system: System, name: &str) {
    ends(Shells::booted(system, name), "halt -f", Outcome::HALTED);
}

/// A command that ends the guest.
fn ends(mut shell: Shells, command: &str, how: Outcome) {
    shell.type_to(GUEST, command);
    assert_eq!(shell.session().expect_stop(GUEST, COMMAND).0, how);
}

/// A second of sleep takes a second, and costs what a second of sleep costs: the
/// guest's processor halts.
///
/// # Panics
/// It does not.
pub fn sleeps(system: System, name: &str) {
    let mut shell = Shells::booted(system, name);
    let seconds = shell.seconds(GUEST, "sleep 3");
    assert!((3.0..3.2).contains(&seconds), "{seconds}");
    shell.power_off();
}

/// Its own self-test passes.
///
/// # Panics
/// It does not.
pub fn tests_itself(system: System, name: &str) {
    let mut session =
        system.with(|guest| guest.append = Some("bulkhead.selftest".into())).start(name);
    let (outcome, reason) = session.expect_stop(GUEST, SELF_TEST);
    assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
}
