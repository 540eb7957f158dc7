//! Protection domains: what becomes of one that does what it may not, how they
//! talk, and what they hold. One program (`domains/test-domain`) plays every
//! part.

use std::{collections::BTreeMap, time::Duration};

use bulkhead_machine::Status;
use regex::Regex;
use system_tests::{Session, System};

const LIMIT: Duration = Duration::from_secs(60);

/// Misdeed (the domain's name), what the monitor makes of it, and a line of its
/// report that there must be.
const MISDEEDS: &[(&str, &str, &str)] = &[
    ("panic", "kind=exception number=6 .*: panic$", "^a reason$"),
    ("gives_up", "kind=exception number=6 .*: panic$", "stopped: this part has had enough"),
    ("foreign_port", ": panic$", "ioport id 0 does not reach port 0x80"),
    ("no_port", ": panic$", "no ioport id 5 is granted"),
    ("foreign_channel", ": panic$", "Channel\\(9\\) may not be notified"),
    ("null_read", "kind=memory access=read address=0x0 ip=.*: nothing is mapped there", ""),
    ("unmapped_write", "kind=memory access=write address=0x66666000 ip=", ""),
    ("kernel_read", "kind=memory access=read address=0xffffffff80100000 ip=", ""),
    ("read_only_write", "kind=memory access=write address=0x10000000 ip=.*: mapped without", ""),
    ("code_write", "kind=memory access=write address=0x2.* ip=.*: mapped without", ""),
    ("null_fetch", "kind=memory access=fetch address=0x0 ip=0x0: nothing is mapped", ""),
    ("not_canonical", "kind=exception number=13 .*: general protection", ""),
    ("privileged", "kind=exception number=13 .*: general protection", ""),
    ("undefined", "kind=exception number=6 .*: invalid opcode", ""),
    ("division", "kind=exception number=0 .*: division", ""),
    ("overflow", "kind=memory access=write address=0x7f.* ip=.*: stack overflow", ""),
    ("system_call", "kind=system-call number=-99 ip=", ""),
    ("empty_slot", "kind=capability address=0x3 ip=", ""),
    ("no_slot", "kind=capability address=0x77770000 ip=", ""),
    ("forger", "kind=", ""),
];

fn faults(session: &Session) -> BTreeMap<&str, Vec<&str>> {
    let mut faults = BTreeMap::<_, Vec<_>>::new();
    for status in session.statuses() {
        if let Status::PdFault { pd, detail } = status {
            faults.entry(pd.as_str()).or_default().push(detail.as_str());
        }
    }
    faults
}

fn report(session: &Session, name: &str) -> Vec<String> {
    let lines = session.statuses().iter().filter_map(|status| match status {
        Status::PdReport { pd, text } if pd == name => Some(text.clone()),
        _ => None,
    });
    lines.collect()
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).expect("a valid pattern").is_match(text)
}

/// Waits until the console has shown all of these lines, in any order.
fn expect_lines(session: &mut Session, patterns: &[&str]) {
    for pattern in patterns {
        let line = Regex::new(&format!("(?m)^{pattern}\r?$")).expect("a valid pattern");
        while !line.is_match(&session.console_text()) {
            session.expect("\n", LIMIT);
        }
    }
}

/// The number of the last beat.
fn beats(session: &Session) -> u64 {
    let console = session.console_text();
    let beat = Regex::new(r"beat (\d+)\r?\n").expect("a valid pattern");
    beat.captures_iter(&console).last().map_or(0, |c| c[1].parse().expect("a number"))
}

#[test]
fn each_misdeed_is_reported_and_the_rest_goes_on() {
    let mut session = System::new("tools/system-tests/systems/faults.system").start("faults");
    session.expect_ready(LIMIT);
    for (name, ..) in MISDEEDS {
        // A trace ends each report.
        let its = |status: &Status| {
            matches!(status, Status::PdReport { pd, text }
                if pd == name && text.starts_with("called from"))
        };
        session.expect_status(&format!("of the fault of {name}"), its, LIMIT);
    }
    // Interrupts, notifications, calls and the console's ports still work.
    let before = beats(&session);
    while beats(&session) < before + 8 {
        session.expect("beat", LIMIT);
    }
    let text = session.console_text();
    assert!(!text.contains("lives on"), "{text}");
    let faults = faults(&session);
    assert_eq!(faults.len(), MISDEEDS.len(), "{faults:#?}");
    for (name, fault, line) in MISDEEDS {
        let got = &faults[name];
        assert_eq!(got.len(), 1, "{name} is reported once: {got:#?}");
        assert!(matches(fault, got[0]), "{name}: {} is not {fault}", got[0]);
        let report = report(&session, name);
        assert!(report.iter().any(|l| matches(line, l)), "{name}: {line:?} in {report:#?}");
        for register in ["rip=", "rsp=", "rax=", "r15="] {
            assert!(report.iter().any(|l| l.contains(register)), "{name}: {report:#?}");
        }
        assert!(report.iter().any(|l| l.contains("called from")), "{name}: {report:#?}");
    }
}

#[test]
fn domains_call_notify_and_watch_each_other() {
    let mut session = System::new("tools/system-tests/systems/talk.system").start("talk");
    // Label 5 is a memory fault, its first words instruction and address; label
    // 2 an unknown call, its first word rax.
    let child = "child 3 fault label 5 words 0x2[0-9a-f]+ 0x66666000";
    let other = "child 61 fault label 2 words 0x[0-9a-f]+ 0x[0-9a-f]+";
    let again = |fault: &str| format!("{fault}\r?\n(?s:.*)^{fault}");
    expect_lines(
        &mut session,
        &[
            "caller has 6 answers",
            "server notified on \\{61\\} after 6 calls",
            "caller notified on \\{7\\}",
            // At first, and again after an answer.
            &again(child),
            &again(other),
        ],
    );
    let faults = faults(&session);
    assert!(faults.is_empty(), "a child's fault is its parent's alone: {faults:#?}");
}

#[test]
fn a_domain_holds_what_the_description_grants_and_nothing_more() {
    let system = System::new("tools/system-tests/systems/authority.system").debug();
    let mut session = system.start("authority");
    expect_lines(&mut session, &["probe probed, 0 aliases", "probe_vmm probed, 0 aliases"]);
    // The kernel's numbers for kinds of capability (`cap` in the object
    // descriptions `structures_64.bf` and `structures.bf` of seL4 5.0.0).
    const ENDPOINT: u64 = 4;
    const NOTIFICATION: u64 = 6;
    const THREAD: u64 = 12;
    const IRQ_HANDLER: u64 = 16;
    const IO_PORT: u64 = 19;
    const VCPU: u64 = 21;
    let console = session.console_text();
    let slots = |domain: &str| -> Vec<(u64, u64)> {
        let line = Regex::new(&format!(r"(?m)^{domain} slot (\d+) kind (\d+)\r?$")).expect("valid");
        let number = |text: &str| text.parse().expect("a number");
        line.captures_iter(&console).map(|c| (number(&c[1]), number(&c[2]))).collect()
    };
    // Its input and its fault endpoint; then what the description names:
    // notification 61, the console to call, interrupt 5, child 6, ports 2.
    let common = [(1, ENDPOINT), (2, ENDPOINT)];
    let granted = [
        (10 + 61, NOTIFICATION),
        (74, ENDPOINT),
        (138 + 5, IRQ_HANDLER),
        (202 + 6, THREAD),
        (394 + 2, IO_PORT),
    ];
    assert_eq!(slots("probe"), [&common[..], &granted].concat());
    let granted = [(74, ENDPOINT), (330 + 3, VCPU)];
    assert_eq!(slots("probe_vmm"), [&common[..], &granted].concat());
}
