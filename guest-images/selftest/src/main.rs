//! Tests, from a guest's user space, the machine that the guest runs on. Each
//! test prints one line, `selftest: ok NAME: detail` or `selftest: FAIL NAME:
//! reason`; the exit status is the number of failures (at most 99).
//!
//! It runs on any Linux: on a bare machine it passes too, which is the point.
#![forbid(unsafe_code)]

mod interrupts;
mod kernel_log;
mod load;
mod memory;
mod time;

use std::process::ExitCode;

/// A test's detail, or why it failed.
type Outcome = Result<String, String>;

/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

/// In the order in which they run: the log last, so that it holds what the
/// others caused.
const TESTS: &[Test] = &[
    ("clocksource", time::clocksource),
    ("entropy", time::entropy),
    ("timers", time::timers),
    ("memory", memory::patterns),
    ("load", load::signals_fork_fpu),
    ("interrupts", interrupts::sensible),
    ("clocksource-kept", time::clocksource),
    ("kernel-log", kernel_log::quiet),
];

fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    if only.first().is_some_and(|name| name == load::CHILD) {
        return load::child();
    }
    if let Some(unknown) = only.iter().find(|o| TESTS.iter().all(|(name, _)| name != *o)) {
        eprintln!("selftest: no test is named {unknown}");
        return ExitCode::from(99);
    }
    let mut failed = 0u8;
    for (name, test) in TESTS.iter().filter(|(n, _)| only.is_empty() || only.iter().any(|o| o == n))
    {
        match test() {
            Ok(detail) => println!("selftest: ok {name}: {detail}"),
            Err(reason) => {
                println!("selftest: FAIL {name}: {reason}");
                failed = failed.saturating_add(1).min(99);
            }
        }
    }
    println!("selftest: {failed} failed");
    ExitCode::from(failed)
}
