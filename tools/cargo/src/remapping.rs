//! Names for the places of sources that are the same wherever they lie.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::Crates;

/// What a program calls the top of the checkout. In a debugger:
/// `set substitute-path /bulkhead CHECKOUT`.
pub const CHECKOUT: &str = "/bulkhead";

/// What a program calls the folder that has `NAME-VERSION` for each crate.
pub const CRATES: &str = "/crates";

impl Crates {
    /// Compiler flags that replace the checkout's place and that of cargo's
    /// crates by [`CHECKOUT`] and [`CRATES`] in what is compiled.
    pub fn remapping(&self) -> Vec<OsString> {
        let root = self.metadata.workspace_root.as_std_path();
        let foreign = self.metadata.packages.iter().filter(|package| package.source.is_some());
        let folders: BTreeSet<&Path> = foreign
            .filter_map(|package| package.manifest_path.as_std_path().parent()?.parent())
            .collect();
        // The compiler takes the last that fits: cargo's folder may lie in the
        // checkout.
        let places = names_of(root).into_iter().map(|place| (place, CHECKOUT));
        let places =
            places.chain(folders.into_iter().flat_map(names_of).map(|place| (place, CRATES)));
        places.map(|(place, name)| flag(&place, name)).collect()
    }
}

/// Compiler flags as `CARGO_ENCODED_RUSTFLAGS` wants them; unlike in `RUSTFLAGS`
/// they may hold spaces, as paths do.
pub fn encode<'a>(flags: impl IntoIterator<Item = &'a OsStr>) -> OsString {
    flags.into_iter().collect::<Vec<_>>().join(OsStr::new("\u{1f}"))
}

/// A folder as it was named and, if a link led there, as it is.
fn names_of(folder: &Path) -> Vec<PathBuf> {
    let mut names = vec![folder.to_owned()];
    names.extend(folder.canonicalize().ok().filter(|real| real != folder));
    names
}

fn flag(place: &Path, name: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(place);
    flag.push("=");
    flag.push(name);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_behind_a_link_has_both_names() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("real");
        let link = folder.path().join("link");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(names_of(&link), [link, real.clone()]);
        assert_eq!(names_of(&real), [real]);
    }

    #[test]
    fn the_checkout_comes_before_the_crates() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flags = Crates::of(here).unwrap().remapping();
        let ends = |flag: &OsString, name: &str| flag.to_string_lossy().ends_with(name);
        assert!(ends(&flags[0], "=/bulkhead"), "{flags:?}");
        assert!(ends(flags.last().unwrap(), "=/crates"), "{flags:?}");
    }
}
