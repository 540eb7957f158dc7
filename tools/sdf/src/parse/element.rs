//! An element with its attributes, read with a place for every word.
//!
//! Each reading method reports what is wrong and gives `None`; the caller goes
//! on, so that one look at a description finds all that is wrong with it.

use roxmltree::{Attribute, Node};

use super::Context;
use crate::{
    rule::Rule,
    source::{At, Span},
};

/// An element of the description.
#[derive(Clone, Copy)]
pub(super) struct Element<'a>(Node<'a, 'a>);

impl<'a> Element<'a> {
    pub(super) fn new(node: Node<'a, 'a>) -> Self {
        Element(node)
    }

    pub(super) fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    /// Its name in its opening tag.
    pub(super) fn span(self) -> Span {
        let start = self.0.range().start;
        let text = &self.0.document().input_text()[start..];
        let name = text.trim_start_matches('<');
        let length = name
            .find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
            .unwrap_or(name.len());
        let begin = start + (text.len() - name.len());
        begin..begin + length
    }

    pub(super) fn children(self) -> impl Iterator<Item = Element<'a>> {
        self.0.children().filter(Node::is_element).map(Element)
    }

    /// The text of the comment above it. One comment holds for several
    /// elements of a kind that follow each other without a blank line.
    pub(super) fn comment_before(self) -> Option<String> {
        let mut parts = Vec::new();
        // Bounded, so that a hostile description costs no time squared.
        for n in self.0.prev_siblings().skip(1).take(256) {
            if n.is_comment() {
                parts.push(n.text().unwrap_or_default());
            } else if n.is_element() {
                let same = n.tag_name() == self.0.tag_name();
                if !parts.is_empty() || !same {
                    break;
                }
            } else if n.text().is_some_and(|t| t.matches('\n').count() > 1) {
                break;
            }
        }
        parts.reverse();
        joined(parts)
    }

    /// The text of the comment that opens it.
    pub(super) fn comment_inside(self) -> Option<String> {
        joined(self.opening_comment().into_iter().collect())
    }

    /// The same, with its lines as they stand, less their common indentation.
    pub(super) fn page_inside(self) -> Option<String> {
        let text = self.opening_comment()?;
        let lines = || text.lines().map(str::trim_end);
        let indent = |l: &str| l.len() - l.trim_start().len();
        let least = lines().filter(|l| !l.is_empty()).map(indent).min()?;
        let cut: Vec<&str> = lines().map(|l| l.get(least..).unwrap_or_default()).collect();
        Some(cut.join("\n").trim().to_owned())
    }

    fn opening_comment(self) -> Option<&'a str> {
        self.0.children().find(|n| !n.is_text()).filter(Node::is_comment)?.text()
    }

    pub(super) fn attribute(self, name: &str) -> Option<At<&'a str>> {
        self.0.attribute_node(name).map(|a| At::new(a.value(), a.range_value()))
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = Attribute<'a, 'a>> {
        self.0.attributes()
    }
}

/// Joins comments into one text without line breaks.
fn joined(parts: Vec<&str>) -> Option<String> {
    let words: Vec<&str> = parts.iter().flat_map(|p| p.split_whitespace()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

impl Context<'_> {
    /// Reports attributes other than these.
    pub(super) fn allow(&mut self, e: Element<'_>, names: &[&str]) {
        for a in e.attributes().filter(|a| !names.contains(&a.name())) {
            let message = format!("unknown attribute `{}` on `{}`", a.name(), e.name());
            let cure = match nearest(a.name(), names) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => format!("`{}` has no attributes", e.name()),
                None => format!("`{}` has: {}", e.name(), names.join(", ")),
            };
            let p = self.problem(Rule::UnknownAttribute, a.range_qname(), message).cure(cure);
            self.report(p);
        }
    }

    /// Reports every element inside one that has none.
    pub(super) fn no_children(&mut self, e: Element<'_>) {
        for child in e.children() {
            self.unknown_element(e, child, &[]);
        }
    }

    /// Reports an element that does not belong where it stands.
    pub(super) fn unknown_element(&mut self, parent: Element<'_>, e: Element<'_>, names: &[&str]) {
        let message = format!("unknown element `{}` in `{}`", e.name(), parent.name());
        let cure = match nearest(e.name(), names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("nothing stands inside `{}`", parent.name()),
            None => format!("`{}` may hold: {}", parent.name(), names.join(", ")),
        };
        let p = self.problem(Rule::UnknownElement, e.span(), message).cure(cure);
        self.report(p);
    }

    /// Reports a second element where one may stand; says whether it is one.
    pub(super) fn repeated(&mut self, e: Element<'_>, first: Option<&Span>) -> bool {
        let Some(first) = first else { return false };
        let p = self
            .problem(Rule::RepeatedElement, e.span(), format!("a second `{}`", e.name()))
            .also(first, "the first is here")
            .cure("remove one of them");
        self.report(p);
        true
    }

    /// A word that must be there.
    pub(super) fn required<'a>(&mut self, e: Element<'a>, name: &str) -> Option<At<&'a str>> {
        let found = e.attribute(name);
        if found.is_none() {
            let message = format!("`{}` without `{name}`", e.name());
            let p = self
                .problem(Rule::MissingAttribute, e.span(), message)
                .cure(format!("write {name}=\"...\""));
            self.report(p);
        }
        found
    }

    /// Reads a number, decimal or hexadecimal.
    pub(super) fn number(&mut self, name: &str, word: At<&str>) -> Option<At<u64>> {
        let digits: String = word.value.chars().filter(|&c| c != '_').collect();
        let parsed = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        match parsed {
            Ok(value) => Some(At::new(value, word.span)),
            Err(why) => {
                let message = format!("`{name}` is not a number: {why}");
                let p = self.problem(Rule::Number, word.span, message);
                self.report(p);
                None
            }
        }
    }

    /// An optional number; `default` if it is absent, nothing if it is wrong.
    pub(super) fn number_or(&mut self, e: Element<'_>, name: &str, default: u64) -> Option<u64> {
        match e.attribute(name) {
            Some(word) => self.number(name, word).map(|n| n.value),
            None => Some(default),
        }
    }

    pub(super) fn required_number(&mut self, e: Element<'_>, name: &str) -> Option<At<u64>> {
        let word = self.required(e, name)?;
        self.number(name, word)
    }

    /// Reads a number that the Microkit takes in decimal only, sign and all.
    pub(super) fn plain_number(&mut self, name: &str, word: At<&str>) -> Option<At<i64>> {
        match word.value.parse() {
            Ok(value) => Some(At::new(value, word.span)),
            Err(why) => {
                let message = format!("`{name}` is not a plain decimal number: {why}");
                let decimal = word.value.strip_prefix("0x").map(|h| u64::from_str_radix(h, 16));
                let mut p = self.problem(Rule::PlainNumber, word.span, message);
                if let Some(Ok(value)) = decimal {
                    p = p.cure(format!("write {value}"));
                }
                self.report(p);
                None
            }
        }
    }

    /// Reads a plain number that must be `0..=most`.
    pub(super) fn small_number(
        &mut self,
        e: Element<'_>,
        name: &str,
        most: u8,
        rule: Rule,
    ) -> Option<At<u8>> {
        let word = self.required(e, name)?;
        let number = self.plain_number(name, word)?;
        match u8::try_from(number.value) {
            Ok(value) if value <= most => Some(At::new(value, number.span)),
            _ => {
                let message = format!("`{name}` of `{}` is {}", e.name(), number.value);
                let p = self.problem(rule, number.span, message);
                self.report(p);
                None
            }
        }
    }

    /// Reads `true` or `false`; `default` if it is absent or wrong.
    pub(super) fn boolean(&mut self, e: Element<'_>, name: &str, default: bool) -> bool {
        let Some(word) = e.attribute(name) else { return default };
        match word.value {
            "true" => true,
            "false" => false,
            other => {
                let message = format!("`{name}` is `{other}`");
                let p = self
                    .problem(Rule::Boolean, word.span, message)
                    .cure(format!("write {name}=\"true\" or {name}=\"false\""));
                self.report(p);
                default
            }
        }
    }
}

/// The word most like this one, if one is like enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    // Distances cost the product of the lengths: leave monsters alone.
    if word.len() > 64 {
        return None;
    }
    words
        .iter()
        .map(|w| (distance(word, w), *w))
        .filter(|(d, w)| *d <= 1 + w.len() / 4)
        .min_by_key(|(d, _)| *d)
        .map(|(_, w)| w)
}

/// Number of letters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_the_one_that_was_meant() {
        let words = ["vaddr", "perms", "setvar_vaddr"];
        assert_eq!(nearest("vadr", &words), Some("vaddr"));
        assert_eq!(nearest("setvar_vadr", &words), Some("setvar_vaddr"));
        assert_eq!(nearest("colour", &words), None);
    }

    #[test]
    fn distance_counts_single_letter_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
