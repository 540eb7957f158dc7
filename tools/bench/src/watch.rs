//! Runs a machine until what it was started for is done, and says clearly if that
//! does not come.

use std::{
    fs,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use bulkhead_host::file;
use bulkhead_machine::{Config, Ending, Event, GuestEvent, Machine, Outcome, Status};

use crate::BenchError;

/// How long a measurement may take on the host: it bounds a hang and measures
/// nothing. The longest takes half a minute on a quiet processor.
const LIMIT: Duration = Duration::from_secs(900);

/// How much of the console an error shows, in characters.
const TAIL: usize = 2000;

/// How long an emulator that has failed may still talk.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a machine has said and done so far.
#[derive(Default, Debug)]
pub struct Seen {
    console: Vec<u8>,
    /// A guest's end, as its VMM told it.
    pub stopped: Option<(Outcome, String)>,
    /// Lines of the status channel that are no status.
    pub marks: Vec<String>,
    /// The emulator's own end.
    pub ending: Option<Ending>,
}

impl Seen {
    /// The console's text.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.console).into_owned()
    }

    /// Whether a line of the console begins so.
    pub fn has_line(&self, text: &str) -> bool {
        self.console().lines().any(|line| line.starts_with(text))
    }

    /// Takes an event; returns what is wrong, if it says so.
    fn take(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Console(bytes) => self.console.extend(bytes),
            Event::Status(Status::Guest {
                guest,
                event: GuestEvent::Stopped { outcome, reason },
            }) => {
                let wrong = outcome != Outcome::POWER_OFF;
                let why = format!("guest {guest} stopped with result {}: {reason}", outcome.0);
                self.stopped = Some((outcome, reason));
                return wrong.then_some(why);
            }
            Event::Status(Status::Unknown(line)) => self.marks.push(line),
            Event::Status(status @ (Status::Failed(_) | Status::PdFault { .. })) => {
                return Some(status.to_string());
            }
            Event::Status(Status::Guest { event: GuestEvent::Restarted { reason, .. }, guest }) => {
                return Some(format!("guest {guest} restarted: {reason}"));
            }
            Event::Status(
                Status::Ready
                | Status::PdReport { .. }
                | Status::Guest {
                    event:
                        GuestEvent::Started
                        | GuestEvent::Report(_)
                        | GuestEvent::Debug(_)
                        | GuestEvent::Counts(_),
                    ..
                },
            ) => {}
            Event::Ended(ending) => self.ending = Some(ending),
        }
        None
    }
}

/// A machine to be watched.
pub struct Watch {
    /// The measurement, in errors.
    pub run: &'static str,
    /// Where its console goes.
    pub log: PathBuf,
}

impl Watch {
    /// Boots it and waits until `done` says so.
    ///
    /// # Errors
    /// What was waited for does not come: the emulator, the system or a guest
    /// ended, or it takes too long.
    pub fn until(
        &self,
        config: Config,
        mut done: impl FnMut(&Seen) -> bool,
    ) -> miette::Result<Seen> {
        let (sender, events) = mpsc::channel();
        let machine = Machine::start(config, move |event| {
            // Nobody listens once the measurement is done.
            let _ = sender.send(event);
        })
        .map_err(|error| miette::miette!("{error}"))?;
        let mut seen = Seen::default();
        let until = Instant::now() + LIMIT;
        let result = loop {
            if done(&seen) {
                break Ok(());
            }
            if let Some(ending) = &seen.ending {
                break Err(ending.to_string());
            }
            match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    if let Some(wrong) = seen.take(event) {
                        // The console is slower than the status channel.
                        while let Ok(event) = events.recv_timeout(LAST_WORDS) {
                            seen.take(event);
                        }
                        break Err(wrong);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    break Err(format!("it was not done after {} s", LIMIT.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    break Err("the machine is gone".to_owned());
                }
            }
        };
        drop(machine);
        self.keep(&seen)?;
        match result {
            Ok(()) => Ok(seen),
            Err(why) => Err(self.failed(why, &seen).into()),
        }
    }

    fn keep(&self, seen: &Seen) -> Result<(), BenchError> {
        Ok(fs::write(&self.log, &seen.console).map_err(file("write", &self.log))?)
    }

    /// The error of a measurement that came to nothing.
    pub fn failed(&self, why: String, seen: &Seen) -> BenchError {
        let console = seen.console();
        let start = console.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
        // What a guest printed is not to act on the user's terminal.
        let tail = console[start..].replace(|c: char| c.is_control() && c != '\n', "");
        BenchError::Run { run: self.run, why, tail, log: self.log.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> (Seen, Option<String>) {
        let mut seen = Seen::default();
        let wrong = seen.take(Event::Status(Status::parse(line)));
        (seen, wrong)
    }

    #[test]
    fn what_goes_wrong_on_the_machine_ends_the_measurement_with_its_reason() {
        for (line, reason) in [
            ("guest unit stopped result=102 : triple fault", "result 102: triple fault"),
            ("guest debian restarted count=1 : reset", "restarted: reset"),
            ("pd vmm fault kind=vm address=0x10 : write to nothing", "write to nothing"),
            ("system - failed : no memory", "no memory"),
        ] {
            let (_, wrong) = taken(line);
            assert!(wrong.as_deref().is_some_and(|w| w.contains(reason)), "{line}: {wrong:?}");
        }
    }

    #[test]
    fn a_good_end_and_the_native_mark_are_kept() {
        let (seen, wrong) = taken("guest debian stopped result=0 : power-off");
        assert_eq!((seen.stopped.map(|(outcome, _)| outcome), wrong), (Some(Outcome(0)), None));
        let (seen, wrong) = taken("00001f2e3d4c");
        assert_eq!((seen.marks, wrong), (vec!["00001f2e3d4c".to_owned()], None));
    }

    #[test]
    fn what_a_guest_printed_does_not_act_on_the_terminal() {
        let watch = Watch { run: "x", log: PathBuf::new() };
        let seen = Seen { console: b"\x1b[2Jgone\x07\r\n".to_vec(), ..Seen::default() };
        let BenchError::Run { tail, .. } = watch.failed("why".into(), &seen) else {
            panic!("another error");
        };
        assert_eq!(tail, "[2Jgone\n");
    }
}
