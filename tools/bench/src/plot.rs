//! The figures as a picture (SVG): what an exit and a request cost against floor and
//! budget, what many requests at once save, where a boot's ticks went, and which exits
//! it took.
//!
//! Colours are given for a light page and, where the viewer says so, for a dark
//! one; the picture has a ground of its own. It is written by hand rather than by a
//! plotting library because of that, and because its bars carry two marks each.

use std::fmt::{Result, Write};

use crate::{Counted, Depth, Figure, Phase, Report, Unit};

const STYLE: &str = "
  .ground { fill: #ffffff; stroke: #d0d7de }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #424a53 }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .small { font-size: 11px }
  .number { text-anchor: end; font-variant-numeric: tabular-nums }
  .kernel { fill: #6e7781 }
  .good { fill: #4ac26b }
  .over { fill: #fb8f44 }
  .free { fill: #54aeff }
  .guest { fill: #4ac26b }
  .sleep { fill: #d8dee4 }
  .budget { stroke: #cf222e; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d }
    text { fill: #b1bac4 }
    .title { fill: #f0f6fc }
    .kernel { fill: #8b949e }
    .good { fill: #238636 }
    .over { fill: #bd561d }
    .free { fill: #1f6feb }
    .guest { fill: #238636 }
    .sleep { fill: #30363d }
    .budget { stroke: #ff7b72 }
  }
";

// In pixels.
const WIDTH: f64 = 860.0;
const MARGIN: f64 = 24.0;
/// Where bars begin, and how long the longest is.
const BARS: f64 = 290.0;
const LENGTH: f64 = 440.0;
/// Where numbers end.
const NUMBERS: f64 = WIDTH - MARGIN;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const TITLE: f64 = 34.0;
const GAP: f64 = 18.0;

/// Ticks above which a figure is no cost of a single event, and not drawn beside
/// those.
const SINGLE: f64 = 100_000.0;

/// Exits by reason: as many as are drawn.
const REASONS: usize = 8;

/// The picture.
pub fn svg(report: &Report) -> String {
    let mut picture = Picture { body: String::new(), y: MARGIN };
    // Writing to a string cannot fail.
    let _ = draw(&mut picture, report);
    let height = picture.y + MARGIN - GAP;
    let body = picture.body;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>What an exit costs</title>\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" \
         height=\"{}\" rx=\"8\"/>\n{body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0
    )
}

/// A picture that grows downwards.
struct Picture {
    body: String,
    y: f64,
}

impl Picture {
    fn title(&mut self, text: &str) -> Result {
        let y = self.y + 14.0;
        writeln!(
            self.body,
            "<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
            plain(text)
        )?;
        self.y += TITLE;
        Ok(())
    }

    /// A row: its words, parts of its bar by class and length, and its number.
    fn row(
        &mut self,
        words: &str,
        parts: &[(&str, f64)],
        mark: Option<f64>,
        number: &str,
    ) -> Result {
        let (top, base) = (self.y + (ROW - BAR) / 2.0, self.y + ROW / 2.0 + 4.0);
        writeln!(self.body, "<text x=\"{MARGIN}\" y=\"{base}\">{}</text>", plain(words))?;
        let mut x = BARS;
        for (class, length) in parts {
            writeln!(
                self.body,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR}\"/>"
            )?;
            x += length;
        }
        if let Some(mark) = mark {
            let (x, top, bottom) = (BARS + mark, top - 3.0, top + BAR + 3.0);
            writeln!(
                self.body,
                "<line class=\"budget\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
            )?;
        }
        writeln!(
            self.body,
            "<text class=\"number\" x=\"{NUMBERS}\" y=\"{base}\">{}</text>",
            plain(number)
        )?;
        self.y += ROW;
        Ok(())
    }

    /// What colours mean.
    fn legend(&mut self, entries: &[(&str, &str)]) -> Result {
        let base = self.y + 14.0;
        let mut x = BARS;
        for (class, words) in entries {
            let top = base - 9.0;
            if *class == "budget" {
                let (middle, bottom) = (x + 5.0, base + 1.0);
                writeln!(
                    self.body,
                    "<line class=\"budget\" x1=\"{middle}\" y1=\"{top}\" x2=\"{middle}\" y2=\"{bottom}\"/>"
                )?;
            } else {
                writeln!(
                    self.body,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"10\" height=\"10\"/>"
                )?;
            }
            writeln!(
                self.body,
                "<text class=\"small\" x=\"{}\" y=\"{base}\">{}</text>",
                x + 15.0,
                plain(words)
            )?;
            // A little more than the width of a letter of 11 pixels.
            x += 32.0 + 6.3 * words.len() as f64;
        }
        self.y += ROW + GAP;
        Ok(())
    }
}

fn draw(picture: &mut Picture, report: &Report) -> Result {
    let costs: Vec<&Figure> =
        report.figures.iter().filter(|f| f.spec.unit == Unit::Ticks && f.value < SINGLE).collect();
    // A request is many exits' worth: on one scale nothing would be seen of those.
    let (requests, exits): (Vec<&Figure>, Vec<&Figure>) =
        costs.into_iter().partition(|f| f.spec.of_a_device());
    if !exits.is_empty() {
        draw_costs(
            picture,
            &format!("What it costs, in ticks (median): {}", report.place),
            &exits,
        )?;
    }
    if !requests.is_empty() {
        draw_costs(
            picture,
            "Requests to a disk of memory and echoes of a host, in ticks",
            &requests,
        )?;
    }
    if !report.depths.is_empty() {
        draw_depths(picture, &report.depths)?;
    }
    let boot = report.phases.iter().find(|(phase, _)| *phase == Phase::Boot);
    if let Some((_, boot)) = boot {
        let native = report.figures.iter().find(|f| f.spec.name == "native_boot_ticks");
        draw_boot(picture, boot, native.map(|f| f.value), report.kernel_exit)?;
        draw_reasons(picture, boot)?;
    }
    Ok(())
}

fn draw_costs(picture: &mut Picture, title: &str, costs: &[&Figure]) -> Result {
    picture.title(title)?;
    let longest = |f: &&Figure| f.value.max(f.spec.budget.unwrap_or(0.0));
    let most = costs.iter().map(longest).fold(1.0, f64::max);
    let scale = |value: f64| value / most * LENGTH;
    for figure in costs {
        let class = match figure.within(0.0) {
            Some(true) => "good",
            Some(false) => "over",
            None => "free",
        };
        let floor = figure.floor.unwrap_or(0.0).min(figure.value);
        let parts = [("kernel", scale(floor)), (class, scale(figure.value - floor))];
        let mark = figure.spec.budget.map(scale);
        picture.row(figure.spec.what, &parts, mark, &figure.spec.unit.show(figure.value))?;
    }
    picture.legend(&[
        ("kernel", "kernel's part, measured"),
        ("good", "within budget"),
        ("over", "over it"),
        ("free", "no budget"),
        ("budget", "budget"),
    ])
}

fn draw_depths(picture: &mut Picture, depths: &[Depth]) -> Result {
    picture.title("A read of 4 KiB, by how many are on their way, in ticks and exits")?;
    let most = depths.iter().map(|depth| depth.ticks).fold(1.0, f64::max);
    for depth in depths {
        let number = format!("{:.0} / {:.2}", depth.ticks, depth.exits);
        let bar = [("free", depth.ticks / most * LENGTH)];
        picture.row(&format!("{} at once", depth.requests), &bar, None, &number)?;
    }
    picture.y += GAP;
    Ok(())
}

fn draw_boot(
    picture: &mut Picture,
    boot: &Counted,
    native: Option<f64>,
    kernel_exit: Option<u64>,
) -> Result {
    picture.title("From Linux's first instruction to its first process, in ticks")?;
    let most = native.unwrap_or(0.0).max(boot.ticks as f64).max(1.0);
    let scale = |value: f64| value / most * LENGTH;
    if let Some(native) = native {
        picture.row(
            "without seL4",
            &[("guest", scale(native))],
            None,
            &Unit::Ticks.show(native),
        )?;
    }
    let split = boot.split(kernel_exit);
    let parts = [
        ("guest", scale(split.guest as f64)),
        ("kernel", scale(split.kernel.unwrap_or(0) as f64)),
        ("free", scale(split.vmm as f64)),
        ("sleep", scale(split.asleep as f64)),
    ];
    picture.row("as a guest", &parts, None, &Unit::Ticks.show(boot.ticks as f64))?;
    picture.legend(&[
        ("guest", "Linux"),
        ("kernel", "kernel, entering and leaving"),
        ("free", "VMM"),
        ("sleep", "asleep"),
    ])
}

fn draw_reasons(picture: &mut Picture, boot: &Counted) -> Result {
    picture.title("Exits until then, by reason")?;
    let most = boot.exits.first().map_or(1, |(_, count)| *count).max(1);
    let scale = |count: u64| count as f64 / most as f64 * LENGTH;
    for (reason, count) in boot.exits.iter().take(REASONS) {
        let number = Unit::Exits.show(*count as f64);
        picture.row(&crate::reason(*reason), &[("free", scale(*count))], None, &number)?;
    }
    let rest: u64 = boot.exits.iter().skip(REASONS).map(|(_, count)| count).sum();
    if rest > 0 {
        let number = Unit::Exits.show(rest as f64);
        picture.row("others", &[("free", scale(rest))], None, &number)?;
    }
    picture.y += GAP;
    Ok(())
}

/// Text for XML.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, Place, figure::CATALOGUE};

    fn report(values: &[(&str, f64)], boot: Option<Counted>) -> Report {
        let figures = values.iter().map(|(name, value)| {
            let spec = *CATALOGUE.iter().find(|spec| spec.name == *name).unwrap();
            Figure { spec, value: *value, floor: Some(700.0), samples: None }
        });
        Report {
            place: Place {
                board: Board::Bochs,
                configuration: "release".into(),
                kernel: "seL4".into(),
                machine: "bochs",
            },
            figures: figures.collect(),
            linux: None,
            phases: boot.map(|boot| (Phase::Boot, boot)).into_iter().collect(),
            kernel_exit: Some(616),
            memory: None,
            depths: vec![
                Depth { requests: 1, ticks: 30_000.0, exits: 1.2, notifications: 1.0 },
                Depth { requests: 32, ticks: 15_000.0, exits: 0.1, notifications: 0.03 },
            ],
        }
    }

    #[test]
    fn a_picture_is_well_formed_and_in_proportion() {
        let boot = Counted {
            ticks: 1000,
            vmm: 100,
            asleep: 50,
            calls: 3,
            interrupts: 1,
            exits: vec![(10, 4), (30, 1)],
        };
        let values = [("cpuid_exit", 1400.0), ("mmio_read_exit", 2800.0)];
        let svg = svg(&report(&values, Some(boot)));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        // 1,400 of 2,800: half of the longest, of which half is the floor.
        assert!(svg.contains("class=\"good\" x=\"400.0\""), "{svg}");
        assert!(svg.contains("class=\"over\""));
        // Half the ticks, half the bar.
        assert!(svg.contains("width=\"440.0\"") && svg.contains("width=\"220.0\""), "{svg}");
        assert!(svg.contains("15000 / 0.10"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        let svg = svg(&Report { depths: Vec::new(), ..report(&[], None) });
        assert!(!svg.contains("<text") && !svg.contains("NaN"));
    }
}
