//! The default system's Debian guest, as a user meets it at a shell prompt: what
//! it must do on every board.

use std::time::Duration;

use bulkhead_machine::Outcome;

use crate::{Session, System};

/// A boot to the prompt takes about a minute alone on a quiet processor; tests
/// run two at a time on machines that may be busy.
const BOOT: Duration = Duration::from_secs(400);

/// An answer of a shell.
const ANSWER: Duration = Duration::from_secs(60);

/// Its own tests, beside a boot of the debug kernel.
const SELF_TEST: Duration = Duration::from_secs(600);

/// The shell's; a query of the cursor's place follows it.
const PROMPT: &str = "guest:[^ ]*# ";

fn booted(system: System, name: &str) -> Session {
    let mut session = system.start(name);
    session.expect_ready(BOOT);
    session.expect(PROMPT, BOOT);
    session
}

/// A typed command answers, and poweroff ends the guest with 0.
///
/// # Panics
/// It does not.
pub fn answers_and_powers_off(system: System, name: &str) {
    let mut session = booted(system, name);
    session.type_line("echo $((6 * 7)) bulkheads");
    session.expect("42 bulkheads", ANSWER);
    session.expect(PROMPT, ANSWER);
    session.type_line("poweroff");
    let (outcome, _) = session.expect_stop("debian", ANSWER);
    assert_eq!(outcome, Outcome::POWER_OFF);
}

/// A reboot starts again from the pristine images.
///
/// # Panics
/// It does not.
pub fn reboots(system: System, name: &str) {
    let mut session = booted(system, name);
    session.type_line("touch /trace; reboot");
    session.expect_restart("debian", 1, ANSWER);
    session.expect("Linux version", BOOT);
    session.expect(PROMPT, BOOT);
    session.type_line("ls /trace; echo done");
    assert!(session.expect("([^\\r\\n]*)\\r\\ndone", ANSWER).contains("No such file"));
    session.type_line("poweroff");
    let (outcome, _) = session.expect_stop("debian", ANSWER);
    assert_eq!(outcome, Outcome::POWER_OFF);
}

/// A panic of the guest's kernel ends it with 101.
///
/// # Panics
/// It does not.
pub fn panics(system: System, name: &str) {
    let mut session = booted(system, name);
    session.type_line("echo c > /proc/sysrq-trigger");
    let (outcome, _) = session.expect_stop("debian", ANSWER);
    assert_eq!(outcome, Outcome::PANIC);
}

/// A triple fault ends it with 102.
///
/// # Panics
/// It does not.
pub fn triple_faults(system: System, name: &str) {
    // Linux resets by a triple fault if told to.
    let mut session = system.with(|guest| guest.append = Some("reboot=t".into())).start(name);
    session.expect(PROMPT, BOOT);
    session.type_line("reboot -f");
    assert_eq!(session.expect_stop("debian", ANSWER).0, Outcome::TRIPLE_FAULT);
}

/// HLT with interrupts off ends it with 100.
///
/// # Panics
/// It does not.
pub fn halts(system: System, name: &str) {
    let mut session = booted(system, name);
    session.type_line("halt -f");
    assert_eq!(session.expect_stop("debian", ANSWER).0, Outcome::HALTED);
}

/// A second of sleep takes a second, and costs what a second of sleep costs: the
/// guest's processor halts.
///
/// # Panics
/// It does not.
pub fn sleeps(system: System, name: &str) {
    let mut session = booted(system, name);
    session.type_line(
        "read a _ < /proc/uptime; sleep 3; read b _ < /proc/uptime; echo from $a to $b.",
    );
    let line = session.expect("from [0-9.]+ to [0-9.]+\\.\r", ANSWER);
    let times: Vec<f64> =
        line.split(' ').filter_map(|word| word.trim_end_matches(".\r").parse().ok()).collect();
    let [from, to] = times[..] else { panic!("{line}") };
    assert!((3.0..3.2).contains(&(to - from)), "{line}");
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("debian", ANSWER).0, Outcome::POWER_OFF);
}

/// Its own self-test passes.
///
/// # Panics
/// It does not.
pub fn tests_itself(system: System, name: &str) {
    let mut session =
        system.with(|guest| guest.append = Some("bulkhead.selftest".into())).start(name);
    let (outcome, reason) = session.expect_stop("debian", SELF_TEST);
    assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
}
