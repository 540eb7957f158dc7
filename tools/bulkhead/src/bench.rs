//! `bench`: measures, and shows what came of it.

use anstyle::Style;
use bulkhead_bench::{Change, Comparison, Figure, Report, Request, Unit, Verdict};
use bulkhead_build::Workspace;
use miette::{Result, WrapErr};

use crate::{
    cli::BenchArgs,
    setup,
    steps::Steps,
    ui::{self, BAD, CAUTION, Cell, FAINT, GOOD, HEADING, NAME, cell},
};

const PLAIN: Style = Style::new();

/// Measures; returns the exit status.
pub fn bench(args: &BenchArgs, steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    // Before anything long begins.
    let old = args.compare.as_deref().map(bulkhead_bench::read).transpose()?;
    setup::system(&workspace, steps, args.no_install)?;
    let filter = args.filter.as_deref();
    let report = bulkhead_bench::run(&Request { workspace: &workspace, filter, progress: steps })?;
    if let Some(path) = &args.json {
        bulkhead_bench::write(path, &report.figures).wrap_err("the figures are not kept")?;
    }
    show(&report);
    if let Some(old) = old {
        let left_out = |name: &str| filter.is_some_and(|filter| !name.contains(filter));
        show_comparison(&bulkhead_bench::compare(&old, &report.figures, left_out));
    }
    Ok(0)
}

fn show(report: &Report) {
    let heading = ["what", "measured", "budget", "floor", "unit", "least", "most", ""];
    let mut rows = vec![heading.map(|text| Column::of(text, HEADING)).into_iter().collect()];
    rows.extend(report.figures.iter().map(row));
    ui::say("");
    for line in aligned(rows) {
        ui::say(&line);
    }
    ui::say(&format!(
        "\n{FAINT}A tick is an emulated instruction. Of samples the median is shown; floors were \
         measured by this run.{FAINT:#}"
    ));
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
    ui::say("");
    for line in aligned(rows) {
        ui::say(&line);
    }
    let [worse, better, same] =
        [Verdict::Worse, Verdict::Better, Verdict::Same].map(|verdict| comparison.count(verdict));
    let style = if worse > 0 { BAD } else { GOOD };
    ui::say(&format!("\n{style}{worse} worse{style:#}, {better} better, {same} the same"));
}

fn change(change: &Change) -> Vec<Column> {
    let show = |value: f64| change.unit.unwrap_or(Unit::Ticks).show(value);
    let (style, word) = match change.verdict {
        Verdict::Same => (FAINT, "the same"),
        Verdict::Better => (GOOD, "better"),
        Verdict::Worse => (BAD, "worse"),
        Verdict::New => (CAUTION, "not measured then"),
        Verdict::Gone => (CAUTION, "not measured now"),
        Verdict::Incomparable => (CAUTION, "another unit or board"),
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
