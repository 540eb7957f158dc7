//! Which crates end up in a program.

use std::{collections::BTreeMap, env, process::Command};

use bulkhead_host::output;
use cargo_metadata::Package;

use crate::{CargoError, Crates, TARGET};

impl Crates {
    /// The crates whose code is linked into each of these packages of the
    /// workspace, the package itself among them, by name and version.
    ///
    /// The packages must be those that one call of cargo compiles: which crates
    /// they need depends on features, and packages compiled together share
    /// those.
    ///
    /// Left out is what runs while compiling: build scripts with all that they
    /// use, macros, tests. What a macro writes is part of the crate that calls
    /// it.
    ///
    /// # Errors
    /// There is no such package, or cargo cannot be asked.
    pub fn linked(
        &self,
        packages: &[String],
    ) -> Result<BTreeMap<String, Vec<&Package>>, CargoError> {
        let failed = |reason: String| CargoError::Tree { reason };
        // `cargo metadata` would count the features that host tools ask for.
        let mut tree = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        tree.current_dir(&self.metadata.workspace_root)
            .args(["tree", "--quiet", "--target", TARGET, "--edges", "normal,no-proc-macro"])
            .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
            .args(packages.iter().flat_map(|package| ["--package", package]));
        let output = output(&mut tree).map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut linked = BTreeMap::new();
        for tree in text.split("\n\n") {
            let mut names: Vec<(&str, &str)> = Vec::new();
            for line in tree.lines().filter(|line| !line.is_empty()) {
                names.push(crate_of(line).ok_or_else(|| failed(format!("it said {line:?}")))?);
            }
            let Some((root, _)) = names.first().copied() else { continue };
            names.sort_unstable();
            names.dedup();
            let found = names.into_iter().map(|(name, version)| self.package(name, version));
            linked.insert(root.to_owned(), found.collect::<Result<Vec<_>, _>>()?);
        }
        match packages.iter().find(|package| !linked.contains_key(*package)) {
            None => Ok(linked),
            Some(missing) => Err(CargoError::Unknown(missing.clone())),
        }
    }

    fn package(&self, name: &str, version: &str) -> Result<&Package, CargoError> {
        self.metadata
            .packages
            .iter()
            .find(|package| *package.name == name && package.version.to_string() == version)
            .ok_or_else(|| CargoError::Unknown(format!("{name} {version}")))
    }
}

/// Name and version in a line `NAME vVERSION (...)`.
fn crate_of(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn crates() -> Crates {
        Crates::of(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn what_only_runs_while_compiling_is_not_linked() {
        let crates = crates();
        let linked = crates.linked(&["vmm".into(), "timer".into()]).unwrap();
        assert_eq!(linked.keys().collect::<Vec<_>>(), ["timer", "vmm"]);
        let has = |name: &str| linked["vmm"].iter().any(|package| *package.name == name);
        assert!(has("vmm") && has("vmm-core") && has("zerocopy"));
        assert!(!has("acpi_tables"), "used by a build script");
        assert!(!has("serde_derive") && !has("sel4-microkit-macros"), "macros");
        assert!(!has("proptest") && !has("iced-x86"), "used by tests");
        assert!(!has("clap") && !has("bulkhead"), "host tools");
        assert!(!linked["timer"].iter().any(|package| *package.name == "zerocopy"));
    }

    #[test]
    fn a_package_that_is_not_there_is_named() {
        let error = crates().linked(&["no-such".into()]).unwrap_err();
        assert!(error.to_string().contains("no-such"), "{error}");
    }
}
