//! From text to elements: every element and attribute of the Microkit's
//! format, each held to the rules that concern it alone. Rules about several
//! elements are in [`check`](crate::check).
//!
//! Names are collected before anything is read, so that a reference resolves
//! wherever its target stands, and a broken target does not make its
//! references errors too.

mod capability;
mod channel;
mod domain;
mod element;
mod interrupt;
mod io_space;
mod map;
mod memory;
mod schedule;

pub(crate) use element::nearest;
pub(crate) use io_space::IO_TOP;

use std::collections::{HashMap, HashSet};

use roxmltree::{Document, Node, TextPos};
use system_spec::{PdIndex, RegionIndex};

use self::{element::Element, schedule::SchedulingDomains};
use crate::{
    board::Board,
    check::{self, Draft},
    files::Files,
    model::{System, pd_index, region_index},
    problem::{Problem, Problems, sort},
    rule::{Rule, Weight},
    source::{Source, Span},
};

/// Largest description, in bytes: fifty times the largest that anybody wrote.
const TEXT_MAX: usize = 1 << 20;

/// Most protection domains: the Microkit's MAX_PDS.
const PDS_MAX: usize = 63;

/// A description that holds to every rule, and what was noted on the way.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The description.
    pub system: System,
    /// Breaches that matter less, in the order of the text.
    pub warnings: Vec<Problem>,
    /// What its board does not act on and others do, each kind told once, where
    /// it comes first. Who only builds need not be shown it again and again.
    pub notes: Vec<Problem>,
}

/// Reads a description and holds it to every rule of the Microkit and of its
/// board.
///
/// # Errors
/// Everything that is wrong with it, as far as one look can find it.
pub fn parse(source: &Source, board: &Board, files: &dyn Files) -> Result<Parsed, Problems> {
    let mut context = Context {
        source,
        board,
        files,
        problems: Vec::new(),
        regions: HashMap::new(),
        domains: HashMap::new(),
        noted: HashSet::new(),
    };
    let system = context.document();
    let failed = context.problems.iter().any(|p| p.rule().weight() == Weight::Error);
    match system {
        Some(system) if !failed => {
            let mut warnings = context.problems;
            sort(&mut warnings);
            let is_note = |p: &Problem| p.rule().weight() == Weight::Note;
            let (notes, warnings) = warnings.into_iter().partition(is_note);
            Ok(Parsed { system, warnings, notes })
        }
        _ => {
            // Of a broken description nobody can say what is unused.
            context
                .problems
                .retain(|p| p.rule() != Rule::UnusedRegion && p.rule().weight() != Weight::Note);
            Err(Problems::new(context.problems))
        }
    }
}

/// What reading needs at hand.
struct Context<'a> {
    source: &'a Source,
    board: &'a Board,
    files: &'a dyn Files,
    problems: Vec<Problem>,
    /// Declared regions, by name; the first of a name counts.
    regions: HashMap<String, RegionIndex>,
    /// Declared protection domains, likewise.
    domains: HashMap<String, PdIndex>,
    /// Which notes were made.
    noted: HashSet<String>,
}

const SYSTEM_CHILDREN: &[&str] =
    &["protection_domain", "memory_region", "channel", "domains", "io_address_space"];

impl Context<'_> {
    fn problem(&self, rule: Rule, at: Span, message: impl Into<String>) -> Problem {
        Problem::new(self.source, rule, at, message)
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn document(&mut self) -> Option<System> {
        let text = self.source.text();
        if text.len() > TEXT_MAX {
            let message = format!("the file has {} bytes", text.len());
            self.report(self.problem(Rule::DocumentSize, 0..0, message));
            return None;
        }
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(why) => {
                let at = offset(text, why.pos());
                // The parser names the place in its text too; the excerpt
                // below shows it, and it reads as clutter.
                let why = why.to_string();
                let why = why.rsplit_once(" at ").map_or(&*why, |(what, _)| what);
                self.report(self.problem(Rule::WellFormed, at..at, why));
                return None;
            }
        };
        let root = document.root_element();
        let system = Element::new(root);
        if system.name() != "system" {
            let message = format!("the outermost element is `{}`", system.name());
            self.report(self.problem(Rule::RootElement, system.span(), message));
            return None;
        }
        for a in system.attributes() {
            let message = format!("`{}` on `system` means nothing", a.name());
            self.report(self.problem(Rule::SystemAttribute, a.range_qname(), message));
        }
        self.text(root);
        self.collect_names(system);
        Some(self.system(system))
    }

    /// Reports text, which the format has no place for.
    fn text(&mut self, root: Node<'_, '_>) {
        for n in root.descendants().filter(Node::is_text) {
            let text = n.text().unwrap_or_default();
            let trimmed = text.trim();
            if !trimmed.is_empty() {
                let parent = n.parent_element().map_or("system", |p| p.tag_name().name());
                let start = n.range().start + (text.len() - text.trim_start().len());
                let end = (start + trimmed.len()).min(n.range().end);
                let p = self
                    .problem(Rule::StrayText, start.min(end)..end, format!("text in `{parent}`"))
                    .cure("put it into a comment: <!-- ... -->");
                self.report(p);
            }
        }
    }

    /// Numbers regions in the order of the text, and protection domains a
    /// parent before its children. Of two with one name the first is meant.
    fn collect_names(&mut self, system: Element<'_>) {
        let regions = system.children().filter(|e| e.name() == "memory_region");
        for (i, e) in regions.enumerate() {
            if let Some(name) = e.attribute("name") {
                self.regions.entry(name.value.into()).or_insert(region_index(i));
            }
        }
        let mut count = 0;
        for e in system.children().filter(|e| e.name() == "protection_domain") {
            self.collect_domain_names(e, 0, &mut count);
        }
    }

    fn collect_domain_names(&mut self, e: Element<'_>, depth: usize, count: &mut usize) {
        if depth >= PDS_MAX {
            return;
        }
        if let Some(name) = e.attribute("name") {
            self.domains.entry(name.value.into()).or_insert(pd_index(*count));
        }
        *count += 1;
        for child in e.children().filter(|c| c.name() == "protection_domain") {
            self.collect_domain_names(child, depth + 1, count);
        }
    }

    fn system(&mut self, system: Element<'_>) -> System {
        let mut draft = Draft::default();
        let mut scheduling: Option<SchedulingDomains> = None;
        let mut channels = Vec::new();
        for e in system.children() {
            match e.name() {
                "protection_domain" => {
                    self.protection_domain(e, None, scheduling.as_ref(), &mut draft.domains);
                }
                "memory_region" => {
                    let region = self.memory_region(e);
                    draft.regions.push(region);
                }
                "channel" => channels.push(e),
                "io_address_space" => draft.io_spaces.extend(self.io_space(e)),
                "domains" => {
                    if !self.repeated(e, scheduling.as_ref().map(|s| &s.schedule.span)) {
                        scheduling = Some(self.scheduling_domains(e));
                    }
                }
                "virtual_machine" => {
                    let p = self
                        .problem(Rule::VmPlace, e.span(), "a `virtual_machine` in `system`")
                        .cure("move it into the `protection_domain` of its VMM");
                    self.report(p);
                }
                _ => self.unknown_element(system, e, SYSTEM_CHILDREN),
            }
        }
        // Last, because an end may set a variable of any domain.
        for e in channels {
            let channel = self.channel(e, &mut draft.domains);
            draft.channels.extend(channel);
        }
        if self.counts(system, &draft) {
            check::whole(&mut draft, self.source, self.board, &mut self.problems);
        }
        System {
            source: self.source.clone(),
            board: self.board.clone(),
            note: system.page_inside(),
            domains: draft.domains.into_iter().map(|d| d.domain).collect(),
            regions: draft.regions,
            channels: draft.channels,
            io_spaces: draft.io_spaces,
            schedule: scheduling.map(|s| s.schedule),
        }
    }
}

impl Context<'_> {
    /// Whether there are not so many of something that the rules about all of
    /// them make no sense.
    fn counts(&mut self, system: Element<'_>, draft: &Draft) -> bool {
        let (domains, most) = (&draft.domains, self.board.domains_max.min(PDS_MAX));
        if domains.is_empty() || domains.len() > most {
            let at = domains.get(most).map_or(system.span(), |d| d.domain.span.clone());
            let message = format!("{} protection domains", domains.len());
            let p = self
                .problem(Rule::PdCount, at, message)
                .cure(format!("board {} has room for 1 to {most}", self.board.name));
            self.report(p);
        }
        let most = self.board.regions_max;
        let extra = draft.regions.get(most);
        if let Some(r) = extra {
            let message = format!("{} memory regions", draft.regions.len());
            let p = self
                .problem(Rule::RegionCount, r.span.clone(), message)
                .cure(format!("board {} has room for {most}", self.board.name));
            self.report(p);
        }
        domains.len() <= PDS_MAX && extra.is_none()
    }
}

/// Where in the text the parser's line and column are.
fn offset(text: &str, at: TextPos) -> usize {
    let line = (at.row as usize).saturating_sub(1);
    let column = (at.col as usize).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i)
}
