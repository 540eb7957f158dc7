//! The default system, as a user meets it: a Debian guest at a shell prompt.

use std::time::Duration;

use bulkhead_machine::Outcome;
use system_tests::{Session, System};

/// A boot to the prompt takes about a minute alone on a quiet processor; tests
/// run two at a time on machines that may be busy.
const BOOT: Duration = Duration::from_secs(400);

/// An answer of a shell.
const ANSWER: Duration = Duration::from_secs(60);

/// The shell's; a query of the cursor's place follows it.
const PROMPT: &str = "guest:[^ ]*# ";

fn booted(name: &str) -> Session {
    let mut session = System::default().start(name);
    session.expect_ready(BOOT);
    session.expect(PROMPT, BOOT);
    session
}

#[test]
fn a_typed_command_answers_and_poweroff_ends_with_0() {
    let mut session = booted("shell");
    session.type_line("echo $((6 * 7)) bulkheads");
    session.expect("42 bulkheads", ANSWER);
    session.expect(PROMPT, ANSWER);
    session.type_line("poweroff");
    let (outcome, _) = session.expect_stop("debian", ANSWER);
    assert_eq!(outcome, Outcome::POWER_OFF);
}

#[test]
fn a_reboot_starts_again_from_the_pristine_images() {
    let mut session = booted("reboot");
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

#[test]
fn a_kernel_panic_ends_the_guest_with_101() {
    let mut session = booted("panic");
    session.type_line("echo c > /proc/sysrq-trigger");
    let (outcome, _) = session.expect_stop("debian", ANSWER);
    assert_eq!(outcome, Outcome::PANIC);
}

#[test]
fn a_triple_fault_ends_the_guest_with_102() {
    // Linux resets by a triple fault if told to.
    let mut session = System::default()
        .with(|guest| guest.append = Some("reboot=t".into()))
        .start("triple-fault-guest");
    session.expect(PROMPT, BOOT);
    session.type_line("reboot -f");
    assert_eq!(session.expect_stop("debian", ANSWER).0, Outcome::TRIPLE_FAULT);
}

#[test]
fn a_guest_that_halts_with_interrupts_off_ends_with_100() {
    let mut session = booted("halt");
    session.type_line("halt -f");
    assert_eq!(session.expect_stop("debian", ANSWER).0, Outcome::HALTED);
}

#[test]
fn the_guests_own_self_test_passes() {
    let mut session = System::default()
        .with(|guest| guest.append = Some("bulkhead.selftest".into()))
        .start("selftest");
    let (outcome, reason) = session.expect_stop("debian", BOOT);
    assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
}
