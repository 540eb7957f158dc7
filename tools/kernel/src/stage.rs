//! A private copy of the source with the patches in it and the generated
//! headers beside it.

use std::path::{Path, PathBuf};

use crate::compile::Compiler;
use crate::error::FileContext;
use crate::interface::calls::{Interface, Layout};
use crate::interface::headers;
use crate::omission::Omission;
use crate::patches::Series;
use crate::source::Source;
use crate::{Configuration, KernelError, bitfields};

/// The source, ready to be compiled.
pub(crate) struct Stage {
    tree: PathBuf,
    scratch: PathBuf,
    interface: Interface,
    compiler: Compiler,
}

impl Stage {
    /// Copies, patches and generates into `dir`, an empty folder.
    pub fn prepare(
        source: &Source,
        series: &Series,
        omission: Option<&Omission>,
        configuration: Configuration,
        dir: &Path,
    ) -> Result<Self, KernelError> {
        // The compiler's own name for the current folder has no links in it.
        let dir = &dir.canonicalize().context("cannot find", dir)?;
        copy(source, dir)?;
        let tree = dir.join("seL4");
        let mut files = series.apply(&tree)?;
        if let Some(omission) = omission {
            omission.apply(series, &tree, &mut files, dir)?;
        }
        for (file, text) in files {
            let path = tree.join(file);
            std::fs::write(&path, text).context("cannot write", &path)?;
        }

        let generated = dir.join("generated");
        std::fs::create_dir_all(&generated).context("cannot create", &generated)?;
        let autoconf = generated.join("autoconf.h");
        std::fs::write(&autoconf, configuration.autoconf()).context("cannot write", &autoconf)?;
        let interface = Interface::read(&tree, &Layout::SOURCE)?;
        headers::write(&interface, &generated)?;

        let scratch = dir.join("scratch");
        let compiler = Compiler::new(dir, &tree, &generated, configuration);
        bitfields::generate(dir, &generated, &scratch, &compiler)?;
        Ok(Self { tree, scratch, interface, compiler })
    }

    /// The patched source.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// A folder for what nobody wants to keep.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The kernel's calls.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The C tools, set up for this source.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }
}

fn copy(source: &Source, dir: &Path) -> Result<(), KernelError> {
    for file in source.files() {
        let to = dir.join(file);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).context("cannot create", parent)?;
        }
        // Not `fs::copy`: cargo's registry may be read-only, the copy must not be.
        let from = source.root().join(file);
        let bytes = std::fs::read(&from).context("cannot read", &from)?;
        std::fs::write(&to, bytes).context("cannot write", &to)?;
    }
    Ok(())
}
