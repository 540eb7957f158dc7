//! Crates: ours out of the checkout, others out of the registry, with the
//! checksums of `Cargo.lock`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use bulkhead_cargo::{CRATES, Package};
use serde::Deserialize;

use crate::{
    SbomError,
    component::{Component, ComponentId, Components, NO_ASSERTION},
    texts,
};

/// The part of `Cargo.lock` that is needed.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Checksums of downloaded crates, by name and version.
pub(crate) struct Checksums(HashMap<(String, String), String>);

impl Checksums {
    pub fn read(path: &Path) -> Result<Self, SbomError> {
        let text = fs::read_to_string(path).map_err(SbomError::file("read", path))?;
        let lock: Lock = toml::from_str(&text)
            .map_err(|error| SbomError::Lock { path: path.into(), reason: error.to_string() })?;
        let with_sums = lock
            .package
            .into_iter()
            .filter_map(|package| Some(((package.name, package.version), package.checksum?)));
        Ok(Checksums(with_sums.collect()))
    }

    pub fn of(&self, name: &str, version: &str) -> Option<&String> {
        self.0.get(&(name.to_owned(), version.to_owned()))
    }
}

/// Crates by the package of the workspace that they are linked into.
pub(crate) type Linked<'a> = BTreeMap<String, Vec<&'a Package>>;

/// A component for each crate that is linked into a package of the workspace,
/// whose program has these bytes.
///
/// # Errors
/// The program has code of a crate that cargo does not name: places that may
/// panic are named by their files.
pub(crate) fn linked(
    package: &str,
    program: &[u8],
    linked: &Linked<'_>,
    checksums: &Checksums,
    workspace: &Path,
    components: &mut Components,
) -> Result<Vec<ComponentId>, SbomError> {
    let packages = linked.get(package).map(Vec::as_slice).unwrap_or_default();
    let known: BTreeSet<String> =
        packages.iter().map(|package| format!("{}-{}", package.name, package.version)).collect();
    if let Some(stray) = named_in(program).into_iter().find(|name| !known.contains(name)) {
        return Err(SbomError::Unaccounted { file: format!("the crate {stray} in {package}") });
    }
    let mut ids = Vec::new();
    for package in packages {
        ids.push(components.add("crate", component(package, checksums, workspace)?));
    }
    Ok(ids)
}

/// `NAME-VERSION` of each crate whose files a program names. Places in Rust's own
/// library look alike, but have no version.
fn named_in(program: &[u8]) -> BTreeSet<String> {
    let prefix = format!("{CRATES}/").into_bytes();
    let mut names = BTreeSet::new();
    let mut rest = program;
    while let Some(at) = rest.windows(prefix.len()).position(|window| window == prefix) {
        rest = &rest[at + prefix.len()..];
        let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
        let end = rest.iter().position(|byte| !inside(byte)).unwrap_or(rest.len());
        let name = String::from_utf8_lossy(&rest[..end]);
        let versioned = |at: usize| name[at..].chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        if name.match_indices('-').any(|(at, _)| versioned(at)) {
            names.insert(name.into_owned());
        }
    }
    names
}

fn component(
    package: &Package,
    checksums: &Checksums,
    workspace: &Path,
) -> Result<Component, SbomError> {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    // Cargo still takes the older way to write "or".
    let licence = package.license.as_deref().unwrap_or(NO_ASSERTION).replace('/', " OR ");
    if package.source.is_none() {
        return Ok(Component { name, version, licence, ..ours(workspace)? });
    }
    let folder = package.manifest_path.as_std_path().parent().unwrap_or(Path::new("."));
    let download = format!("https://static.crates.io/crates/{name}/{name}-{version}.crate");
    Ok(Component {
        licence,
        supplier: "Organization: crates.io".into(),
        obtain: format!("{download} (it is the source)"),
        purl: Some(format!("pkg:cargo/{name}@{version}")),
        sha256: checksums.of(&name, &version).cloned(),
        download,
        remark: None,
        texts: texts::in_folder(folder)?,
        name,
        version,
    })
}

/// Bulkhead itself.
pub(crate) fn ours(workspace: &Path) -> Result<Component, SbomError> {
    let licence = workspace.join("LICENSES/BSD-2-Clause.txt");
    Ok(Component {
        name: "bulkhead".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        licence: "BSD-2-Clause".into(),
        supplier: "Organization: The Bulkhead project".into(),
        download: NO_ASSERTION.into(),
        purl: None,
        sha256: None,
        obtain: "the checkout of Bulkhead that the image was built in".into(),
        remark: None,
        texts: vec![texts::file(&licence)?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_whose_files_a_program_names_must_be_known() {
        let program = b"..\0/crates/heapless-0.9.3/src/vec.rs\0/crates/stray-1.0.0+x\0\
            /rust/library/stdarch/crates/core_arch/src/x86.rs";
        assert_eq!(
            named_in(program).into_iter().collect::<Vec<_>>(),
            ["heapless-0.9.3", "stray-1.0.0+x"]
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cargo.lock");
        fs::write(&path, "package = []").unwrap();
        let checksums = Checksums::read(&path).unwrap();
        let known = Linked::from([("vmm".to_owned(), Vec::new())]);
        let mut components = Components::default();
        let error =
            linked("vmm", program, &known, &checksums, folder.path(), &mut components).unwrap_err();
        assert!(error.to_string().contains("the crate heapless-0.9.3 in vmm"), "{error}");
    }

    #[test]
    fn checksums_come_from_the_lock_and_ours_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cargo.lock");
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\nchecksum = \"cc\"\n\
                    [[package]]\nname = \"ours\"\nversion = \"1\"\n";
        fs::write(&path, lock).unwrap();
        let checksums = Checksums::read(&path).unwrap();
        assert_eq!(checksums.of("a", "1").map(String::as_str), Some("cc"));
        assert_eq!(checksums.of("a", "2"), None);
        assert_eq!(checksums.of("ours", "1"), None);
    }
}
