//! What became of each guest: from status lines to a summary and an exit
//! status.

use std::time::{Duration, Instant};

use anstyle::Style;
use bulkhead_machine::{GuestEvent, Outcome, Status};

use crate::ui::{self, BAD, CAUTION, FAINT, GOOD, HEADING, NAME, cell};

/// A guest that the system description names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// What status lines call it.
    pub guest: String,
    /// Its VMM's protection domain.
    pub pd: String,
    /// Its number among the status domain's clients.
    pub status: Option<u8>,
}

/// One guest's course.
struct Guest {
    named: Named,
    started: bool,
    restarts: u32,
    end: Option<End>,
}

struct End {
    outcome: Outcome,
    reason: String,
    after: Duration,
}

/// All guests of a system.
pub struct Guests {
    since: Instant,
    guests: Vec<Guest>,
}

impl Guests {
    /// None of them has ended.
    pub fn new(named: impl IntoIterator<Item = Named>) -> Self {
        let guests = named
            .into_iter()
            .map(|named| Guest { named, started: false, restarts: 0, end: None })
            .collect();
        Guests { since: Instant::now(), guests }
    }

    /// Takes a status line into account.
    pub fn observe(&mut self, status: &Status) {
        let after = self.since.elapsed();
        match status {
            Status::Guest { guest, event } => {
                let Some(guest) = self.guests.iter_mut().find(|g| g.named.guest == *guest) else {
                    return;
                };
                match event {
                    // A guest that is started anew has not ended any more.
                    GuestEvent::Started => {
                        guest.started = true;
                        guest.end = None;
                    }
                    GuestEvent::Restarted { count, .. } => {
                        guest.restarts = *count;
                        guest.end = None;
                    }
                    GuestEvent::Stopped { outcome, reason } => {
                        guest.end = Some(End { outcome: *outcome, reason: reason.clone(), after });
                    }
                    GuestEvent::Report(_) | GuestEvent::Debug(_) | GuestEvent::Counts(_) => {}
                }
            }
            // A VMM that faults cannot report its guest's end; the monitor does
            // it in this way.
            Status::PdFault { pd, detail } => {
                if let Some(guest) = self.guests.iter_mut().find(|g| g.named.pd == *pd) {
                    let outcome = Outcome::VMM_FAULT;
                    guest.end = Some(End { outcome, reason: detail.clone(), after });
                }
            }
            Status::Ready | Status::Failed(_) | Status::PdReport { .. } | Status::Unknown(_) => {}
        }
    }

    /// Whether every guest has been started once. So it is for a system without
    /// guests.
    pub fn all_started(&self) -> bool {
        self.guests.iter().all(|guest| guest.started)
    }

    /// Whether every guest has ended. Never so for a system without guests.
    pub fn all_ended(&self) -> bool {
        !self.guests.is_empty() && self.guests.iter().all(|guest| guest.end.is_some())
    }

    /// The first result that is not 0, in the description's order.
    pub fn result(&self) -> u8 {
        let results = self.guests.iter().filter_map(|guest| Some(guest.end.as_ref()?.outcome.0));
        results.into_iter().find(|&result| result != 0).unwrap_or(0)
    }

    /// The guests' names, in the description's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.guests.iter().map(|guest| guest.named.guest.as_str())
    }

    /// The name of one of them, counted from 0.
    pub fn name(&self, index: u8) -> Option<&str> {
        self.names().nth(usize::from(index))
    }

    /// What the status domain knows one of them as, counted from 0.
    pub fn status(&self, index: u8) -> Option<u8> {
        self.guests.get(usize::from(index))?.named.status
    }

    /// Whether there is a choice.
    pub fn several(&self) -> bool {
        self.guests.len() > 1
    }

    /// One line a guest, with a heading.
    pub fn summary(&self) -> String {
        let head = ["Guest", "End", "Result", "Time", ""].map(|text| cell(text, HEADING));
        let mut rows = vec![Vec::from(head)];
        for guest in &self.guests {
            let mut row = vec![cell(&guest.named.guest, NAME)];
            let mut remarks = Vec::new();
            match &guest.end {
                Some(end) => {
                    let style = outcome_style(end.outcome);
                    row.push(cell(end.outcome.meaning(), style));
                    row.push(cell(format!("{:>6}", end.outcome.0), style));
                    row.push(cell(ui::duration(end.after), Style::new()));
                    if end.outcome != Outcome::POWER_OFF && !end.reason.is_empty() {
                        remarks.push(end.reason.clone());
                    }
                }
                None => {
                    row.push(cell("still running", CAUTION));
                    row.push(cell(format!("{:>6}", "-"), FAINT));
                    row.push(cell(ui::duration(self.since.elapsed()), Style::new()));
                }
            }
            match guest.restarts {
                0 => {}
                1 => remarks.push("restarted once".into()),
                count => remarks.push(format!("restarted {count} times")),
            }
            row.push(cell(remarks.join("; "), FAINT));
            rows.push(row);
        }
        ui::table(&rows).join("\n")
    }
}

fn outcome_style(outcome: Outcome) -> Style {
    if outcome == Outcome::POWER_OFF { GOOD } else { BAD }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(names: &[&str]) -> Guests {
        Guests::new(names.iter().map(|&name| Named {
            guest: name.into(),
            pd: format!("{name}_vmm"),
            status: None,
        }))
    }

    fn see(guests: &mut Guests, lines: &[&str]) {
        for line in lines {
            guests.observe(&Status::parse(line));
        }
    }

    #[test]
    fn the_run_ends_when_the_last_guest_has() {
        let mut all = guests(&["a", "b"]);
        see(&mut all, &["guest a started", "guest b started", "guest b stopped result=0 : off"]);
        assert!(!all.all_ended());
        see(&mut all, &["guest a stopped result=33 : debug exit"]);
        assert!(all.all_ended());
        assert_eq!(all.result(), 33);
    }

    #[test]
    fn the_first_result_that_is_not_zero_counts() {
        let mut all = guests(&["a", "b", "c"]);
        see(&mut all, &["guest c stopped result=3 : x", "guest b stopped result=2 : x"]);
        see(&mut all, &["guest a stopped result=0 : off"]);
        assert_eq!(all.result(), 2);
    }

    #[test]
    fn a_faulting_vmm_ends_its_guest_and_no_other() {
        let mut all = guests(&["a", "b"]);
        see(&mut all, &["pd a_vmm fault kind=vm address=0x0 ip=0x1 : null"]);
        see(&mut all, &["pd timer fault kind=vm address=0x0 ip=0x1 : null"]);
        assert!(!all.all_ended());
        assert_eq!(all.result(), 107);
    }

    #[test]
    fn all_have_started_when_the_last_has() {
        let started = |name: &str| Status::parse(&format!("guest {name} started"));
        let mut guests = Guests::new(["a", "b"].map(|name| Named {
            guest: name.into(),
            pd: name.into(),
            status: None,
        }));
        guests.observe(&started("a"));
        assert!(!guests.all_started());
        guests.observe(&started("b"));
        assert!(guests.all_started());
        assert!(Guests::new([]).all_started(), "there is none to wait for");
    }

    #[test]
    fn a_restarted_guest_has_not_ended() {
        let mut all = guests(&["a"]);
        see(&mut all, &["guest a stopped result=102 : triple fault"]);
        see(&mut all, &["guest a restarted count=1 : triple fault"]);
        assert!(!all.all_ended());
    }

    #[test]
    fn a_system_without_guests_does_not_end_at_once() {
        assert!(!guests(&[]).all_ended());
    }

    #[test]
    fn the_summary_has_a_line_for_each_guest() {
        let mut all = guests(&["debian", "b"]);
        see(&mut all, &["guest b restarted count=2 : reset", "guest b stopped result=104 : often"]);
        let plain = anstream::adapter::strip_str(&all.summary()).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("debian  still running"));
        assert!(lines[2].starts_with("b       restart limit reached     104"));
        assert!(lines[2].ends_with("often; restarted 2 times"));
    }
}
