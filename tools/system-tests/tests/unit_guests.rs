//! Every tiny guest of `guest-images/unit`, each alone on the system
//! `systems/unit.system`: it checks itself, prints `ok NAME`, and leaves by its
//! debug-exit port with 0. One test a guest, named after it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bulkhead_machine::Outcome;
use libtest_mimic::{Arguments, Failed, Trial};
use system_tests::{System, unit_guests};

const LIMIT: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = unit_guests()
        .into_iter()
        .map(|(name, image)| Trial::test(name.clone(), move || run(&name, image)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(name: &str, image: PathBuf) -> Result<(), Failed> {
    let system = System::new("systems/unit.system").with(|guest| guest.kernel = Some(image));
    let mut session = system.start(&format!("unit-{name}"));
    let (outcome, reason) = session.expect_stop("unit", LIMIT);
    let said = session.console_text();
    if outcome != Outcome::POWER_OFF {
        return Err(format!("result {} ({reason}); it said:\n{said}", outcome.0).into());
    }
    if said.contains(&format!("ok {name}")) || said.contains(&format!("skip {name}")) {
        Ok(())
    } else {
        Err(format!("it left with 0, but never said `ok {name}`:\n{said}").into())
    }
}
