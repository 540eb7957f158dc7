//! The shells of a system's Linux guests: type a command, hear what it said.
//!
//! A command's words come back as one line, because the console is shared: what one
//! guest says in several lines can have another's lines in between.

use std::time::Duration;

use bulkhead_machine::Outcome;

use crate::{Session, System, pairs::SELECT};

/// A boot to the prompt takes about a minute alone on a quiet processor; tests
/// run two at a time on machines that may be busy.
pub const BOOT: Duration = Duration::from_secs(600);

/// A command of a guest's, on such a machine.
pub const COMMAND: Duration = Duration::from_secs(600);

/// What the shell says first.
pub const BANNER: &str = "BusyBox";

/// Every guest of a system at its shell.
pub struct Shells {
    session: Session,
    /// The number of the console that is typed to; they are counted from 1.
    selected: usize,
}

impl Shells {
    /// Starts a system; `name` names its folder of logs.
    ///
    /// # Panics
    /// A guest does not come to its shell.
    pub fn booted(system: System, name: &str) -> Self {
        let mut session = system.start(name);
        session.expect_ready(BOOT);
        for _ in 0..session.guests().len() {
            session.expect(BANNER, BOOT);
        }
        Shells { session, selected: 1 }
    }

    /// The machine.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Types a line to a console.
    pub fn type_on(&mut self, console: usize, line: &str) {
        if std::mem::replace(&mut self.selected, console) != console {
            self.session.type_text(&format!("{SELECT}{console}"));
        }
        self.session.type_line(line);
    }

    /// Types a line to a guest; its first console has the guest's own number.
    ///
    /// # Panics
    /// There is no such guest.
    pub fn type_to(&mut self, guest: &str, line: &str) {
        let number = self.session.guests().iter().position(|name| name == guest);
        let number = number.unwrap_or_else(|| panic!("there is no guest {guest}"));
        self.type_on(number + 1, line);
    }

    /// Runs a command in a guest's shell: what it printed, in one line, and its exit
    /// status.
    ///
    /// # Panics
    /// It does not end.
    pub fn run(&mut self, guest: &str, command: &str) -> (String, u8) {
        // Quotes, so that the line that was typed, which comes back, is not taken for it.
        self.type_to(guest, &format!("x=$({command} 2>&1); echo \"<\"$?\"\" $(echo $x)\">\""));
        let said = self.session.expect("<([0-9]+ [^\\r\\n]*)>", COMMAND);
        let (status, output) = said.split_once(' ').unwrap_or((&said, ""));
        (output.trim().into(), status.parse().expect("a status"))
    }

    /// The same for one that must succeed.
    ///
    /// # Panics
    /// It fails.
    pub fn succeeds(&mut self, guest: &str, command: &str) -> String {
        let (output, status) = self.run(guest, command);
        assert_eq!(status, 0, "{guest}: {command}: {output}");
        output
    }

    /// How long a command takes by the guest's own clock, in seconds.
    ///
    /// # Panics
    /// It fails.
    pub fn seconds(&mut self, guest: &str, command: &str) -> f64 {
        const CLOCK: &str = "cat /proc/uptime";
        let line = format!("sh -c '{CLOCK}; {command} >/dev/null 2>&1 && {CLOCK}'");
        let said = self.succeeds(guest, &line);
        let words: Vec<f64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        // Each look is two numbers, of which the first is meant.
        let [began, _, ended, _] = words[..] else { panic!("{command}: {said}") };
        ended - began
    }

    /// Ends the guests one by one.
    ///
    /// # Panics
    /// One does not end by power-off.
    pub fn power_off(mut self) {
        for guest in self.session.guests().to_vec() {
            self.type_to(&guest, "poweroff");
            assert_eq!(self.session.expect_stop(&guest, COMMAND).0, Outcome::POWER_OFF);
        }
    }

    /// Ends the machine at once, whatever the guests do.
    pub fn stop(self) {
        self.session.stop();
    }
}
