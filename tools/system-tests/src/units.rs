//! The tiny guests of `guest-images/unit`: each checks itself, prints `ok NAME`,
//! and ends with the result that the table in the folder's README gives.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use bulkhead_machine::Outcome;

use crate::{System, checkout};

const LIMIT: Duration = Duration::from_secs(180);

/// Results by guest: the rows ``| `NAME` | what it shows | RESULT ... |``.
fn expected() -> BTreeMap<String, Outcome> {
    let readme = checkout("guest-images/unit/README.md");
    let readme = fs::read_to_string(&readme).expect("the folder of unit guests has a README");
    let rows = readme.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.trim_end_matches(" |").split('|');
        let name = cells.next()?.trim().strip_suffix('`')?;
        let result = cells.next_back()?.split_whitespace().next()?;
        Some((name.to_owned(), Outcome(result.parse().ok()?)))
    });
    rows.collect()
}

/// Runs one on a system that has one guest, `unit`. `log` names its folder of
/// logs.
///
/// # Errors
/// What it did that it should not.
pub fn run(system: System, log: &str, name: &str, image: PathBuf) -> Result<(), String> {
    let Some(&expected) = expected().get(name) else {
        return Err("the table in guest-images/unit/README.md has no row for it".into());
    };
    let said = ended(system, log, image, expected)?;
    if said.contains(&format!("ok {name}")) || said.contains(&format!("skip {name}")) {
        Ok(())
    } else {
        Err(format!("it never said `ok {name}`:\n{said}"))
    }
}

/// Runs one to its end, which is to have this result; returns what it said.
fn ended(system: System, log: &str, image: PathBuf, expected: Outcome) -> Result<String, String> {
    let mut session = system.with(|guest| guest.kernel = Some(image)).start(log);
    let (outcome, reason) = session.expect_stop("unit", LIMIT);
    let said = session.console_text();
    if outcome == expected {
        return Ok(said);
    }
    let (is, wanted) = (outcome.0, expected.0);
    Err(format!("result {is}, not {wanted} ({reason}); it said:\n{said}"))
}
