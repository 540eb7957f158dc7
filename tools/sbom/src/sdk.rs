//! What an image has out of the user's Microkit SDK: the kernel, and the program
//! that the SDK's tool joined with the system, with a monitor in it.
//!
//! Not here: what these are made of in their turn. An SDK has no bill of its own,
//! so this one names the SDK, and says where its knowledge ends.

use std::path::Path;

use crate::{
    SbomError,
    component::{Component, ComponentId, Components, NO_ASSERTION},
    texts,
};

const SOURCE: &str = "https://github.com/seL4/microkit";

/// The SDK's own programs.
pub(crate) fn microkit(
    workspace: &Path,
    release: &str,
    components: &mut Components,
) -> Result<ComponentId, SbomError> {
    Ok(components.add(
        "sdk",
        Component {
            name: "Microkit".into(),
            version: release.into(),
            licence: "BSD-2-Clause".into(),
            supplier: "Organization: seL4 Foundation".into(),
            download: NO_ASSERTION.into(),
            purl: None,
            sha256: None,
            obtain: format!("{SOURCE}, of the release that the SDK's file VERSION names"),
            remark: Some(
                "initialiser and monitor of the SDK that whoever built the image gave; Rust crates \
                 and C files that these are made of are not listed here: the SDK does not say"
                    .into(),
            ),
            texts: vec![texts::file(&workspace.join("LICENSES/BSD-2-Clause.txt"))?],
        },
    ))
}

/// The SDK's kernel.
pub(crate) fn kernel(
    workspace: &Path,
    release: &str,
    components: &mut Components,
) -> Result<ComponentId, SbomError> {
    Ok(components.add(
        "sdk",
        Component {
            name: "seL4".into(),
            version: format!("of Microkit SDK {release}"),
            licence: "GPL-2.0-only".into(),
            supplier: "Organization: seL4 Foundation".into(),
            download: NO_ASSERTION.into(),
            purl: None,
            sha256: None,
            obtain: format!(
                "{SOURCE} of the same release names the version of https://github.com/seL4/seL4 in \
                 its README"
            ),
            remark: Some("as the SDK has it, not built or changed by this project".into()),
            texts: vec![texts::file(&workspace.join("LICENSES/GPL-2.0-only.txt"))?],
        },
    ))
}
