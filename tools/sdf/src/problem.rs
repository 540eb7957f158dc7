//! What is wrong with a description: which rule, where, and the cure.

use std::{error::Error, fmt};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode,
};

use crate::{
    rule::{Rule, Weight},
    source::{Source, Span},
};

/// One breach of one rule.
#[derive(Clone, Debug)]
pub struct Problem {
    source: Source,
    rule: Rule,
    message: String,
    at: Span,
    others: Vec<(Span, String)>,
    cure: Option<String>,
}

impl Problem {
    pub(crate) fn new(source: &Source, rule: Rule, at: Span, message: impl Into<String>) -> Self {
        Problem {
            source: source.clone(),
            rule,
            message: message.into(),
            at,
            others: Vec::new(),
            cure: None,
        }
    }

    /// Points at another place that is part of the problem.
    pub(crate) fn also(mut self, at: &Span, text: impl Into<String>) -> Self {
        self.others.push((at.clone(), text.into()));
        self
    }

    /// Says how to cure it.
    pub(crate) fn cure(mut self, text: impl Into<String>) -> Self {
        self.cure = Some(text.into());
        self
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Where.
    pub fn span(&self) -> &Span {
        &self.at
    }

    /// `file:line:column: message`, for tools that read lines.
    pub fn line(&self) -> String {
        let (line, column) = self.source.position(self.at.start);
        format!("{}:{line}:{column}: {}", self.source.name(), self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.has_excerpts() {
            f.write_str(&self.message)
        } else {
            f.write_str(&self.line())
        }
    }
}

impl Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.rule.code()))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.rule.weight() {
            Weight::Error => Severity::Error,
            Weight::Warning => Severity::Warning,
            Weight::Note => Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.cure.as_ref().map(|c| Box::new(c) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.has_excerpts().then(|| self.source.code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here =
            LabeledSpan::new_primary_with_span(Some(self.rule.statement().into()), self.at.clone());
        let others = self
            .others
            .iter()
            .map(|(at, text)| LabeledSpan::new_with_span(Some(text.clone()), at.clone()));
        Some(Box::new(std::iter::once(here).chain(others)))
    }
}

/// Most problems that are shown: nobody reads more at once.
const SHOWN: usize = 100;

/// Everything that was found wrong with a description, in the order of its
/// text. Holds at least one error, and the warnings beside it; of very many
/// the first hundred.
#[derive(Clone, Debug)]
pub struct Problems {
    shown: Vec<Problem>,
    errors: usize,
}

impl Problems {
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        let errors = problems.iter().filter(|p| p.rule.weight() == Weight::Error).count();
        problems.truncate(SHOWN);
        Problems { shown: problems, errors }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.shown.iter()
    }
}

pub(crate) fn sort(problems: &mut [Problem]) {
    // All of one file come together: they are mostly of one.
    problems.sort_by(|a, b| {
        let key = |p: &Problem| (p.at.start, p.rule);
        a.source.name().cmp(b.source.name()).then(key(a).cmp(&key(b)))
    });
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.shown.first().map_or("the description", |p| p.source.name());
        match self.errors {
            1 => write!(f, "{name} breaks a rule"),
            n => write!(f, "{name} breaks rules in {n} places"),
        }
    }
}

impl Error for Problems {}

impl Diagnostic for Problems {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.shown.iter().map(|p| p as &dyn Diagnostic)))
    }
}

/// Renders problems as plain text of a width: no colour, no terminal needed.
/// With colour, hand each to `miette` as the diagnostic that it is.
pub fn render<'a>(problems: impl IntoIterator<Item = &'a Problem>, width: usize) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(width);
    let mut out = String::new();
    for problem in problems {
        // Writing to a string cannot fail; a span that is not in the text
        // could, and then the one-line form still says it all.
        let mut text = String::new();
        match handler.render_report(&mut text, problem) {
            Ok(()) => out += &text,
            Err(fmt::Error) => out += &problem.line(),
        }
        out.push('\n');
    }
    out
}
