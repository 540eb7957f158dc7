//! What a Linux guest is made of.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::error::{GuestError, Result};

/// `guest-images/linux/recipe.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The kernel.
    pub kernel: Kernel,
    /// The initial RAM disk.
    pub initramfs: Initramfs,
    /// What the one for tests has besides.
    #[serde(default)]
    pub tests: Vec<Programs>,
}

/// Where the kernel comes from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// A package whose first dependency holds the kernel.
    pub metapackage: String,
    /// Modules for the initial RAM disk, below `lib/modules/VERSION/kernel/`.
    pub modules: Vec<String>,
}

/// What the initial RAM disk is built around.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initramfs {
    /// A package that holds a static `/bin/busybox`.
    pub busybox: String,
}

/// Files of a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// The package.
    pub package: String,
    /// Places in the initial RAM disk, and those in the package.
    pub files: BTreeMap<String, String>,
}

impl Recipe {
    /// Reads a recipe.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(GuestError::io("read", path))?;
        toml::from_str(&text)
            .map_err(|e| GuestError::Recipe { path: path.into(), reason: e.to_string() })
    }
}
