//! What a VMM counts, asked for over COM2 while its guest runs and after its
//! end: the numbers are the guest's own.

use std::time::Duration;

use bulkhead_machine::{Answers, Counters, GuestEvent, Status};
use statistics::{Activity, Counter};
use system_tests::{Session, System, unit_guest};

const LIMIT: Duration = Duration::from_secs(300);

/// Asks for what the guest's VMM counted, until the answer is whole: it says so
/// if the VMM was interrupted while it counted an exit.
fn ask(session: &mut Session) -> Counters {
    const TRIES: u32 = 20;
    (0..TRIES)
        .map(|_| ask_once(session))
        .find(|counters| !counters.snapshot.torn())
        .expect("the VMM is not always counting")
}

fn ask_once(session: &mut Session) -> Counters {
    let seen = session.statuses().len();
    session.ask_counts();
    let ended = |status: &Status| match status {
        Status::Guest { event: GuestEvent::Counts(line), .. } => {
            matches!(line, bulkhead_machine::Counts::End { .. })
        }
        _ => false,
    };
    session.expect_new_status("that ends the counters", ended, LIMIT);
    let mut answers = Answers::default();
    session.statuses()[seen..]
        .iter()
        .find_map(|status| match status {
            Status::Guest { guest, event: GuestEvent::Counts(line) } => answers.take(guest, line),
            _ => None,
        })
        .expect("the last line has come")
        .expect("the guest has counters")
}

#[test]
fn counters_are_exact_while_the_guest_runs_and_after_its_end() {
    let system = System::new("systems/unit.system").with(|guest| {
        guest.kernel = Some(unit_guest("statistics"));
        guest.append = Some("wait".into());
    });
    let mut session = system.start("statistics");
    let said = session.expect("cpuids ([0-9a-f]{8})\r?\n", LIMIT);
    let cpuids = u64::from_str_radix(&said, 16).expect("the pattern has digits only");
    assert!(cpuids > 256, "{cpuids}");

    let running = ask(&mut session);
    assert_eq!(running.snapshot.exits(10), cpuids);
    assert!(running.told > 0);
    // It polls its serial port.
    let polled = running.snapshot.last().next().expect("there were exits");
    assert_eq!((polled.reason, polled.qualification), (30, 0x3fd_0008));
    let ticks = running.snapshot.ticks(running.now);
    assert!(ticks.guest > 0 && ticks.vmm > 0, "{ticks:?}");
    assert_eq!(ticks.asleep, 0);

    let later = ask(&mut session);
    assert_eq!(later.snapshot.exits(10), cpuids);
    assert!(later.snapshot.total() > running.snapshot.total());
    assert!(later.now > running.now);

    session.type_text("x");
    let (outcome, reason) = session.expect_stop("unit", LIMIT);
    assert_eq!(outcome.0, 0, "{reason}\n{}", session.console_text());
    let report = session.report("unit").join("\n");
    assert!(report.contains(&format!("CPUID {cpuids}, port ")), "{report}");

    let after = ask(&mut session);
    assert_eq!(after.snapshot.exits(10), cpuids);
    assert!(matches!(after.snapshot.activity(), Activity::Ended(_)));
    let by_reason: u64 = after.snapshot.by_reason().map(|(_, count)| count).sum();
    assert_eq!(by_reason, after.snapshot.get(Counter::Recorded));
}
