//! The seL4 kernel: out of a crate that carries its source, with patches of
//! this project.

use std::path::{Path, PathBuf};

use crate::{
    SbomError,
    component::{Component, ComponentId, Components},
    crates::Checksums,
    texts,
};

/// Where the patches are, from the top of the checkout.
pub(crate) const PATCHES: &str = "tools/kernel/patches";

/// The crate, its version, and the kernel's version in it
/// (`seL4/VERSION`).
const CRATE: (&str, &str) = ("sel4-sys", "0.0.28");
const VERSION: &str = "5.0.0";

/// The patches, in the order in which they are applied.
pub(crate) fn patches(workspace: &Path) -> Result<Vec<PathBuf>, SbomError> {
    let folder = workspace.join(PATCHES);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(SbomError::file("list", &folder))? {
        let path = entry.map_err(SbomError::file("list", &folder))?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The kernel as a component.
pub(crate) fn component(
    workspace: &Path,
    components: &mut Components,
) -> Result<ComponentId, SbomError> {
    let (name, version) = CRATE;
    let lock = workspace.join("tools/kernel/source/Cargo.lock");
    let sha256 = Checksums::read(&lock)?.of(name, version).cloned();
    let count = patches(workspace)?.len();
    let download = format!("https://static.crates.io/crates/{name}/{name}-{version}.crate");
    Ok(components.add(
        "kernel",
        Component {
            name: "seL4".into(),
            version: VERSION.into(),
            licence: "GPL-2.0-only".into(),
            supplier: "Organization: seL4 Foundation".into(),
            obtain: format!(
                "{download}, folder seL4/, with the {count} patches in {PATCHES}/ of the checkout \
                 that the image was built in; `cargo bulkhead build` there compiles it"
            ),
            purl: Some(format!("pkg:cargo/{name}@{version}")),
            sha256,
            download,
            remark: Some(format!("changed by {count} patches of this project, GPL-2.0-only too")),
            texts: vec![texts::file(&workspace.join("LICENSES/GPL-2.0-only.txt"))?],
        },
    ))
}
