//! Rules about several elements at once: what must differ, what may not
//! overlap, what a board keeps for itself.

mod maps;
mod memory;
mod names;
mod wiring;

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    board::Board,
    model::{Channel, IoSpace, MemoryRegion, ProtectionDomain, System},
    problem::Problem,
    rule::Rule,
    source::{Source, Span},
};

/// A protection domain as read.
#[derive(Clone, Debug)]
pub(crate) struct DraftDomain {
    /// What was read; wrong attributes have their defaults.
    pub(crate) domain: ProtectionDomain,
    /// Whether its attributes were right, so that others can be held against them.
    pub(crate) sound: bool,
}

/// A description as read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) domains: Vec<DraftDomain>,
    pub(crate) regions: Vec<MemoryRegion>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) io_spaces: Vec<IoSpace>,
}

/// Where checks report to.
struct Report<'a> {
    source: &'a Source,
    board: &'a Board,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn add(
        &mut self,
        rule: Rule,
        at: &Span,
        message: String,
        with: impl FnOnce(Problem) -> Problem,
    ) {
        self.problems.push(with(Problem::new(self.source, rule, at.clone(), message)));
    }

    /// Reports each value that an earlier element of the list has as well.
    fn unique<T: Ord + Clone>(
        &mut self,
        rule: Rule,
        values: impl Iterator<Item = (T, Span)>,
        message: impl Fn(&T) -> String,
    ) {
        for (value, at, first) in repeated(values) {
            self.add(rule, &at, message(&value), |p| p.also(&first, "the first is here"));
        }
    }

    /// The same for numbers, of which the lowest free one is offered.
    fn unique_number(
        &mut self,
        rule: Rule,
        values: impl Iterator<Item = (u8, Span)>,
        message: impl Fn(u8) -> String,
    ) {
        let values: Vec<_> = values.collect();
        let free = (0..=u8::MAX).find(|n| values.iter().all(|(v, _)| v != n));
        for (value, at, first) in repeated(values.into_iter()) {
            self.add(rule, &at, message(value), |p| {
                let p = p.also(&first, "the first is here");
                match free {
                    Some(free) => p.cure(format!("the lowest free number is {free}")),
                    None => p,
                }
            });
        }
    }
}

/// Each value that came before, with its place and that of the first.
fn repeated<T: Ord + Clone>(values: impl Iterator<Item = (T, Span)>) -> Vec<(T, Span, Span)> {
    let mut first: BTreeMap<T, Span> = BTreeMap::new();
    let mut found = Vec::new();
    for (value, at) in values {
        match first.entry(value) {
            Entry::Vacant(v) => {
                v.insert(at);
            }
            Entry::Occupied(o) => found.push((o.key().clone(), at, o.get().clone())),
        }
    }
    found
}

/// Something that takes a range of an address space.
struct Taken<'a> {
    start: u64,
    /// One past its last; not below `start`.
    end: u64,
    name: &'a str,
    span: &'a Span,
}

/// Each range that overlaps an earlier one of the same space, with one such.
fn overlaps<'r, 'a>(ranges: &'r mut [Taken<'a>]) -> Vec<(&'r Taken<'a>, &'r Taken<'a>)> {
    ranges.sort_by_key(|t| (t.start, t.span.start));
    let mut found = Vec::new();
    // Of the ranges so far the one that reaches furthest: if a range overlaps
    // any of them, it overlaps this one.
    let mut furthest: Option<&Taken<'a>> = None;
    for t in ranges.iter() {
        match furthest {
            Some(f) if t.start < f.end && t.start < t.end => {
                let (later, earlier) = if t.span.start > f.span.start { (t, f) } else { (f, t) };
                found.push((later, earlier));
            }
            _ => {}
        }
        if furthest.is_none_or(|f| t.end > f.end) {
            furthest = Some(t);
        }
    }
    found
}

/// Checks everything, and settles the page sizes that were left open.
pub(crate) fn whole(
    draft: &mut Draft,
    source: &Source,
    board: &Board,
    problems: &mut Vec<Problem>,
) {
    let mut report = Report { source, board, problems };
    names::check(draft, &mut report);
    wiring::check(draft, &mut report);
    maps::check(draft, &mut report);
    memory::settle_page_sizes(draft, board);
    memory::check(draft, &mut report);
}

/// Holds a system whose programs take this many bytes to its machine's memory.
pub(crate) fn memory_budget(system: &System, programs: u64, problems: &mut Vec<Problem>) {
    let mut report = Report { source: &system.source, board: &system.board, problems };
    memory::budget(&system.regions, system.domains.iter(), programs, &mut report);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_found_with_a_range_that_is_not_the_neighbour() {
        let spans: Vec<Span> = vec![0..1, 1..2, 2..3];
        let taken = |start, end, i: usize| Taken { start, end, name: "", span: &spans[i] };
        let mut ranges = [taken(0, 100, 0), taken(10, 20, 1), taken(50, 60, 2)];
        let found: Vec<_> =
            overlaps(&mut ranges).iter().map(|(l, e)| (l.span.start, e.span.start)).collect();
        assert_eq!(found, [(1, 0), (2, 0)]);
        let mut apart = [taken(0, 10, 0), taken(10, 20, 1), taken(20, 30, 2)];
        assert!(overlaps(&mut apart).is_empty());
    }
}
