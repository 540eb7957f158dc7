//! Which crates end up in a program.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Package, PackageId, TargetKind};

use crate::{CargoError, Crates};

impl Crates {
    /// The crates whose code is linked into a package of the workspace, itself
    /// among them, by name and version.
    ///
    /// Left out is what runs while compiling: build scripts with all that they
    /// use, macros, tests. What a macro writes is part of the crate that calls
    /// it.
    ///
    /// # Errors
    /// There is no such package.
    pub fn linked_into(&self, package: &str) -> Result<Vec<&Package>, CargoError> {
        let mut found = BTreeSet::new();
        let mut pending = vec![&self.member(package)?.id];
        while let Some(id) = pending.pop() {
            if !found.insert(id) {
                continue;
            }
            pending.extend(self.nodes.get(id).into_iter().flat_map(|node| &node.deps).filter_map(
                |dependency| {
                    let normal =
                        |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
                    let linked = dependency.dep_kinds.iter().any(normal)
                        && !self.package(&dependency.pkg).is_some_and(is_macro);
                    linked.then_some(&dependency.pkg)
                },
            ));
        }
        let mut packages: Vec<&Package> =
            found.into_iter().filter_map(|id| self.package(id)).collect();
        packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(packages)
    }

    fn package(&self, id: &PackageId) -> Option<&Package> {
        self.packages.get(id).and_then(|place| self.metadata.packages.get(*place))
    }
}

fn is_macro(package: &Package) -> bool {
    package.targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_only_runs_while_compiling_is_not_linked() {
        let crates = Crates::of(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let linked = crates.linked_into("vmm").unwrap();
        let has = |name: &str| linked.iter().any(|package| *package.name == name);
        assert!(has("vmm") && has("vmm-core") && has("yaxpeax-x86"));
        assert!(!has("acpi_tables"), "used by a build script");
        assert!(!has("serde_derive") && !has("sel4-microkit-macros"), "macros");
        assert!(!has("proptest") && !has("iced-x86"), "used by tests");
        assert!(!has("clap") && !has("bulkhead"), "host tools");
    }

    #[test]
    fn a_package_that_is_not_there_is_named() {
        let crates = Crates::of(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let error = crates.linked_into("no-such").unwrap_err();
        assert_eq!(error.to_string(), "the workspace has no package `no-such`");
    }
}
