//! The guests of `guest-images/hostile` attack their VMMs while another one keeps
//! time, on the system `systems/hostile.system`. Each attack must end as the
//! table in that folder's README says, with the reason that it says; the other
//! guest misses no beat, its lines stay whole, and no protection domain faults.
//!
//! One test for each few of them, all at once: a boot costs more than most
//! attacks do, and attackers that take turns are worse for who keeps time.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, time::Duration};

use bulkhead_machine::{Answers, GuestEvent, Outcome, Status};
use libtest_mimic::{Arguments, Failed, Trial};
use regex::Regex;
use system_tests::{Session, System, checkout, hostile_guests};

const LIMIT: Duration = Duration::from_secs(600);

/// The guest that keeps time.
const BEAT: &str = "beat";

/// Guests that are stopped when they reset or triple-fault.
const STOPPED: [&str; 5] = ["h1", "h2", "h3", "h4", "h5"];

/// The guest that is started again until its limit.
const AGAIN: &str = "again";

/// Ticks of a millisecond of the emulated machine.
const MILLISECOND: u64 = 100_000;

/// How long a guest that turns interrupts off keeps the processor at most, where
/// the emulator does not exit for them (`LongestRun`, vmm-core).
const LONGEST_RUN: u64 = 10 * MILLISECOND;

/// A turn of one of several of the same priority (`TIME_SLICE`, tools/kernel).
const TURN: u64 = 2 * MILLISECOND;

/// Work that goes before any guest's: `timer`, `serial_virt`, `serial_driver`,
/// the kernel's own, and the beating guest's VMM.
const SERVERS: u64 = 2 * MILLISECOND;

/// Others whose deadlines passed during one run with interrupts off, so that all are
/// woken at its end and the last to be woken goes first: in these runs two at most.
const WOKEN_TOGETHER: u64 = 2;

/// Exits by an exception of a guest whose exceptions do not end, at least.
const ENDLESS: u64 = 1000;

/// A row of the table: who, with which command line, and how it ends.
#[derive(Clone)]
struct Attack {
    name: String,
    image: PathBuf,
    argument: String,
    end: End,
    /// Between two beats meanwhile, in milliseconds.
    period: u64,
}

/// How an attack ends.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The guest stops, with this result and a reason that contains this.
    Stop(Outcome, String),
    /// It goes on: exceptions without end.
    Endless,
}

impl End {
    fn is(&self, outcome: Outcome) -> bool {
        matches!(self, End::Stop(its, _) if *its == outcome)
    }

    /// Whether the guest must not be one that is started again.
    fn resets(&self) -> bool {
        self.is(Outcome::TRIPLE_FAULT) || self.is(Outcome::RESET)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let images: BTreeMap<String, PathBuf> = hostile_guests().into_iter().collect();
    let heartbeat = images.get("heartbeat").expect("there is a guest that keeps time").clone();
    let ends = images.get("ends").expect("there is a guest that ends itself").clone();
    let table = Table { heartbeat, ends, attacks: attacks(&images) };
    let mut trials = Vec::new();
    let (mut again, mut once): (Vec<Attack>, Vec<Attack>) =
        table.attacks.iter().cloned().partition(|attack| attack.end.is(Outcome::RESTART_LIMIT));
    while !once.is_empty() {
        let rest = once.split_off(STOPPED.len().min(once.len()));
        let mut together = std::mem::replace(&mut once, rest);
        let other = || Some(once.remove(once.iter().position(|attack| !attack.end.resets())?));
        together.extend(again.pop().or_else(other));
        trials.push(trial(&table, together));
    }
    trials.extend(again.into_iter().map(|attack| trial(&table, vec![attack])));
    let unlisted = images.keys().filter(|name| {
        *name != "heartbeat" && table.attacks.iter().all(|attack| attack.name != **name)
    });
    for name in unlisted.cloned() {
        trials.push(Trial::test(name, || {
            Err("the table in guest-images/hostile/README.md has no row for it".into())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test of what is named in it.
fn trial(table: &Table, attacks: Vec<Attack>) -> Trial {
    let name = |attack: &Attack| format!("{} {}", attack.name, attack.argument).trim().to_owned();
    let names = attacks.iter().map(name).collect::<Vec<_>>();
    let table = table.clone();
    Trial::test(names.join(", "), move || run(&table, &attacks))
}

#[derive(Clone)]
struct Table {
    heartbeat: PathBuf,
    ends: PathBuf,
    attacks: Vec<Attack>,
}

/// The rows ``| `GUEST ARGUMENT` | what it does | RESULT | `REASON` | PERIOD |``;
/// `-` instead of a result if it goes on.
fn attacks(images: &BTreeMap<String, PathBuf>) -> Vec<Attack> {
    let readme = checkout("guest-images/hostile/README.md");
    let readme = fs::read_to_string(&readme).expect("the folder of hostile guests has a README");
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| attack(row, images).unwrap_or_else(|| panic!("no attack: {row}"))).collect()
}

fn attack(row: &str, images: &BTreeMap<String, PathBuf>) -> Option<Attack> {
    let cells: Vec<&str> = row.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [who, _, outcome, reason, period, ""] = cells.as_slice() else { return None };
    let who = who.strip_prefix('`')?.strip_suffix('`')?;
    let (name, argument) = who.split_once(' ').unwrap_or((who, ""));
    let end = match *outcome {
        "-" => End::Endless,
        _ => End::Stop(Outcome(outcome.parse().ok()?), reason.trim_matches('`').to_owned()),
    };
    Some(Attack {
        name: name.to_owned(),
        image: images.get(name)?.clone(),
        argument: argument.to_owned(),
        end,
        period: period.parse().ok()?,
    })
}

fn run(table: &Table, attacks: &[Attack]) -> Result<(), Failed> {
    // Who has nothing to do runs a guest that ends at once.
    let (mut seats, mut free) = (BTreeMap::new(), STOPPED.iter());
    for attack in attacks {
        let seat = if attack.end.is(Outcome::RESTART_LIMIT) { None } else { free.next() };
        seats.insert(*seat.unwrap_or(&AGAIN), attack);
    }
    let period = attacks.iter().map(|attack| attack.period).max().ok_or("nobody attacks")?;
    let mut system = System::new("systems/hostile.system")
        .with(|guest| guest.kernel = Some(table.ends.clone()))
        .with_guest(BEAT, |guest| {
            guest.kernel = Some(table.heartbeat.clone());
            guest.append = Some((period * MILLISECOND).to_string());
        });
    for (seat, attack) in &seats {
        system = system.with_guest(seat, |guest| {
            guest.kernel = Some(attack.image.clone());
            if !attack.argument.is_empty() {
                guest.append = Some(attack.argument.clone());
            }
        });
    }
    let first = attacks.first().ok_or("nobody attacks")?;
    let mut session = system.start(&format!("hostile-{}-{}", first.name, first.argument));
    session.expect(&format!("{BEAT}\\| .*tick "), LIMIT);
    let mut wrong = Vec::new();
    for (seat, attack) in &seats {
        let End::Stop(expected, because) = &attack.end else { continue };
        let (outcome, reason) = session.expect_stop(seat, LIMIT);
        let Attack { name, argument, .. } = attack;
        if outcome != *expected || !reason.contains(because) {
            wrong.push(format!(
                "{seat}, `{name} {argument}`: result {} ({reason}), not {} ({because}); it reports:\n{}",
                outcome.0,
                expected.0,
                session.report(seat).join("\n")
            ));
        }
    }
    let endless = seats.iter().filter(|(_, attack)| attack.end == End::Endless);
    for (seat, attack) in endless {
        session.expect(&format!("{BEAT}\\| .*tick "), LIMIT);
        if let Err(why) = goes_on(&mut session, seat) {
            wrong.push(format!("{seat}, `{} {}`: {why}", attack.name, attack.argument));
        }
    }
    // Any key ends the one that keeps time.
    session.type_text("q");
    let (outcome, reason) = session.expect_stop(BEAT, LIMIT);
    if outcome != Outcome::POWER_OFF {
        wrong.push(format!("{BEAT}: result {} ({reason})", outcome.0));
    }
    // Status lines and the console have a port each.
    session.expect("(ok|FAIL|skip) heartbeat", LIMIT);
    let text = plain(&session.console_text());
    wrong.extend(faults(&session));
    wrong.extend(mangled(&text));
    // `status` has a VMM's priority too.
    wrong.extend(late(&text, attacks.len() as u64 + 1));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{text}", wrong.join("\n")).into()) }
}

/// A guest that takes exceptions without end, which its VMM sees.
fn goes_on(session: &mut Session, seat: &str) -> Result<(), String> {
    let seen = session.statuses().len();
    session.ask_counts();
    let mut answers = Answers::default();
    let mut found = None;
    let answered = |status: &Status| match status {
        Status::Guest { guest, event: GuestEvent::Counts(line) } if guest == seat => {
            found = answers.take(guest, line);
            found.is_some()
        }
        _ => false,
    };
    session.expect_new_status("that ends the counters", answered, LIMIT);
    let stopped = session.statuses()[..seen].iter().find(|status| {
        matches!(status, Status::Guest { guest, event: GuestEvent::Stopped { .. } } if guest == seat)
    });
    if let Some(stopped) = stopped {
        return Err(format!("it ended: {stopped}"));
    }
    let counters = found.and_then(Result::ok).ok_or("it has no counters")?;
    match counters.snapshot.exits(0) {
        ENDLESS.. => Ok(()),
        few => Err(format!("{few} exits by exceptions")),
    }
}

/// Without the colours of the virtualiser's prefixes.
fn plain(text: &str) -> String {
    let colours = Regex::new("\x1b\\[[0-9;]*m").expect("a valid pattern");
    colours.replace_all(text, "").into_owned()
}

/// Protection domains that faulted.
fn faults(session: &Session) -> Vec<String> {
    let domains = session
        .statuses()
        .iter()
        .filter(|status| !matches!(status, Status::Guest { .. } | Status::Ready));
    domains.map(ToString::to_string).collect()
}

/// Lines of the beating guest that are not as it wrote them, or are missing.
fn mangled(text: &str) -> Vec<String> {
    let whole = Regex::new(r"^tick ([0-9a-f]{8}) steady as ever$").expect("a valid pattern");
    let mut wrong = Vec::new();
    let mut next = 0;
    let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{BEAT}| ")));
    for line in lines.take_while(|line| !line.contains("beats=")) {
        let number = whole.captures(line).and_then(|m| u64::from_str_radix(&m[1], 16).ok());
        if number != Some(next) {
            wrong.push(format!("line {next:#x} of {BEAT} is `{line}`"));
        }
        next += 16;
    }
    wrong
}

/// Beats that were missed, those that came too late beside so many others, or a
/// report that is not there.
fn late(text: &str, others: u64) -> Vec<String> {
    // Who sleeps is next when woken, but for those who are woken with it. Who lost its
    // turn waits for all others.
    let woken_bound = LONGEST_RUN + SERVERS + others.min(WOKEN_TOGETHER) * TURN;
    let bound = LONGEST_RUN + SERVERS + others * TURN;
    let report = Regex::new("beats=(.{8}) missed=(.{8}) late=(.{8}) asleep=(.{8}) gap=(.{8})")
        .expect("a valid pattern");
    let Some(report) = report.captures(text) else {
        return vec![format!("{BEAT} made no report")];
    };
    let number = |n: usize| u64::from_str_radix(&report[n], 16).unwrap_or(u64::MAX);
    let (beats, missed, latest) = (number(1), number(2), number(3));
    let (asleep, gap) = (number(4), number(5));
    let in_ms = |ticks: u64| ticks as f64 / MILLISECOND as f64;
    println!(
        "{beats} beats, {missed} missed, the latest by {:.2} ms (bound {:.2}), {:.2} ms from sleep (bound {:.2}); longest gap {:.2} ms",
        in_ms(latest),
        in_ms(bound),
        in_ms(asleep),
        in_ms(woken_bound),
        in_ms(gap)
    );
    let mut wrong = Vec::new();
    if missed != 0 {
        wrong.push(format!("{BEAT} missed {missed} of {beats} beats"));
    }
    if latest > bound {
        wrong.push(format!("{BEAT} was late by {latest} ticks; the bound is {bound}"));
    }
    if asleep > woken_bound {
        wrong.push(format!("{BEAT} woke {asleep} ticks late; the bound is {woken_bound}"));
    }
    wrong
}
