//! The keyboard controller, and the devices that are one register.

use arbitrary::Unstructured;
use vmm_core::devices::{
    debug_exit,
    i8042::I8042,
    pvpanic,
    request::{Request, ResetSource},
};

use super::{Step, stored};
use crate::{Target, targets::input::steps};

pub(in super::super) const TARGET: Target = Target {
    runs: 40_000,
    ..Target::new("i8042", "the small registers ask for nothing but what they are for", check)
};

fn check(bytes: &[u8]) {
    let mut keyboard = I8042::new();
    for step in steps(Unstructured::new(bytes)) {
        let request = match step {
            Step::Read(n) if n & 1 == 0 => {
                keyboard.read_data();
                None
            }
            Step::Read(_) => {
                keyboard.read_status();
                None
            }
            Step::Write(n, value) if n & 1 == 0 => keyboard.write_data(value),
            Step::Write(_, command) => keyboard.write_command(command),
            Step::Pass(_) => {
                assert_eq!(pvpanic::read() & !3, 0, "two events exist");
                None
            }
            Step::Other(n) => {
                let request = pvpanic::write(n);
                assert!(matches!(request, None | Some(Request::Panicked | Request::CrashLoaded)));
                assert_eq!(debug_exit::exit(n.into()), Request::Exit(n.into()));
                None
            }
        };
        assert!(matches!(request, None | Some(Request::Reset(ResetSource::KeyboardController))));
        keyboard = I8042::restore(stored(keyboard.state().clone()));
    }
}
