//! Every tiny guest of `guest-images/unit`, each alone on the system
//! `systems/unit.system`. One test a guest, named after it.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use system_tests::{System, unit_guests, units};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = unit_guests()
        .into_iter()
        .map(|(name, image)| {
            Trial::test(name.clone(), move || {
                let system = System::new("systems/unit.system");
                Ok(units::run(system, &format!("unit-{name}"), &name, image)?)
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
