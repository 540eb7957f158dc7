//! Committed files that are made from others: the authority map and the picture
//! of the default system from its description, the numbers of kernel calls
//! from the kernel. Made anew, or held against what they would be.

use std::{fs, path::PathBuf};

use bulkhead_build::Workspace;
use bulkhead_progress::Progress;
use bulkhead_sdf::{Board, NotBuilt, Source, authority_markdown, parse, topology_svg};
use miette::{IntoDiagnostic, Result, WrapErr};

use crate::{
    steps::Steps,
    ui::{self, BAD, GOOD, NAME},
};

/// A file and the text that it should have.
struct Generated {
    path: PathBuf,
    text: String,
}

fn all(workspace: &Workspace, steps: &Steps) -> Result<Vec<Generated>> {
    let description = workspace.root.join("system.xml");
    let text = fs::read_to_string(&description)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", description.display()))?;
    // By its plain name, because that is part of what is made.
    let source = Source::new("system.xml", text);
    let system = parse(&source, &Board::bochs(), &NotBuilt)?.system;
    let generated = |name: &str, text| Generated { path: workspace.root.join(name), text };
    Ok(vec![
        generated("docs/authority.md", authority_markdown(&system)),
        generated("docs/system.svg", topology_svg(&system)),
        generated(bulkhead_kernel::NUMBERS_FILE, bulkhead_kernel::numbers(&workspace.root, steps)?),
    ])
}

/// Names of the generated files that are out of date.
///
/// # Errors
/// What they are made from cannot be read.
pub fn stale(workspace: &Workspace, steps: &Steps) -> Result<Vec<String>> {
    let all = all(workspace, steps)?;
    let stale = all.iter().filter(|file| !is_current(file));
    Ok(stale.map(|file| relative(workspace, file)).collect())
}

fn is_current(file: &Generated) -> bool {
    fs::read_to_string(&file.path).is_ok_and(|old| old == file.text)
}

fn relative(workspace: &Workspace, file: &Generated) -> String {
    file.path.strip_prefix(&workspace.root).unwrap_or(&file.path).display().to_string()
}

/// `docs`: writes them, or with `check` only says which are out of date.
pub fn docs(check: bool, steps: &Steps) -> Result<u8> {
    let workspace = Workspace::find()?;
    let all = all(&workspace, steps)?;
    let mut stale = 0;
    for file in all.iter().filter(|file| !is_current(file)) {
        stale += 1;
        let name = relative(&workspace, file);
        if check {
            ui::say(&format!("{BAD}out of date{BAD:#} {NAME}{name}{NAME:#}"));
        } else {
            bulkhead_host::replace(&file.path, file.text.as_bytes())?;
            ui::say(&format!("{GOOD}written{GOOD:#} {NAME}{name}{NAME:#}"));
        }
    }
    if stale == 0 {
        steps.note(&format!("all {} generated files are up to date", all.len()));
    } else if check {
        steps.note("`cargo bulkhead docs` writes them anew");
    }
    Ok(u8::from(check && stale > 0))
}
