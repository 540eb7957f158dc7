//! Every tiny guest of `guest-images/unit`, each alone on the system
//! `systems/unit.system`: it checks itself, prints `ok NAME`, and ends with the
//! result that the table in the folder's README gives. One test a guest, named
//! after it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, time::Duration};

use bulkhead_machine::Outcome;
use libtest_mimic::{Arguments, Failed, Trial};
use system_tests::{System, checkout, unit_guests};

const LIMIT: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let expected = expected();
    let trials = unit_guests()
        .into_iter()
        .map(|(name, image)| {
            let expected = expected.get(&name).copied();
            Trial::test(name.clone(), move || run(&name, image, expected))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

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

fn run(name: &str, image: PathBuf, expected: Option<Outcome>) -> Result<(), Failed> {
    let Some(expected) = expected else {
        return Err("the table in guest-images/unit/README.md has no row for it".into());
    };
    let system = System::new("systems/unit.system").with(|guest| guest.kernel = Some(image));
    let mut session = system.start(&format!("unit-{name}"));
    let (outcome, reason) = session.expect_stop("unit", LIMIT);
    let said = session.console_text();
    if outcome != expected {
        let (is, wanted) = (outcome.0, expected.0);
        return Err(format!("result {is}, not {wanted} ({reason}); it said:\n{said}").into());
    }
    if said.contains(&format!("ok {name}")) || said.contains(&format!("skip {name}")) {
        Ok(())
    } else {
        Err(format!("it never said `ok {name}`:\n{said}").into())
    }
}
