//! The picture as text. Colours are given for a light page and, where the
//! viewer says so, for a dark one; the picture has a ground of its own, so it
//! is legible even where the viewer does not.

use std::fmt::{Result, Write};

use super::layout::{Area, FLOOR, LINE, Layout, MARGIN, NAME, PADDING, Path, Placed, text_width};

const STYLE: &str = "
  .ground { fill: #ffffff; stroke: #d0d7de }
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #424a53; text-anchor: middle }
  .name { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .label { font-size: 11px }
  .box { stroke-width: 1.5; stroke: #656d76; fill: #f6f8fa }
  .vmm { fill: #ddf4ff; stroke: #0969da }
  .guest { fill: #dafbe1; stroke: #1a7f37 }
  .device { fill: #fff8c5; stroke: #9a6700 }
  .kernel { fill: #eaeef2; stroke: #656d76 }
  .line { fill: none; stroke: #656d76; stroke-width: 1.5 }
  .tip { fill: #656d76 }
  .tag { fill: #ffffff; stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d }
    text { fill: #b1bac4 }
    .name { fill: #f0f6fc }
    .box { stroke: #8b949e; fill: #161b22 }
    .vmm { fill: #0c2d6b; stroke: #58a6ff }
    .guest { fill: #033a16; stroke: #3fb950 }
    .device { fill: #341a00; stroke: #d29922 }
    .kernel { fill: #21262d; stroke: #8b949e }
    .line { stroke: #8b949e }
    .tip { fill: #8b949e }
    .tag { fill: #0d1117; stroke: #30363d }
  }
";

const LEGEND: &str =
    "line: memory that one side writes and the other reads \u{b7} arrow: may notify or call";

/// The picture.
pub(super) fn svg(layout: &Layout, title: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = picture(&mut out, layout, title);
    out
}

fn picture(out: &mut String, l: &Layout, title: &str) -> Result {
    let (w, h) = (l.width, l.height);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\">"
    )?;
    writeln!(out, "<title>{}</title>", escaped(title))?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(
        out,
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto-start-reverse\"><path class=\"tip\" d=\"M0 0 8 4 0 8z\"/></marker></defs>"
    )?;
    writeln!(
        out,
        "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
        w - 1,
        h - 1
    )?;
    for p in &l.paths {
        line(out, p)?;
    }
    for p in &l.placed {
        boxes(out, p)?;
    }
    for p in &l.paths {
        label(out, p)?;
    }
    let bar = Area { x: MARGIN, y: l.floor, width: w - 2 * MARGIN, height: FLOOR };
    rect(out, "box kernel", &bar, 4)?;
    writeln!(
        out,
        "<text class=\"name\" x=\"{}\" y=\"{}\">seL4</text>",
        bar.centre(),
        l.floor + FLOOR / 2 + 5
    )?;
    let y = l.floor + FLOOR + 24;
    writeln!(out, "<text class=\"label\" x=\"{}\" y=\"{y}\">{LEGEND}</text>", bar.centre())?;
    writeln!(out, "</svg>")
}

fn boxes(out: &mut String, p: &Placed) -> Result {
    let stem = |out: &mut String, from: &Area, to: &Area| {
        let x = from.centre();
        writeln!(out, "<path class=\"line\" d=\"M{x} {}V{}\"/>", from.bottom(), to.y)
    };
    if let (Some(area), Some((name, text))) = (&p.guest, &p.node.guest) {
        stem(out, area, &p.domain)?;
        rect(out, "box guest", area, 12)?;
        words(out, area, name, std::slice::from_ref(text))?;
    }
    if let Some(area) = &p.devices {
        stem(out, &p.domain, area)?;
        rect(out, "box device", area, 2)?;
        let mut y = area.y + PADDING + LINE - 5;
        for text in &p.node.devices {
            writeln!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", area.centre(), escaped(text))?;
            y += LINE;
        }
    }
    let class = if p.node.guest.is_some() { "box vmm" } else { "box" };
    rect(out, class, &p.domain, 6)?;
    words(out, &p.domain, &p.node.name, &p.node.lines)
}

fn words(out: &mut String, area: &Area, name: &str, lines: &[String]) -> Result {
    let x = area.centre();
    let mut y = area.y + PADDING + NAME - 6;
    writeln!(out, "<text class=\"name\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(name))?;
    for text in lines {
        y += LINE;
        writeln!(out, "<text x=\"{x}\" y=\"{y}\">{}</text>", escaped(text))?;
    }
    Ok(())
}

fn rect(out: &mut String, class: &str, a: &Area, radius: i64) -> Result {
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{radius}\"/>",
        a.x, a.y, a.width, a.height
    )
}

fn line(out: &mut String, p: &Path) -> Result {
    let ((x1, y1), (x2, y2)) = (p.from, p.to);
    let (to_end, to_start) =
        if p.reversed { (p.link.back, p.link.forth) } else { (p.link.forth, p.link.back) };
    let mut marks = String::new();
    if to_start {
        marks += " marker-start=\"url(#tip)\"";
    }
    if to_end {
        marks += " marker-end=\"url(#tip)\"";
    }
    let bend = p.bend;
    if p.sideways {
        let (x3, x4) = (x1 + 20, x2 - 20);
        return writeln!(
            out,
            "<path class=\"line\" d=\"M{x1} {y1}C{x3} {bend} {x4} {bend} {x2} {y2}\"{marks}/>"
        );
    }
    let middle = i64::midpoint(y1, bend);
    writeln!(
        out,
        "<path class=\"line\" d=\"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {bend}V{y2}\"{marks}/>"
    )
}

fn label(out: &mut String, p: &Path) -> Result {
    let (x, y) = p.label_at;
    let width = text_width(&p.link.label, 11) + 12;
    let area = Area { x: x - width / 2, y: y - 9, width, height: 18 };
    rect(out, "tag", &area, 9)?;
    let text = escaped(&p.link.label);
    writeln!(out, "<text class=\"label\" x=\"{x}\" y=\"{}\">{text}</text>", y + 4)
}

/// Text as XML wants it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
