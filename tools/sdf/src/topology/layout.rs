//! Where everything goes, in whole units of the picture.

/// A protection domain to place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// Small print under the name.
    pub(super) lines: Vec<String>,
    /// Name and small print of its guest.
    pub(super) guest: Option<(String, String)>,
    /// One line each.
    pub(super) devices: Vec<String>,
    /// Row, from the top.
    pub(super) rank: usize,
}

/// Information that may flow between two nodes.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) label: String,
    /// `a` may signal `b`.
    pub(super) forth: bool,
    /// `b` may signal `a`.
    pub(super) back: bool,
}

/// A rectangle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Area {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

impl Area {
    pub(super) fn centre(&self) -> i64 {
        self.x + self.width / 2
    }

    pub(super) fn bottom(&self) -> i64 {
        self.y + self.height
    }
}

/// A node in its place.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) node: Node,
    pub(super) domain: Area,
    pub(super) guest: Option<Area>,
    pub(super) devices: Option<Area>,
}

/// A link in its place: from the lower edge of a box down to the upper edge of
/// another, or sideways between boxes of a row.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) link: Link,
    /// Begins at the upper or left box.
    pub(super) from: (i64, i64),
    pub(super) to: (i64, i64),
    /// Where the curve ends and the straight part to `to` begins, which bears
    /// the label.
    pub(super) bend: i64,
    pub(super) sideways: bool,
    /// Whether `from` is at `b`.
    pub(super) reversed: bool,
    /// Middle of the label.
    pub(super) label_at: (i64, i64),
}

/// The whole picture.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    pub(super) paths: Vec<Path>,
    pub(super) width: i64,
    pub(super) height: i64,
    /// Upper edge of the kernel's bar.
    pub(super) floor: i64,
}

/// Margin around the picture.
pub(super) const MARGIN: i64 = 24;
/// Height of a line of small print, and of a name.
pub(super) const LINE: i64 = 17;
pub(super) const NAME: i64 = 22;
/// Between text and border of a box.
pub(super) const PADDING: i64 = 10;
/// Between boxes of a row.
const GAP: i64 = 56;
/// Between a domain and its guest or devices.
const STEM: i64 = 14;
/// Between rows, without labels.
const ROW_GAP: i64 = 62;
/// Height of a label with the room around it.
pub(super) const LABEL: i64 = 24;
/// The kernel's bar, and what is below it.
pub(super) const FLOOR: i64 = 34;
const LEGEND: i64 = 30;

/// Width of text, guessed: at 13 units a letter takes about 7.
pub(super) fn text_width(text: &str, size: i64) -> i64 {
    let letters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX / 64).min(200);
    letters * size * 56 / 100
}

/// Places everything.
pub(super) fn layout(nodes: Vec<Node>, links: Vec<Link>) -> Layout {
    let mut placed: Vec<Placed> = nodes.into_iter().map(sized).collect();
    let rows = placed.iter().map(|p| p.node.rank + 1).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); rows];
    for (i, p) in placed.iter().enumerate() {
        order[p.node.rank].push(i);
    }
    place_rows(&mut placed, &mut order, &links);
    let width = frame(&mut placed);
    let floor = stack(&mut placed, &order, &links);
    let paths = route(&placed, links);
    Layout { placed, paths, width, height: floor + FLOOR + LEGEND + MARGIN, floor }
}

/// A node's boxes with their sizes, at the origin.
fn sized(node: Node) -> Placed {
    let widest = |lines: &[String], size| {
        lines.iter().map(|l| text_width(l, size)).max().unwrap_or(0) + 2 * PADDING
    };
    let lines = |n: usize| i64::try_from(n).unwrap_or(0) * LINE;
    let width = text_width(&node.name, 15).max(120) + 2 * PADDING;
    let domain = Area {
        width: width.max(widest(&node.lines, 12)),
        height: NAME + lines(node.lines.len()) + 2 * PADDING,
        ..Area::default()
    };
    let guest = node.guest.as_ref().map(|(name, text)| Area {
        width: (text_width(name, 15) + 2 * PADDING)
            .max(text_width(text, 12) + 2 * PADDING)
            .max(120),
        height: NAME + LINE + 2 * PADDING,
        ..Area::default()
    });
    let devices = (!node.devices.is_empty()).then(|| Area {
        width: widest(&node.devices, 12),
        height: lines(node.devices.len()) + 2 * PADDING,
        ..Area::default()
    });
    Placed { node, domain, guest, devices }
}

/// Room that a node's boxes take sideways.
fn room(p: &Placed) -> i64 {
    [Some(p.domain), p.guest, p.devices].iter().flatten().map(|a| a.width).max().unwrap_or(0)
}

/// Puts each row under what it is linked with in the row above, in order of
/// that, and gives every domain the centre of its boxes.
fn place_rows(placed: &mut [Placed], order: &mut [Vec<usize>], links: &[Link]) {
    let mut centres: Vec<Option<i64>> = vec![None; placed.len()];
    for row in order.iter_mut() {
        let wish = |i: usize| {
            let linked: Vec<i64> = links
                .iter()
                .filter_map(|l| match i {
                    _ if l.a == i => centres[l.b],
                    _ if l.b == i => centres[l.a],
                    _ => None,
                })
                .collect();
            let count = i64::try_from(linked.len()).unwrap_or(1);
            (!linked.is_empty()).then(|| linked.iter().sum::<i64>() / count)
        };
        let wishes: Vec<(usize, i64)> = row.iter().map(|&i| (i, wish(i).unwrap_or(0))).collect();
        let mut sorted = wishes.clone();
        sorted.sort_by_key(|&(i, w)| (w, i));
        *row = sorted.iter().map(|&(i, _)| i).collect();
        // Left to right as close to the wish as the neighbour allows; then the
        // whole row back by what it was pushed on average.
        let mut edge = i64::MIN / 4;
        let mut pushed = 0;
        let mut at = Vec::new();
        for &(i, w) in &sorted {
            let half = room(&placed[i]) / 2;
            let x = w.max(edge + half);
            pushed += x - w;
            edge = x + half + GAP;
            at.push((i, x));
        }
        let back = pushed / i64::try_from(at.len()).unwrap_or(1).max(1);
        for (i, x) in at {
            centres[i] = Some(x - back);
        }
    }
    for (p, centre) in placed.iter_mut().zip(centres) {
        let centre = centre.unwrap_or(0);
        p.domain.x = centre - p.domain.width / 2;
        for area in [&mut p.guest, &mut p.devices].into_iter().flatten() {
            area.x = centre - area.width / 2;
        }
    }
}

/// Moves everything right of the margin; returns the width.
fn frame(placed: &mut [Placed]) -> i64 {
    let areas = |p: &Placed| [Some(p.domain), p.guest, p.devices];
    let left = placed.iter().flat_map(areas).flatten().map(|a| a.x).min().unwrap_or(0);
    let right = placed.iter().flat_map(areas).flatten().map(|a| a.x + a.width).max().unwrap_or(0);
    // Wide enough for the legend, with the boxes in the middle.
    let width = (right - left + 2 * MARGIN).max(640);
    let shift = (width - (right - left)) / 2 - left;
    for p in placed {
        p.domain.x += shift;
        for area in [&mut p.guest, &mut p.devices].into_iter().flatten() {
            area.x += shift;
        }
    }
    width
}

/// Puts rows below each other; returns where the kernel's bar begins.
fn stack(placed: &mut [Placed], order: &[Vec<usize>], links: &[Link]) -> i64 {
    let mut y = MARGIN;
    for (rank, row) in order.iter().enumerate() {
        // Room above for the labels of the links that end in this row.
        if rank > 0 {
            let ends = |i: usize| {
                links
                    .iter()
                    .filter(|l| {
                        let other = if l.a == i { l.b } else { l.a };
                        (l.a == i || l.b == i) && placed[other].node.rank < rank
                    })
                    .count()
            };
            let most = row.iter().map(|&i| ends(i)).max().unwrap_or(0);
            y += ROW_GAP + LABEL * i64::try_from(most).unwrap_or(0);
        }
        let guests = row.iter().filter_map(|&i| placed[i].guest).map(|g| g.height + STEM).max();
        let top = y + guests.unwrap_or(0);
        for &i in row {
            let p = &mut placed[i];
            if let Some(guest) = &mut p.guest {
                guest.y = top - STEM - guest.height;
            }
            p.domain.y = top;
            let mut bottom = p.domain.bottom();
            if let Some(devices) = &mut p.devices {
                devices.y = bottom + STEM;
                bottom = devices.bottom();
            }
            y = y.max(bottom);
        }
    }
    y + 28
}

/// Gives each link its own place on both boxes.
fn route(placed: &[Placed], links: Vec<Link>) -> Vec<Path> {
    let rank = |i: usize| placed[i].node.rank;
    let centre = |i: usize| placed[i].domain.centre();
    // For each box and side, its links in order of where they lead.
    let port = |own: usize, other: usize, links: &[Link]| {
        let mut others: Vec<usize> = links
            .iter()
            .filter_map(|l| match own {
                _ if l.a == own => Some(l.b),
                _ if l.b == own => Some(l.a),
                _ => None,
            })
            .filter(|&o| (rank(o) < rank(own)) == (rank(other) < rank(own)) && rank(o) != rank(own))
            .collect();
        others.sort_by_key(|&o| (centre(o), o));
        let position = others.iter().position(|&o| o == other).unwrap_or(0);
        let number = i64::try_from(position).unwrap_or(0);
        let count = i64::try_from(others.len()).unwrap_or(1).max(1);
        let area = placed[own].domain;
        (area.x + area.width * (2 * number + 1) / (2 * count), number, count)
    };
    let all = links.clone();
    links
        .into_iter()
        .map(|link| {
            let (a, b) = (link.a, link.b);
            let sideways = rank(a) == rank(b);
            let reversed = if sideways { centre(b) < centre(a) } else { rank(b) < rank(a) };
            let (upper, lower) = if reversed { (b, a) } else { (a, b) };
            let (up, down) = (placed[upper].domain, placed[lower].domain);
            if sideways {
                let y = up.y + up.height / 2;
                let from = (up.x + up.width, y);
                let to = (down.x, y);
                let label_at = (i64::midpoint(from.0, to.0), y - LABEL);
                let bend = y - LABEL;
                return Path { link, from, to, bend, sideways, reversed, label_at };
            }
            let (x_up, _, _) = port(upper, lower, &all);
            let (x_down, number, count) = port(lower, upper, &all);
            let from = (x_up, up.bottom());
            let to = (x_down, down.y);
            // Labels of one box one above the other, each on its own line.
            let label_at = (x_down, to.1 - 26 - LABEL * number);
            let bend = to.1 - 14 - LABEL * count;
            Path { link, from, to, bend, sideways, reversed, label_at }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, rank: usize) -> Node {
        Node {
            name: name.into(),
            lines: vec!["priority 1".into()],
            guest: (rank == 0).then(|| ("g".into(), "guest".into())),
            devices: vec!["ports".into()],
            rank,
        }
    }

    fn link(a: usize, b: usize) -> Link {
        Link { a, b, label: "1 region".into(), forth: true, back: false }
    }

    fn overlap(a: &Area, b: &Area) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.bottom() && b.y < a.bottom()
    }

    #[test]
    fn no_two_boxes_overlap_and_all_lie_inside() {
        let names = ["a", "a_long_name_of_a_domain", "b", "c", "d", "e", "f"];
        let nodes = names.iter().enumerate().map(|(i, n)| node(n, i.div_ceil(2) % 3)).collect();
        let links = vec![link(0, 1), link(0, 2), link(1, 3), link(5, 2), link(6, 1)];
        let l = layout(nodes, links);
        let areas: Vec<Area> =
            l.placed.iter().flat_map(|p| [Some(p.domain), p.guest, p.devices]).flatten().collect();
        for (i, a) in areas.iter().enumerate() {
            assert!(a.x >= MARGIN && a.x + a.width <= l.width - MARGIN, "{a:?}");
            assert!(a.y >= MARGIN && a.bottom() <= l.floor, "{a:?}");
            for b in &areas[i + 1..] {
                assert!(!overlap(a, b), "{a:?} {b:?}");
            }
        }
    }
}
