//! A guest's counters as a table: what it did since it was started and since it
//! was last asked about, where time went, and its last exits.

use std::collections::BTreeMap;

use anstyle::Style;
use bulkhead_machine::{Answers, Counters, Counts};
use statistics::{Activity, Counter, Snapshot, Ticks, reason_name};

use crate::ui::{self, BAD, CAUTION, FAINT, GOOD, HEADING, NAME, cell};

/// What guests have told.
pub struct Statistics {
    answers: Answers,
    last: BTreeMap<String, Counters>,
    frequency: Option<u64>,
}

impl Statistics {
    /// Nothing yet. `frequency` is that of the machine's ticks, where known:
    /// else nothing is shown in seconds.
    pub fn new(frequency: Option<u64>) -> Statistics {
        let frequency = frequency.filter(|ticks| *ticks > 0);
        Statistics { answers: Answers::default(), last: BTreeMap::new(), frequency }
    }

    /// Takes a line of an answer; the table when it was the last.
    pub fn take(&mut self, guest: &str, line: &Counts) -> Option<String> {
        match self.answers.take(guest, line)? {
            Ok(counters) => {
                let before = self.last.insert(guest.to_owned(), counters.clone());
                Some(table(guest, &counters, before.as_ref(), self.frequency))
            }
            Err(why) => Some(format!("{NAME}{guest}{NAME:#} has no counters: {why}")),
        }
    }
}

fn table(
    guest: &str,
    counters: &Counters,
    before: Option<&Counters>,
    frequency: Option<u64>,
) -> String {
    let mut lines = vec![headline(guest, counters, frequency)];
    lines.push(String::new());
    lines.extend(exits(counters, before, frequency));
    lines.push(String::new());
    lines.push(others(&counters.snapshot));
    if counters.told > 0 {
        lines.push(String::new());
        lines.extend(last_exits(counters));
    }
    lines.join("\n")
}

/// Time, and who used it.
fn headline(guest: &str, counters: &Counters, frequency: Option<u64>) -> String {
    let Counters { snapshot, now, .. } = counters;
    let Ticks { guest: ran, vmm, asleep } = snapshot.ticks(*now);
    let all = ran.saturating_add(vmm).saturating_add(asleep);
    let since = |at: u64| format!("{} ticks", grouped(now.saturating_sub(at)));
    let doing = match snapshot.activity() {
        Activity::Guest(at) => format!("in the guest for {}", since(at)),
        Activity::Vmm(at) => format!("in the VMM for {}", since(at)),
        Activity::Asleep(at) => format!("asleep for {}", since(at)),
        Activity::Ended(at) => format!("ended {} ago", since(at)),
    };
    format!(
        "{NAME}{guest}{NAME:#}  {} of machine time: {GOOD}guest {}{GOOD:#}, \
         {CAUTION}VMM {}{CAUTION:#}, {FAINT}asleep {}{FAINT:#}; now {doing}",
        frequency.map_or_else(|| since(now.saturating_sub(all)), |f| seconds(all, f)),
        percent(ran, all),
        percent(vmm, all),
        percent(asleep, all),
    )
}

/// Exits by reason, the most frequent first.
fn exits(counters: &Counters, before: Option<&Counters>, frequency: Option<u64>) -> Vec<String> {
    let snapshot = &counters.snapshot;
    let head = ["Exits", "     Count", "Share", "Since asked", "  A second"];
    let columns = match (before, frequency) {
        (None, _) => 3,
        (Some(_), None) => 4,
        (Some(_), Some(_)) => 5,
    };
    let mut rows: Vec<Vec<ui::Cell>> =
        vec![head[..columns].iter().map(|text| cell(*text, HEADING)).collect()];
    let mut counts: Vec<(Option<u32>, u64)> = snapshot.by_reason().collect();
    counts.sort_by_key(|&(reason, count)| (std::cmp::Reverse(count), reason));
    let total = snapshot.total();
    let all = counts.into_iter().map(|(reason, count)| {
        let old = before.map(|b| match reason {
            Some(reason) => b.snapshot.exits(reason),
            None => b.snapshot.exits(u32::MAX),
        });
        (named(reason), Style::new(), count, old)
    });
    let sum = ("all".to_owned(), HEADING, total, before.map(|b| b.snapshot.total()));
    for (name, style, count, old) in all.chain([sum]) {
        let mut row = vec![
            cell(name, style),
            cell(format!("{:>10}", grouped(count)), style),
            cell(format!("{:>5}", percent(count, total)), FAINT),
        ];
        if let (Some(old), Some(before)) = (old, before) {
            let new = count.saturating_sub(old);
            let ticks = counters.now.saturating_sub(before.now);
            row.push(cell(format!("{:>11}", grouped(new)), style));
            row.extend(frequency.map(|frequency| {
                cell(format!("{:>10}", grouped(a_second(new, ticks, frequency))), style)
            }));
        }
        rows.push(row);
    }
    indented(ui::table(&rows))
}

/// Counters besides exits, on one line.
fn others(s: &Snapshot) -> String {
    let shown = [
        ("interrupts", Counter::Interrupts),
        ("timer deadlines", Counter::Deadlines),
        ("notifications", Counter::Notifications),
        ("sleeps", Counter::Sleeps),
        ("kernel calls", Counter::KernelCalls),
        ("bytes copied for virtio devices", Counter::Copied),
        ("notifications of their servers", Counter::Rings),
        ("interrupts of its own devices", Counter::PassedInterrupts),
        ("unknown MSRs", Counter::UnknownMsrs),
        ("host NMIs", Counter::HostNmis),
    ];
    let parts: Vec<String> = shown
        .iter()
        .map(|(name, counter)| format!("{name} {}", grouped(s.get(*counter))))
        .collect();
    format!("  {}", parts.join(", "))
}

fn last_exits(counters: &Counters) -> Vec<String> {
    let head = ["Last exits", "Reason", "Instruction", "Qualification"];
    let mut rows: Vec<Vec<ui::Cell>> = vec![head.map(|text| cell(text, HEADING)).into()];
    let total = counters.snapshot.total();
    for (back, exit) in (1..).zip(counters.snapshot.last().take(counters.told)) {
        let mut about = format!("{:x}", exit.qualification);
        // Only EPT exits have one.
        if exit.reason == 48 || exit.reason == 49 {
            about += &format!("  at {:x}", exit.guest_physical);
        }
        rows.push(vec![
            cell(format!("{:>10}", grouped(total.wrapping_sub(back))), FAINT),
            cell(named(Some(exit.reason)), Style::new()),
            cell(format!("{:016x}", exit.rip), NAME),
            cell(about, FAINT),
        ]);
    }
    let mut lines = indented(ui::table(&rows));
    if counters.snapshot.torn() {
        lines.push(format!("  {BAD}the newest of them may be a mixture{BAD:#}"));
    }
    lines
}

fn named(reason: Option<u32>) -> String {
    match reason.map(|number| (number, reason_name(number))) {
        Some((_, Some(name))) => name.to_owned(),
        Some((number, None)) => format!("reason {}", number.cast_signed()),
        None => "others".to_owned(),
    }
}

fn indented(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("  {line}")).collect()
}

/// Events a second of the machine's time.
fn a_second(count: u64, ticks: u64, frequency: u64) -> u64 {
    let rate = u128::from(count) * u128::from(frequency) / u128::from(ticks.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Ticks as time of the machine.
fn seconds(ticks: u64, frequency: u64) -> String {
    let hundredths = u128::from(ticks % frequency) * 100 / u128::from(frequency);
    format!("{}.{hundredths:02} s", grouped(ticks / frequency))
}

fn percent(part: u64, all: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(all.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use bulkhead_machine::{GuestEvent, Status};

    use super::*;

    fn told(statistics: &mut Statistics, lines: &[&str]) -> String {
        let mut shown = None;
        for line in lines {
            let Status::Guest { guest, event: GuestEvent::Counts(counts) } = Status::parse(line)
            else {
                panic!("{line}");
            };
            shown = statistics.take(&guest, &counts);
        }
        anstream::adapter::strip_str(&shown.expect("the last line ends it")).to_string()
    }

    #[test]
    fn the_first_table_counts_from_the_start_and_the_second_since_the_first() {
        let mut statistics = Statistics::new(Some(100_000_000));
        let first = told(
            &mut statistics,
            &[
                "guest a counts c1=4b0 c2=4b0 c3=1 c4=100 c5=50 c7=3b9aca0 r10=bb8 r30=7d0",
                "guest a exit number=1199 reason=48 rip=ffff qual=182 gpa=fee00000",
                "guest a counted now=5f5e101 torn=0",
            ],
        );
        let lines: Vec<&str> = first.lines().collect();
        assert!(lines[0].starts_with(
            "a  1.00 s of machine time: guest 37.5 %, VMM 62.5 %, asleep 0.0 %; now in the guest"
        ));
        assert_eq!(lines[2], "  Exits       Count  Share");
        assert_eq!(lines[3], "  CPUID       3,000  250.0 %");
        assert_eq!(lines[4], "  port        2,000  166.6 %");
        assert_eq!(lines[5], "  all         1,200  100.0 %");
        assert!(first.contains("1,199  EPT violation  000000000000ffff  182  at fee00000"));
        let second = told(
            &mut statistics,
            &["guest a counts c1=514 c2=514 c3=1 r10=c1c", "guest a counted now=8f0d181 torn=0"],
        );
        assert!(
            second.contains("  CPUID       3,100  238.4 %          100         200"),
            "{second}"
        );
    }

    #[test]
    fn nothing_is_shown_in_seconds_where_their_ticks_are_not_known() {
        let mut statistics = Statistics::new(None);
        let ask = ["guest a counts c1=4b0 c2=4b0 r10=bb8", "guest a counted now=f4240 torn=0"];
        let first = told(&mut statistics, &ask);
        assert!(first.contains(" ticks of machine time"), "{first}");
        let second = told(&mut statistics, &ask);
        assert!(second.contains("Since asked") && !second.contains("A second"), "{second}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn lies_are_shown_without_failing() {
        let mut statistics = Statistics::new(Some(1));
        let all: String = (1..=17).map(|n| format!(" c{n}=ffffffffffffffff")).collect();
        let line = format!("guest a counts{all} r10=ffffffffffffffff");
        for _ in 0..2 {
            told(&mut statistics, &[&line, "guest a counted now=0 torn=1"]);
        }
    }
}
