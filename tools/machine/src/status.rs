//! What the status channel says, as data.
//!
//! The text of a frame is `SUBJECT NAME EVENT [key=value ...] [: free text]`.
//! It is written by the initial task (`system`, `pd`) and by the status domain
//! for the VMMs (`guest`). A line that does not parse is kept as it is: a
//! writer's mistake is worth reading.

use std::fmt;

use crate::counts::Counts;

/// How a guest ended, as the number that becomes an exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome(pub u8);

impl Outcome {
    /// The guest switched its machine off.
    pub const POWER_OFF: Outcome = Outcome(0);
    /// It halted with interrupts disabled: nothing can wake it.
    pub const HALTED: Outcome = Outcome(100);
    /// Its kernel reported a panic.
    pub const PANIC: Outcome = Outcome(101);
    /// A triple fault.
    pub const TRIPLE_FAULT: Outcome = Outcome(102);
    /// An exit that its VMM does not handle, or a failed VM entry.
    pub const UNHANDLED: Outcome = Outcome(103);
    /// Restarted more often than its configuration allows.
    pub const RESTART_LIMIT: Outcome = Outcome(104);
    /// Its image or configuration cannot be started.
    pub const BAD_IMAGE: Outcome = Outcome(105);
    /// A reset, where the configuration says that a reset stops it.
    pub const RESET: Outcome = Outcome(106);
    /// Its VMM faulted.
    pub const VMM_FAULT: Outcome = Outcome(107);

    /// In a few words.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0 => "powered off",
            1..=99 => "ended by its debug-exit port",
            100 => "halted for good",
            101 => "kernel panic",
            102 => "triple fault",
            103 => "exit not handled",
            104 => "restart limit reached",
            105 => "bad image or configuration",
            106 => "reset",
            107 => "VMM fault",
            108.. => "unknown result",
        }
    }
}

/// Something that happened to a guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GuestEvent {
    /// It runs for the first time.
    Started,
    /// It was restarted from its pristine images.
    Restarted {
        /// How often, so far.
        count: u32,
        /// Why.
        reason: String,
    },
    /// It runs no more.
    Stopped {
        /// How it ended.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// One line of a report about it.
    Report(String),
    /// A line for whoever debugs it.
    Debug(String),
    /// Part of an answer to [`Keyboard::ask_counts`](crate::Keyboard::ask_counts).
    Counts(Counts),
}

/// One line of the status channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Every protection domain is started.
    Ready,
    /// The system could not be started.
    Failed(String),
    /// A protection domain faulted.
    PdFault {
        /// Its name.
        pd: String,
        /// Kind, address and instruction pointer, and what the monitor adds.
        detail: String,
    },
    /// One line of a report about a protection domain.
    PdReport {
        /// Its name.
        pd: String,
        /// The line.
        text: String,
    },
    /// Something happened to a guest.
    Guest {
        /// Its name.
        guest: String,
        /// What.
        event: GuestEvent,
    },
    /// A line of no known form.
    Unknown(String),
}

impl Status {
    /// Reads a frame's text.
    pub fn parse(line: &str) -> Status {
        Self::known(line).unwrap_or_else(|| Status::Unknown(line.to_owned()))
    }

    fn known(line: &str) -> Option<Status> {
        // Free text begins at the first " : " (or a final " :"); values hold
        // no spaces.
        let (head, text) = match line.split_once(" :") {
            Some((head, text)) => (head, text.trim_start()),
            None => (line, ""),
        };
        let mut words = head.split_ascii_whitespace();
        let (subject, name, event) = (words.next()?, words.next()?, words.next()?);
        let fields: Vec<&str> = words.collect();
        let number = |key: &str| {
            fields.iter().find_map(|field| field.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
        };
        let text = text.to_owned();
        let name = name.to_owned();
        let guest = |event| Some(Status::Guest { guest: name.clone(), event });
        match (subject, event) {
            ("system", "ready") => Some(Status::Ready),
            ("system", "failed") => Some(Status::Failed(text)),
            ("pd", "fault") => {
                let mut detail = fields.join(" ");
                if !text.is_empty() {
                    detail = format!("{detail}: {text}");
                }
                Some(Status::PdFault { pd: name, detail })
            }
            ("pd", "report") => Some(Status::PdReport { pd: name, text }),
            ("guest", "started") => guest(GuestEvent::Started),
            ("guest", "restarted") => {
                guest(GuestEvent::Restarted { count: number("count")?, reason: text })
            }
            ("guest", "stopped") => {
                let outcome = Outcome(number("result")?.try_into().ok()?);
                guest(GuestEvent::Stopped { outcome, reason: text })
            }
            ("guest", "report") => guest(GuestEvent::Report(text)),
            ("guest", "debug") => guest(GuestEvent::Debug(text)),
            ("guest", event) => guest(GuestEvent::Counts(Counts::parse(event, &fields, &text)?)),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Ready => f.write_str("system: ready"),
            Status::Failed(why) => write!(f, "system: failed to start: {why}"),
            Status::PdFault { pd, detail } => write!(f, "{pd}: fault {detail}"),
            Status::PdReport { pd, text } => write!(f, "{pd}: {text}"),
            Status::Guest { guest, event } => match event {
                GuestEvent::Started => write!(f, "{guest}: started"),
                GuestEvent::Restarted { count, reason } => {
                    write!(f, "{guest}: restarted (number {count}): {reason}")
                }
                GuestEvent::Stopped { outcome, reason } => {
                    write!(f, "{guest}: stopped with result {}", outcome.0)?;
                    if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
                }
                GuestEvent::Report(text) => write!(f, "{guest}: {text}"),
                GuestEvent::Debug(text) => write!(f, "{guest}: debug: {text}"),
                GuestEvent::Counts(counts) => write!(f, "{guest}: {counts:?}"),
            },
            Status::Unknown(line) => write!(f, "unknown status line: {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guest(event: GuestEvent) -> Status {
        Status::Guest { guest: "debian".into(), event }
    }

    #[test]
    fn every_documented_line_is_understood() {
        for (line, expected) in [
            ("system - ready", Status::Ready),
            ("system - failed : no memory: 3 MiB", Status::Failed("no memory: 3 MiB".into())),
            (
                "pd vmm fault kind=vm address=0x10 ip=0x200400 : write to nothing",
                Status::PdFault {
                    pd: "vmm".into(),
                    detail: "kind=vm address=0x10 ip=0x200400: write to nothing".into(),
                },
            ),
            (
                "pd vmm report : rax=0 : rbx=1",
                Status::PdReport { pd: "vmm".into(), text: "rax=0 : rbx=1".into() },
            ),
            ("guest debian started", guest(GuestEvent::Started)),
            (
                "guest debian restarted count=2 : reset",
                guest(GuestEvent::Restarted { count: 2, reason: "reset".into() }),
            ),
            (
                "guest debian stopped result=0 : power-off",
                guest(GuestEvent::Stopped {
                    outcome: Outcome::POWER_OFF,
                    reason: "power-off".into(),
                }),
            ),
            ("guest debian report : rip 0x1", guest(GuestEvent::Report("rip 0x1".into()))),
            ("guest debian debug :", guest(GuestEvent::Debug(String::new()))),
        ] {
            assert_eq!(Status::parse(line), expected);
        }
    }

    #[test]
    fn a_stop_without_a_valid_result_is_not_taken_for_a_good_end() {
        for line in [
            "guest a stopped",
            "guest a stopped result=",
            "guest a stopped result=256",
            "guest a stopped result=-1",
            "guest a stopped : result=0",
        ] {
            assert_eq!(Status::parse(line), Status::Unknown(line.into()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_failing(line in "[ -~]{0,80}") {
            let _ = Status::parse(&line).to_string();
        }
    }
}
