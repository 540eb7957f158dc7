//! `bench`: measures, and shows what came of it.

use anstyle::Style;
use bulkhead_bench::{
    Change, Comparison, Counted, Figure, Phase, Place, Report, Request, Unit, Verdict,
};
use bulkhead_build::{Platform, Workspace};
use bulkhead_host::{check_replaceable, replace};
use bulkhead_machine::Runner;
use bulkhead_sdk::{BOARD, VARIABLE};
use miette::{Result, WrapErr};

use crate::{
    cli::BenchArgs,
    platform, setup,
    steps::Steps,
    ui::{self, BAD, CAUTION, Cell, FAINT, GOOD, HEADING, NAME, cell},
};

const PLAIN: Style = Style::new();

/// Measures; returns the exit status.
pub fn bench(args: &BenchArgs, steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    let platform = platform::chosen(&args.board, &args.profile)?;
    // Before anything long begins.
    let old = args.compare.as_deref().map(bulkhead_bench::read).transpose()?;
    for path in [&args.json, &args.svg].into_iter().flatten() {
        check_replaceable(path)?;
    }
    setup::system(&workspace, &[Runner::default()], steps, args.no_install)?;
    let filter = args.filter.as_deref();
    let request = Request { workspace: &workspace, platform: &platform, filter, progress: steps };
    let report = bulkhead_bench::run(&request)?;
    if let Some(path) = &args.json {
        bulkhead_bench::write(path, &report.figures, &report.place, report.linux.as_deref())
            .wrap_err("the figures are not kept")?;
    }
    if let Some(path) = &args.svg {
        replace(path, bulkhead_bench::svg(&report).as_bytes())?;
    }
    show(&report);
    if args.board.board.is_none() && matches!(platform, Platform::Bochs(_)) {
        ui::say(&format!(
            "{CAUTION}the board {BOARD} was not measured{CAUTION:#}: it needs a Microkit SDK \
             (--sdk DIR or {VARIABLE})"
        ));
    }
    if let Some(old) = old {
        let left_out = |name: &str| filter.is_some_and(|filter| !name.contains(filter));
        let linux = report.linux.as_deref();
        let Report { figures, place, .. } = &report;
        show_comparison(&bulkhead_bench::compare(&old, figures, place, linux, left_out));
    }
    Ok(0)
}

fn show(report: &Report) {
    show_figures(report);
    show_split(report);
    show_reasons(report);
    show_memory(report);
    let linux = report.linux.as_deref().map_or(String::new(), |linux| {
        format!(" Linux {linux}, 256 MiB, command line `console=ttyS0 quiet`.")
    });
    let Place { board, configuration, kernel, .. } = &report.place;
    ui::say(&format!(
        "\n{FAINT}Board {}, configuration {configuration} ({kernel}), in Bochs \
         (corei7_skylake_x, 100 M instructions a second, 1,024 MiB): a tick is an emulated \
         instruction.{linux}\nOf samples the median is shown; floors were measured by this run. \
         A budget that is not reached is shown in red.{FAINT:#}",
        board.name()
    ));
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Boot => "to the first process",
        Phase::Idle => "idle, 4 s",
        Phase::Sleeps => "100 sleeps",
        Phase::Busy => "busy, 1 s",
    }
}

/// Where the ticks of each phase went.
fn show_split(report: &Report) {
    if report.phases.is_empty() {
        return;
    }
    let heading = ["ticks", "all", "guest", "", "kernel", "", "VMM", "", "asleep", ""];
    let mut rows = vec![heading.map(|text| Column::of(text, HEADING)).into_iter().collect()];
    for (phase, counted) in &report.phases {
        let split = counted.split(report.kernel_exit);
        let mut row = vec![
            Column::of(phase_words(*phase), NAME),
            Column::number(Some(Unit::Ticks.show(counted.ticks as f64)), PLAIN),
        ];
        for part in [Some(split.guest), split.kernel, Some(split.vmm), Some(split.asleep)] {
            let show = |ticks: u64| Unit::Ticks.show(ticks as f64);
            let percent =
                |ticks: u64| format!("{:.1} %", ticks as f64 / counted.ticks.max(1) as f64 * 100.0);
            row.push(Column::number(part.map(show), PLAIN));
            row.push(Column::number(part.map(percent), FAINT));
        }
        rows.push(row);
    }
    print(rows);
    ui::say(&format!(
        "{FAINT}kernel: each exit at what it costs at least; what is beyond counts as the \
         guest's, and so do other domains{FAINT:#}"
    ));
}

/// Exits of each phase by reason, the most frequent of the boot first.
fn show_reasons(report: &Report) {
    if report.phases.is_empty() {
        return;
    }
    let mut reasons: Vec<u32> = Vec::new();
    for (reason, _) in report.phases.iter().flat_map(|(_, counted)| &counted.exits) {
        if !reasons.contains(reason) {
            reasons.push(*reason);
        }
    }
    let words = report.phases.iter().map(|(phase, _)| phase_words(*phase));
    let mut rows: Vec<Vec<Column>> =
        vec![std::iter::once("exits").chain(words).map(|text| Column::of(text, HEADING)).collect()];
    let show = |count: u64| Some(Unit::Exits.show(count as f64));
    for reason in reasons {
        let counts = report.phases.iter().map(|(_, counted)| {
            let found = counted.exits.iter().find(|(its, _)| *its == reason);
            Column::number(found.and_then(|(_, count)| show(*count)), PLAIN)
        });
        let name = Column::of(bulkhead_bench::reason(reason), NAME);
        rows.push(std::iter::once(name).chain(counts).collect());
    }
    type Count = fn(&Counted) -> u64;
    for (words, count) in [
        ("all", Counted::all_exits as Count),
        ("timer interrupts", |counted| counted.interrupts),
        ("kernel calls of the VMM besides", |counted| counted.calls),
    ] {
        let counts = report.phases.iter().map(|(_, c)| Column::number(show(count(c)), HEADING));
        rows.push(std::iter::once(Column::of(words, HEADING)).chain(counts).collect());
    }
    print(rows);
}

/// What the VMM's memory is used for.
fn show_memory(report: &Report) {
    let Some(memory) = &report.memory else { return };
    let mut rows: Vec<Vec<Column>> =
        vec![["VMM's memory", "bytes"].map(|text| Column::of(text, HEADING)).into_iter().collect()];
    for (what, bytes) in &memory.parts {
        let bytes = Unit::Bytes.show(*bytes as f64);
        rows.push(vec![Column::of(*what, NAME), Column::number(Some(bytes), PLAIN)]);
    }
    print(rows);
}

fn print(rows: Vec<Vec<Column>>) {
    ui::say("");
    for line in aligned(rows) {
        ui::say(&line);
    }
}

/// The column of libvmm's figures.
const LIBVMM: usize = 4;

fn show_figures(report: &Report) {
    let heading = ["what", "measured", "budget", "floor", "libvmm", "unit", "least", "most", ""];
    let mut rows: Vec<Vec<Column>> =
        vec![heading.map(|text| Column::of(text, HEADING)).into_iter().collect()];
    rows.extend(report.figures.iter().map(row));
    // It stands only on the kernel that it was measured on.
    if report.figures.iter().all(|figure| figure.spec.libvmm.is_none()) {
        for row in &mut rows {
            row.remove(LIBVMM);
        }
    }
    print(rows);
}

/// A cell of a table, right-aligned if it is a number.
struct Column {
    text: String,
    style: Style,
    number: bool,
}

impl Column {
    fn of(text: impl Into<String>, style: Style) -> Self {
        Column { text: text.into(), style, number: false }
    }

    fn number(value: Option<String>, style: Style) -> Self {
        Column { text: value.unwrap_or_else(|| "-".into()), style, number: true }
    }
}

/// Pads numbers on the left, headings as the column below them.
fn aligned(rows: Vec<Vec<Column>>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let shape: Vec<(bool, usize)> = (0..columns)
        .map(|n| {
            let column = || rows.iter().filter_map(|row| row.get(n));
            let width = column().map(|c| c.text.chars().count()).max().unwrap_or(0);
            (column().any(|c| c.number), width)
        })
        .collect();
    let rows: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|row| {
            let cells = row.into_iter().zip(&shape).map(|(column, &(number, width))| {
                let text = if number { format!("{:>width$}", column.text) } else { column.text };
                cell(text, column.style)
            });
            cells.collect()
        })
        .collect();
    ui::table(&rows)
}

fn row(figure: &Figure) -> Vec<Column> {
    let unit = figure.spec.unit;
    let style = match figure.within(0.0) {
        Some(true) => GOOD,
        Some(false) => BAD,
        None => PLAIN,
    };
    let show = |value: f64| unit.show(value);
    let verdict = match figure.spec.budget {
        Some(budget) if figure.value > budget => {
            format!("{:.0} % over", (figure.value / budget - 1.0) * 100.0)
        }
        Some(_) | None => String::new(),
    };
    let samples = figure.samples.as_ref();
    vec![
        Column::of(figure.spec.what, NAME),
        Column::number(Some(show(figure.value)), style),
        Column::number(figure.spec.budget.map(show), PLAIN),
        Column::number(figure.floor.map(show), PLAIN),
        Column::number(figure.spec.libvmm.map(show), PLAIN),
        Column::of(unit.name(), FAINT),
        Column::number(samples.map(|s| show(s.min().into())), FAINT),
        Column::number(samples.map(|s| show(s.max().into())), FAINT),
        Column::of(verdict, CAUTION),
    ]
}

fn show_comparison(comparison: &Comparison) {
    let heading = ["figure", "then", "now", "change", ""];
    let mut rows = vec![heading.map(|text| Column::of(text, HEADING)).into_iter().collect()];
    rows.extend(comparison.changes.iter().map(change));
    print(rows);
    let [worse, better, same] =
        [Verdict::Worse, Verdict::Better, Verdict::Same].map(|verdict| comparison.count(verdict));
    let style = if worse > 0 { BAD } else { GOOD };
    ui::say(&format!("\n{style}{worse} worse{style:#}, {better} better, {same} the same"));
    for place in &comparison.elsewhere {
        ui::say(&format!("{CAUTION}left alone{CAUTION:#}: figures of {place}"));
    }
    if let Some(other) = &comparison.other_linux {
        ui::say(&format!(
            "{CAUTION}Linux {other} ran then{CAUTION:#}: what is different may be its doing"
        ));
    }
}

fn change(change: &Change) -> Vec<Column> {
    let show = |value: f64| change.unit.unwrap_or(Unit::Ticks).show(value);
    let (style, word) = match change.verdict {
        Verdict::Same => (FAINT, "the same"),
        Verdict::Better => (GOOD, "better"),
        Verdict::Worse => (BAD, "worse"),
        Verdict::New => (CAUTION, "not measured then"),
        Verdict::Gone => (CAUTION, "not measured now"),
        Verdict::Incomparable => (CAUTION, "another unit"),
    };
    let part = change.part().filter(|part| *part != 0.0);
    vec![
        Column::of(&change.name, NAME),
        Column::number(change.old.map(show), PLAIN),
        Column::number(change.new.map(show), PLAIN),
        Column::number(part.map(|part| format!("{:+.1} %", part * 100.0)), style),
        Column::of(word, style),
    ]
}
