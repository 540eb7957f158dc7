//! What goes to the terminal besides the guests' own bytes: colours, messages,
//! and tables whose columns line up. While guests run, all of it goes to
//! standard error, so that standard output is theirs alone.

use std::{
    io::{self, Write},
    ops::RangeInclusive,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use rustix::termios::tcgetwinsize;

use crate::exit;

/// Everything went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// It did not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub const CAUTION: Style = AnsiColor::Yellow.on_default().bold();
/// Names of things.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// Less important than the rest.
pub const FAINT: Style = Style::new().dimmed();
/// Headings.
pub const HEADING: Style = Style::new().bold();

/// Prints a line that a command was asked for on standard output. Who closes it
/// early (`| head`) has seen enough.
pub fn say(line: &str) {
    let mut stdout = anstream::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(i32::from(exit::CLOSED));
    }
}

/// Prints a message on standard error. Whoever closed that (a terminal that is
/// gone, say) does not want to know.
pub fn tell(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Narrowest and widest that errors are laid out for.
const WIDTHS: RangeInclusive<usize> = 40..=100;

/// Has errors laid out for the terminal; elsewhere (a log, a pipe) each of their
/// paragraphs stays one line, so that it can be searched for.
pub fn lay_out_reports() {
    let width = tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
    let hook: miette::ErrorHook = Box::new(move |_| {
        let options = miette::MietteHandlerOpts::new();
        Box::new(match width.filter(|width| *width > 0) {
            // Names of files are not broken: they are for copying.
            Some(width) => options
                .width(width.clamp(*WIDTHS.start(), *WIDTHS.end()))
                .break_words(false)
                .build(),
            None => options.wrap_lines(false).build(),
        })
    });
    // Fails only if there is one already, and this is called once.
    let _ = miette::set_hook(hook);
}

/// A cell of a table: text and how it looks.
pub struct Cell {
    text: String,
    style: Style,
}

/// A cell in a style.
pub fn cell(text: impl Into<String>, style: Style) -> Cell {
    Cell { text: text.into(), style }
}

/// Lays out rows in columns of equal width; the last column is not padded.
pub fn table(rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let lengths = rows.iter().filter_map(|row| row.get(column));
            lengths.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (index, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let style = cell.style;
                line += &format!("{style}{}{style:#}", cell.text);
                if index + 1 < row.len() {
                    let padding = width - cell.text.chars().count() + 2;
                    line.extend(std::iter::repeat_n(' ', padding));
                }
            }
            line
        })
        .collect()
}

/// A duration as a person reads it.
pub fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 10 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// An amount of memory or a size of a file as a person reads it.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            return if bytes.is_multiple_of(unit) {
                format!("{} {name}", bytes / unit)
            } else {
                format!("{:.1} {name}", bytes as f64 / unit as f64)
            };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_style() {
        let plain = Style::new();
        let rows = [
            vec![cell("a", plain), cell("long name", GOOD), cell("x", plain)],
            vec![cell("abc", BAD), cell("b", plain), cell("y", plain)],
        ];
        let lines: Vec<String> = table(&rows)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(lines, ["a    long name  x", "abc  b          y"]);
    }

    #[test]
    fn sizes_are_exact_where_they_can_be() {
        assert_eq!(size(512 << 20), "512 MiB");
        assert_eq!(size((3 << 29) + 1), "1.5 GiB");
        assert_eq!(size(7), "7 B");
    }
}
