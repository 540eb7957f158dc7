//! `domains`, `domain` and `domain_schedule`.

use std::collections::BTreeMap;

use super::{Context, element::Element};
use crate::{
    model::{DomainSchedule, Duration, ScheduleEntry},
    rule::Rule,
    source::{At, Span},
};

/// Declared scheduling domains.
pub(super) struct SchedulingDomains {
    numbers: BTreeMap<String, u16>,
    /// What the model keeps of them.
    pub(super) schedule: DomainSchedule,
}

impl Context<'_> {
    /// Which scheduling domain a protection domain belongs to.
    pub(super) fn scheduling_domain(
        &mut self,
        e: Element<'_>,
        domains: Option<&SchedulingDomains>,
    ) -> Option<u16> {
        match (domains, e.attribute("domain")) {
            (None, None) => None,
            (None, Some(word)) => {
                let p = self
                    .problem(Rule::DomainWithoutSchedule, word.span, "`domain` without `domains`")
                    .cure("declare `domains` before the first protection domain");
                self.report(p);
                None
            }
            (Some(_), None) => {
                let p = self
                    .problem(
                        Rule::DomainWithoutSchedule,
                        e.span(),
                        "a protection domain without `domain`",
                    )
                    .cure("write domain=\"...\"");
                self.report(p);
                None
            }
            (Some(domains), Some(word)) => self.known_domain(&domains.numbers, word),
        }
    }

    fn known_domain(&mut self, numbers: &BTreeMap<String, u16>, word: At<&str>) -> Option<u16> {
        let found = numbers.get(word.value).copied();
        if found.is_none() {
            let names: Vec<&str> = numbers.keys().map(String::as_str).collect();
            let message = format!("no scheduling domain is called `{}`", word.value);
            let p = self
                .problem(Rule::DomainUnknown, word.span, message)
                .cure(format!("declared: {}", names.join(", ")));
            self.report(p);
        }
        found
    }

    /// Reads `domains`.
    pub(super) fn scheduling_domains(&mut self, e: Element<'_>) -> SchedulingDomains {
        let support = self.board.domain_scheduling;
        self.board_support(e.span(), "`domains`", support);
        self.allow(e, &[]);
        let mut declared: Vec<(At<&str>, Option<u16>)> = Vec::new();
        let mut schedule: Option<Element<'_>> = None;
        for c in e.children() {
            match c.name() {
                "domain" => {
                    if let Some(domain) = self.domain(c, &declared) {
                        declared.push(domain);
                    }
                }
                "domain_schedule" => {
                    if !self.repeated(c, schedule.map(Element::span).as_ref()) {
                        schedule = Some(c);
                    }
                }
                _ => self.unknown_element(e, c, &["domain", "domain_schedule"]),
            }
        }
        let numbers = self.number_domains(e, &declared);
        let mut out = DomainSchedule {
            span: e.span(),
            domains: numbers.iter().map(|(name, n)| (name.clone(), *n)).collect(),
            entries: Vec::new(),
            start: 0,
            shift: 0,
        };
        out.domains.sort_by_key(|(_, n)| *n);
        match schedule {
            Some(s) => self.schedule(s, &numbers, &mut out),
            None => {
                let p = self
                    .problem(Rule::MissingElement, e.span(), "`domains` without a schedule")
                    .cure("put a `domain_schedule` inside it");
                self.report(p);
            }
        }
        SchedulingDomains { numbers, schedule: out }
    }

    fn domain<'a>(
        &mut self,
        e: Element<'a>,
        declared: &[(At<&str>, Option<u16>)],
    ) -> Option<(At<&'a str>, Option<u16>)> {
        self.allow(e, &["name", "id"]);
        self.no_children(e);
        let name = self.required(e, "name");
        let mut id = None;
        if let Some(word) = e.attribute("id") {
            let n = self.number("id", word)?;
            match u16::try_from(n.value) {
                Ok(value) if value < self.board.scheduling_domains => id = Some((value, n.span)),
                _ => {
                    let message = format!("scheduling domain {}", n.value);
                    let most = self.board.scheduling_domains.saturating_sub(1);
                    let p = self
                        .problem(Rule::DomainId, n.span, message)
                        .cure(format!("board {} has 0 to {most}", self.board.name));
                    self.report(p);
                    return None;
                }
            }
        }
        let name = name?;
        let twice = |context: &mut Self, at: &Span, first: &Span, what: String| {
            let p = context
                .problem(Rule::DomainUnique, at.clone(), what)
                .also(first, "the first is here");
            context.report(p);
        };
        if let Some((first, _)) = declared.iter().find(|(n, _)| n.value == name.value) {
            twice(self, &name.span, &first.span, format!("two domains `{}`", name.value));
            return None;
        }
        if let Some((n, at)) = &id
            && let Some((first, _)) = declared.iter().find(|(_, i)| *i == Some(*n))
        {
            twice(self, at, &first.span, format!("two domains with the number {n}"));
            return None;
        }
        Some((name, id.map(|(n, _)| n)))
    }

    /// Gives the domains without a number the lowest free ones, in order.
    fn number_domains(
        &mut self,
        e: Element<'_>,
        declared: &[(At<&str>, Option<u16>)],
    ) -> BTreeMap<String, u16> {
        let mut numbers = BTreeMap::new();
        let taken: Vec<u16> = declared.iter().filter_map(|(_, n)| *n).collect();
        let mut free = (0..self.board.scheduling_domains).filter(|n| !taken.contains(n));
        let mut missing = 0_usize;
        for (name, number) in declared {
            match number.or_else(|| free.next()) {
                Some(n) => {
                    numbers.insert(name.value.to_owned(), n);
                }
                None => missing += 1,
            }
        }
        if missing > 0 {
            let message = format!("{} scheduling domains", declared.len());
            let most = self.board.scheduling_domains;
            let p = self
                .problem(Rule::DomainCount, e.span(), message)
                .cure(format!("board {} has {most}", self.board.name));
            self.report(p);
        }
        numbers
    }

    fn schedule(
        &mut self,
        e: Element<'_>,
        numbers: &BTreeMap<String, u16>,
        out: &mut DomainSchedule,
    ) {
        self.allow(e, &["index_shift", "start_index"]);
        let start = self.number_or(e, "start_index", 0);
        let shift = self.number_or(e, "index_shift", 0);
        // Counted apart from what was read well, so that a bad entry is one error.
        let mut length = 0_u64;
        for c in e.children() {
            match c.name() {
                "schedule_entry" => {
                    length += 1;
                    out.entries.extend(self.schedule_entry(c, numbers));
                }
                "schedule_end_marker" => {
                    length += 1;
                    self.allow(c, &[]);
                    self.no_children(c);
                    out.entries.push(ScheduleEntry::EndMarker);
                }
                _ => self.unknown_element(e, c, &["schedule_entry", "schedule_end_marker"]),
            }
        }
        let (Some(start), Some(shift)) = (start, shift) else { return };
        let most = self.board.schedule_length;
        // The kernel needs one entry more, to close the schedule.
        if shift.saturating_add(length) >= most {
            let message = format!("{length} entries from {shift} on");
            let p = self.problem(Rule::ScheduleLength, e.span(), message).cure(format!(
                "board {} has room for {}",
                self.board.name,
                most.saturating_sub(1)
            ));
            self.report(p);
        }
        if start >= length {
            let at = e.attribute("start_index").map_or(e.span(), |a| a.span);
            let message = format!("a schedule of {length} entries starts at entry {start}");
            let p = self.problem(Rule::ScheduleStart, at, message).cure("entries count from 0");
            self.report(p);
        }
        out.start = start;
        out.shift = shift;
    }

    fn schedule_entry(
        &mut self,
        e: Element<'_>,
        numbers: &BTreeMap<String, u16>,
    ) -> Option<ScheduleEntry> {
        self.allow(e, &["domain", "duration"]);
        self.no_children(e);
        let domain = self.required(e, "domain").and_then(|w| self.known_domain(numbers, w));
        let duration = self.required(e, "duration").and_then(|w| self.duration(w));
        Some(ScheduleEntry::Run { domain: domain?, duration: duration? })
    }

    fn duration(&mut self, word: At<&str>) -> Option<Duration> {
        let parsed = word.value.split_once(' ').and_then(|(number, unit)| {
            let kind = match unit {
                "us" => Duration::Microseconds,
                "ticks" => Duration::Ticks,
                _ => return None,
            };
            Some((number, kind))
        });
        let Some((number, kind)) = parsed else {
            let message = format!("a duration of `{}`", word.value);
            let p =
                self.problem(Rule::Duration, word.span, message).cure("for example \"1000 us\"");
            self.report(p);
            return None;
        };
        let n = self.number("duration", At::new(number, word.span))?;
        if n.value == 0 {
            self.report(self.problem(Rule::Duration, n.span, "a duration of nothing"));
            return None;
        }
        Some(kind(n.value))
    }
}
