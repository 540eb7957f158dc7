//! One machine under test.

use std::{
    any::Any,
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use bulkhead_machine::{Config, Ending, Event, Keyboard, Logs, Machine, Status};
use regex::bytes::Regex;

/// A machine, and everything it has said so far.
///
/// Its methods panic, with the end of the transcript, when what a test waits
/// for does not come.
pub struct Session {
    name: String,
    machine: Machine,
    keyboard: Keyboard,
    events: Receiver<Event>,
    transcript: Vec<u8>,
    /// How much of the transcript earlier waits have consumed.
    seen: usize,
    statuses: Vec<Status>,
    ending: Option<Ending>,
    /// Its guests, if it is a system of ours.
    guests: Vec<String>,
    /// Keeps what it runs on, such as the image, which later builds could remove.
    _held: Option<Box<dyn Any>>,
}

impl Session {
    /// Starts a machine. `name` names its folder of logs and messages.
    pub fn start(name: &str, mut config: Config) -> Self {
        let (sender, events) = mpsc::channel();
        config.logs = logs_folder().join(name);
        let machine = Machine::start(config, move |event| {
            // The test may be over already.
            let _ = sender.send(event);
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        let keyboard = machine.keyboard();
        Session {
            name: name.into(),
            machine,
            keyboard,
            events,
            transcript: Vec::new(),
            seen: 0,
            statuses: Vec::new(),
            ending: None,
            guests: Vec::new(),
            _held: None,
        }
    }

    /// Keeps something as long as it runs: the built system, its disk.
    #[must_use]
    pub fn holding(mut self, held: impl Any) -> Self {
        self._held = Some(Box::new(held));
        self
    }

    /// Knows the guests that it runs.
    #[must_use]
    pub fn with_guests(mut self, guests: Vec<String>) -> Self {
        self.guests = guests;
        self
    }

    /// The guests that it runs.
    pub fn guests(&self) -> &[String] {
        &self.guests
    }

    /// Waits until the console has shown this, after what earlier waits have
    /// found; returns the match's first group, or all of it.
    pub fn expect(&mut self, pattern: &str, limit: Duration) -> String {
        let regex = Regex::new(pattern).expect("a valid pattern");
        let until = Instant::now() + limit;
        loop {
            let rest = &self.transcript[self.seen..];
            if let Some(found) = regex.captures(rest) {
                let group = found.get(1).or(found.get(0)).expect("group 0 is the match");
                let text = String::from_utf8_lossy(group.as_bytes()).into_owned();
                self.seen += found.get(0).expect("group 0 is the match").end();
                return text;
            }
            self.advance(until, &format!("{pattern:?} on the console"));
        }
    }

    /// Waits until the console is as it should be. `accept` is given what the
    /// console has shown since it was last asked, here or earlier.
    pub fn expect_console(
        &mut self,
        what: &str,
        mut accept: impl FnMut(&[u8]) -> bool,
        limit: Duration,
    ) {
        let until = Instant::now() + limit;
        loop {
            let from = std::mem::replace(&mut self.seen, self.transcript.len());
            if accept(&self.transcript[from..]) {
                return;
            }
            self.advance(until, what);
        }
    }

    /// Types.
    pub fn type_text(&self, keys: &str) {
        self.keyboard.send(keys.as_bytes());
    }

    /// Asks for every guest's counters.
    pub fn ask_counts(&self) {
        self.keyboard.ask_counts();
    }

    /// Pulls the network cables of the status domain's client of this number, or plugs
    /// them in.
    pub fn set_links(&self, guest: u8, up: bool) {
        self.keyboard.set_links(guest, up);
    }

    /// Types a line.
    pub fn type_line(&self, line: &str) {
        self.type_text(&format!("{line}\r"));
    }

    /// Waits for a status line; earlier ones count too.
    pub fn expect_status(
        &mut self,
        what: &str,
        accept: impl FnMut(&Status) -> bool,
        limit: Duration,
    ) -> Status {
        self.expect_status_from(0, what, accept, limit)
    }

    /// Waits for a status line that has not come yet.
    pub fn expect_new_status(
        &mut self,
        what: &str,
        accept: impl FnMut(&Status) -> bool,
        limit: Duration,
    ) -> Status {
        self.expect_status_from(self.statuses.len(), what, accept, limit)
    }

    fn expect_status_from(
        &mut self,
        first: usize,
        what: &str,
        mut accept: impl FnMut(&Status) -> bool,
        limit: Duration,
    ) -> Status {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.statuses[first..].iter().find(|status| accept(status)) {
                return status.clone();
            }
            self.advance(until, &format!("the status line {what}"));
        }
    }

    /// Waits for the emulator's own end.
    pub fn expect_end(&mut self, limit: Duration) -> Ending {
        let until = Instant::now() + limit;
        while self.ending.is_none() {
            self.advance(until, "the machine's end");
        }
        self.ending.clone().expect("the loop has seen it")
    }

    /// Ends the machine and returns all that the console has shown.
    pub fn stop(mut self) -> Vec<u8> {
        self.machine.stop();
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        self.transcript
    }

    /// Every status line so far.
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// Everything the console has shown so far.
    pub fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// The same as text.
    pub fn console_text(&self) -> String {
        String::from_utf8_lossy(&self.transcript).into_owned()
    }

    /// Where the machine's logs are.
    pub fn logs(&self) -> &Logs {
        self.machine.logs()
    }

    fn advance(&mut self, until: Instant, awaited: &str) {
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            // There may be no end of events.
            self.fail(&format!("{awaited} did not come in time"));
        }
        match self.events.recv_timeout(wait) {
            Ok(event) => {
                self.take(event);
                // One look at the console for all that has come since the last.
                while let Ok(event) = self.events.try_recv() {
                    self.take(event);
                }
            }
            Err(RecvTimeoutError::Timeout) => self.fail(&format!("{awaited} did not come in time")),
            Err(RecvTimeoutError::Disconnected) => {
                let ending = self.ending.as_ref().map(ToString::to_string).unwrap_or_default();
                self.fail(&format!("{awaited} did not come: {ending}"));
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Console(bytes) => self.transcript.extend(bytes),
            Event::Status(status) => self.statuses.push(status),
            Event::Ended(ending) => self.ending = Some(ending),
        }
    }

    fn fail(&self, why: &str) -> ! {
        let start = self.transcript.len().saturating_sub(TAIL);
        let tail = String::from_utf8_lossy(&self.transcript[start..]);
        let statuses: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
        let transcript = logs_folder().join(&self.name).join("console.log");
        let kept = match std::fs::write(&transcript, &self.transcript) {
            Ok(()) => transcript.display().to_string(),
            Err(error) => format!("nowhere ({error})"),
        };
        panic!(
            "{}: {why}\n--- end of the console ---\n{tail}\n--- status lines ---\n{}\n---\n\
             the whole console is in {kept}\nthe emulator's messages are in {}\n\
             the kernel's are in {}",
            self.name,
            statuses.join("\n"),
            self.logs().emulator.display(),
            self.logs().kernel.display(),
        );
    }
}

/// How much of the console a failure shows, in bytes.
const TAIL: usize = 3000;

/// `target/bulkhead/logs/tests`.
pub(crate) fn logs_folder() -> PathBuf {
    let workspace = bulkhead_build::Workspace::find().expect("tests run in the checkout");
    workspace.out.join("logs/tests")
}
