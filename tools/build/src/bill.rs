//! Hands a boot image's parts to the bill of materials.

use std::path::Path;

use bulkhead_cargo::Crates;
use bulkhead_guest::LinuxImages;
use bulkhead_sbom::{Bill, Image, Kernel, Prefill, Program};
use bulkhead_sdf::{Prefill as Filled, SearchPath, System};
use miette::{Result, miette};

use crate::{
    Domains, Workspace,
    domains::package_of,
    system::{Ground, Made},
};

/// What an image was made of, besides its description.
pub(crate) struct Parts<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// Its packages.
    pub crates: &'a Crates,
    /// The programs.
    pub domains: &'a Domains,
    /// The default guest, if the system has it.
    pub guest: Option<&'a LinuxImages>,
    /// What it stands on.
    pub ground: Ground<'a>,
}

/// Writes the bill beside the image.
pub(crate) fn write(
    parts: &Parts<'_>,
    system: &System,
    files: &SearchPath,
    made: &Made,
) -> Result<Bill> {
    let Parts { workspace, crates, domains, guest, ref ground } = *parts;
    let find = |name: &str| files.find(name).ok_or_else(|| miette!("{name} has vanished"));
    let (kernel, mut programs) = match ground {
        Ground::Embedded(_) => (
            Kernel::Embedded { image: &made.kernel32 },
            vec![program(workspace, domains, &domains.root_task())?],
        ),
        Ground::Sdk(selection) => (
            Kernel::Sdk {
                image: &made.kernel32,
                release: selection.sdk().version().to_string(),
                given: selection.kernel().is_given(),
            },
            Vec::new(),
        ),
    };
    let mut named: Vec<&str> =
        system.domains.iter().map(|domain| domain.program.path.value.as_str()).collect();
    named.sort_unstable();
    named.dedup();
    for name in named {
        let found = find(name)?;
        let given = is_given(workspace, made, &found);
        programs.push(Program { given, ..program(workspace, domains, &found)? });
    }
    let mut prefills = Vec::new();
    for region in &system.regions {
        match &region.prefill {
            Some(Filled::File { path, .. }) => {
                let found = find(&path.value)?;
                let given = is_given(workspace, made, &found);
                prefills.push(Prefill { name: path.value.clone(), path: found, given });
            }
            Some(Filled::Bootinfo(_)) | None => {}
        }
    }
    Ok(bulkhead_sbom::write(&Image {
        workspace: &workspace.root,
        out: &workspace.out,
        crates,
        iso: &made.image,
        kernel,
        folder: &made.folder,
        programs,
        prefills,
        guest,
    })?)
}

/// Whether a file is the user's own: none that a build of ours made.
fn is_given(workspace: &Workspace, made: &Made, path: &Path) -> bool {
    !path.starts_with(&workspace.out) && !path.starts_with(&made.folder)
}

/// A program; one from outside the build's folder comes from no package.
fn program(workspace: &Workspace, domains: &Domains, path: &Path) -> Result<Program> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let built = path.parent() == Some(&domains.folder);
    let package = if built { package_of(workspace, &name)? } else { None };
    Ok(Program { name, path: path.to_owned(), package, given: false })
}
