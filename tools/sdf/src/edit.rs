//! Deriving a description from another: what `--kernel`, `--initrd` and
//! `--memory` do.
//!
//! An edit replaces the text of single attributes and leaves every other
//! character alone, so comments survive. The result is text: parse it again,
//! because no edit checks a rule.

use std::{error::Error, fmt};

use crate::{
    model::{MemoryRegion, Prefill, System},
    source::Span,
};

/// Why an edit is not possible.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EditError {
    /// No region has this name.
    NoRegion {
        /// The name.
        region: String,
        /// The description's.
        description: String,
    },
    /// The region is filled from boot information, not from a file.
    FilledOtherwise(String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::NoRegion { region, description } => {
                write!(f, "{description} has no memory region `{region}` that could be changed")
            }
            EditError::FilledOtherwise(region) => {
                write!(f, "memory region `{region}` is filled from boot information, not a file")
            }
        }
    }
}

impl Error for EditError {}

/// Changes to a description that are not applied yet.
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    system: &'a System,
    /// What replaces which range; an empty range inserts.
    changes: Vec<(Span, String)>,
}

impl<'a> Edits<'a> {
    /// No changes.
    pub fn new(system: &'a System) -> Self {
        Edits { system, changes: Vec::new() }
    }

    /// Fills a region from another file.
    ///
    /// # Errors
    /// No such region, or it is filled from boot information.
    pub fn set_prefill(&mut self, region: &str, path: &str) -> Result<&mut Self, EditError> {
        let r = self.region(region)?;
        let at = match &r.prefill {
            Some(Prefill::File { path, .. }) => Some(path.span.clone()),
            Some(Prefill::Bootinfo(_)) => return Err(EditError::FilledOtherwise(region.into())),
            None => None,
        };
        self.set(r, "prefill_path", at, path);
        Ok(self)
    }

    /// Gives a region another size, in bytes.
    ///
    /// # Errors
    /// No such region.
    pub fn set_region_size(&mut self, region: &str, bytes: u64) -> Result<&mut Self, EditError> {
        let r = self.region(region)?;
        self.set(r, "size", r.size_span.clone(), &format!("{bytes:#x}"));
        Ok(self)
    }

    /// The description with the changes. Of several changes to one attribute
    /// the last counts.
    pub fn apply(&self) -> String {
        let text = self.system.source.text();
        let mut changes: Vec<&(Span, String)> = Vec::new();
        for change in &self.changes {
            // Two insertions at one place are two attributes; keep both.
            changes.retain(|(at, _)| at.is_empty() || *at != change.0);
            changes.push(change);
        }
        changes.sort_by_key(|(at, _)| at.start);
        let mut out = String::with_capacity(text.len() + 64);
        let mut done = 0;
        for (at, new) in changes {
            out += &text[done..at.start];
            out += new;
            done = at.end;
        }
        out + &text[done..]
    }

    fn region(&self, name: &str) -> Result<&'a MemoryRegion, EditError> {
        self.system.regions.iter().find(|r| r.name.value == name).ok_or_else(|| {
            EditError::NoRegion {
                region: name.into(),
                description: self.system.source.name().into(),
            }
        })
    }

    /// Sets an attribute: replaces its value, or adds it after the name.
    fn set(&mut self, r: &MemoryRegion, attribute: &str, at: Option<Span>, value: &str) {
        let value = escaped(value);
        match at {
            Some(at) => self.changes.push((at, value)),
            None => {
                // Past the quote that closes the name.
                let end = r.name.span.end + 1;
                let text = format!(" {attribute}=\"{value}\"");
                let opening = format!(" {attribute}=");
                self.changes.retain(|(at, t)| at.start != end || !t.starts_with(&opening));
                self.changes.push((end..end, text));
            }
        }
    }
}

/// Text as it stands inside quotes of either kind.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, NotBuilt, Source, parse};

    const TEXT: &str = r#"<system>
    <!-- keep me -->
    <memory_region name="a" prefill_path='old' />
    <memory_region size="0x1000" name="b"/>
    <protection_domain name="p">
        <program_image path="p.elf" />
        <map mr="a" vaddr="0x1000" /><map mr="b" vaddr="0x100000" />
    </protection_domain>
</system>
"#;

    fn system(text: &str) -> System {
        parse(&Source::new("x.system", text), &Board::bochs(), &NotBuilt).unwrap().system
    }

    #[test]
    fn an_edit_changes_one_value_and_nothing_else() {
        let before = system(TEXT);
        let mut edits = Edits::new(&before);
        edits.set_prefill("a", "new & 'better'").unwrap();
        edits.set_region_size("b", 0x3000).unwrap();
        let text = edits.apply();
        let expected = TEXT
            .replace("old", "new &amp; &apos;better&apos;")
            .replace("size=\"0x1000\"", "size=\"0x3000\"");
        assert_eq!(text, expected);
        let after = system(&text);
        assert_eq!(after.regions[1].bytes(), Some(0x3000));
        let Some(Prefill::File { path, .. }) = &after.regions[0].prefill else { panic!() };
        assert_eq!(path.value, "new & 'better'");
    }

    #[test]
    fn an_attribute_that_is_not_there_is_added() {
        let before = system(TEXT);
        let mut edits = Edits::new(&before);
        edits.set_region_size("a", 0x1000).unwrap().set_region_size("a", 0x5000).unwrap();
        edits.set_prefill("b", "c").unwrap();
        let after = system(&edits.apply());
        assert_eq!(after.regions[0].bytes(), Some(0x5000));
        assert!(
            matches!(&after.regions[1].prefill, Some(Prefill::File { path, .. }) if path.value == "c")
        );
    }

    #[test]
    fn the_last_of_two_edits_counts() {
        let before = system(TEXT);
        let mut edits = Edits::new(&before);
        edits.set_region_size("b", 0x2000).unwrap().set_region_size("b", 0x4000).unwrap();
        assert_eq!(system(&edits.apply()).regions[1].bytes(), Some(0x4000));
    }

    #[test]
    fn a_region_that_is_not_there_is_named() {
        let before = system(TEXT);
        let error = Edits::new(&before).set_region_size("c", 1).unwrap_err();
        assert_eq!(error.to_string(), "x.system has no memory region `c` that could be changed");
    }
}
