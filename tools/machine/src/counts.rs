//! Counters of a guest as the status domain tells them on request.
//!
//! The frames' form is in `device-pds/status/core/src/answer.rs`. An answer is
//! several lines; [`Answers`] puts them together. What cannot be understood is
//! left out, for a newer status domain may tell more.

use std::collections::BTreeMap;

use statistics::{Counter, Exit, REASONS, Snapshot};

/// Asks the status domain for every guest's counters.
pub const REQUEST: u8 = b'?';

/// Asks it to set the links of a guest's network interfaces: this, and twice the
/// guest's number, and 1 if they are to be up.
pub const LINKS: u8 = 0x80;

/// One line of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counts {
    /// Counters and exits by reason.
    Values(Vec<(Count, u64)>),
    /// One of the last exits.
    Exit {
        /// Its number, from 0.
        number: u64,
        /// What it was.
        exit: Exit,
    },
    /// The end of an answer.
    End {
        /// The time-stamp counter when it was made.
        now: u64,
        /// The newest exit may be a mixture.
        torn: bool,
    },
    /// There are none, and why.
    None(String),
}

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// A counter.
    Counter(Counter),
    /// Exits with a reason; [`REASONS`] stands for all that have no count of
    /// their own.
    Reason(u32),
}

impl Counts {
    /// Reads the words behind `guest NAME`.
    pub(crate) fn parse(event: &str, fields: &[&str], text: &str) -> Option<Counts> {
        let value =
            |key: &str| fields.iter().find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        let hex = |key: &str| u64::from_str_radix(value(key)?, 16).ok();
        match event {
            "counts" => Some(Counts::Values(fields.iter().filter_map(|f| item(f)).collect())),
            "exit" => Some(Counts::Exit {
                number: value("number")?.parse().ok()?,
                exit: Exit {
                    reason: value("reason")?.parse().ok()?,
                    rip: hex("rip")?,
                    qualification: hex("qual")?,
                    guest_physical: hex("gpa")?,
                },
            }),
            "counted" => Some(match hex("now") {
                Some(now) => Counts::End { now, torn: value("torn")? != "0" },
                None => Counts::None(text.to_owned()),
            }),
            _ => None,
        }
    }
}

/// `cN=VALUE` or `rN=VALUE`.
fn item(field: &str) -> Option<(Count, u64)> {
    let (key, value) = field.split_once('=')?;
    let value = u64::from_str_radix(value, 16).ok()?;
    let (kind, number) = key.split_at_checked(1)?;
    let number: u32 = number.parse().ok()?;
    match kind {
        "c" => Some((Count::Counter(Counter::from_number(number)?), value)),
        "r" if number as usize <= REASONS => Some((Count::Reason(number), value)),
        _ => None,
    }
}

/// A guest's counters at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    /// What its VMM counted.
    pub snapshot: Snapshot,
    /// The time-stamp counter then.
    pub now: u64,
    /// How many of the last exits were told.
    pub told: usize,
}

/// Puts answers together, a guest each.
#[derive(Debug, Default)]
pub struct Answers(BTreeMap<String, (Snapshot, usize)>);

impl Answers {
    /// Takes a line; gives the guest's counters when it was the last.
    ///
    /// # Errors
    /// There are none; in the status domain's words.
    pub fn take(&mut self, guest: &str, line: &Counts) -> Option<Result<Counters, String>> {
        let (snapshot, told) =
            self.0.entry(guest.to_owned()).or_insert_with(|| (Snapshot::nothing(), 0));
        match line {
            Counts::Values(values) => {
                for &(count, value) in values {
                    match count {
                        Count::Counter(counter) => snapshot.set(counter, value),
                        Count::Reason(reason) => snapshot.set_exits(reason, value),
                    }
                }
                None
            }
            Counts::Exit { number, exit } => {
                snapshot.set_exit(*number, *exit);
                *told += 1;
                None
            }
            Counts::End { now, torn } => {
                let (mut snapshot, told) = self.0.remove(guest)?;
                snapshot.set_torn(*torn);
                Some(Ok(Counters { snapshot, now: *now, told }))
            }
            Counts::None(why) => {
                self.0.remove(guest);
                Some(Err(why.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestEvent, Status};

    fn line(text: &str) -> Counts {
        match Status::parse(text) {
            Status::Guest { event: GuestEvent::Counts(counts), .. } => counts,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn an_answer_is_put_together_from_its_lines() {
        let mut answers = Answers::default();
        for text in [
            "guest a counts c1=b c2=b c3=1000 r10=a x9=1 c99=1 r81=1",
            "guest a counts r80=1",
            "guest a exit number=10 reason=90 rip=1 qual=0 gpa=0",
            "guest a exit number=9 reason=10 rip=200009 qual=3 gpa=4",
        ] {
            assert_eq!(answers.take("a", &line(text)), None);
        }
        let end = line("guest a counted now=1388 torn=1");
        let counters = answers.take("a", &end).unwrap().unwrap();
        assert_eq!((counters.now, counters.told), (0x1388, 2));
        let s = &counters.snapshot;
        assert_eq!((s.total(), s.exits(10), s.exits(90), s.torn()), (11, 10, 1, true));
        let last: Vec<u32> = s.last().take(2).map(|exit| exit.reason).collect();
        assert_eq!(last, [90, 10]);
    }

    #[test]
    fn a_guest_without_counters_says_why() {
        let end = line("guest b counted : the VMM has not started counting");
        let answer = Answers::default().take("b", &end);
        assert_eq!(answer, Some(Err("the VMM has not started counting".into())));
    }

    #[test]
    fn lines_that_are_cut_are_no_counts() {
        for text in [
            "guest a exit number=1 reason=2",
            "guest a exit number=x reason=2 rip=0 qual=0 gpa=0",
            "guest a counted now=5",
        ] {
            assert_eq!(Status::parse(text), Status::Unknown(text.into()));
        }
    }
}
