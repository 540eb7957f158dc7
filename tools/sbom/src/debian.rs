//! Debian packages: the guests', out of their archives, and those whose files
//! are taken from this machine (the boot loader, the C library).

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_guest::Package;
use bulkhead_host::output;

use crate::{
    SbomError,
    component::{Component, ComponentId, Components, LicenceText, NO_ASSERTION},
    texts,
};

/// Where Debian keeps texts that packages' copyright files only refer to.
const COMMON: &str = "/usr/share/common-licenses";

/// What the packages in question are licensed under as a whole, by source
/// package: the summary of their `debian/copyright`, whose full text goes into
/// the notices.
const LICENCES: [(&str, &str); 6] = [
    // The kernel's own COPYING and LICENSES/.
    ("linux", "GPL-2.0-only WITH Linux-syscall-note"),
    ("linux-signed-amd64", "GPL-2.0-only WITH Linux-syscall-note"),
    ("busybox", "GPL-2.0-only"),
    ("syslinux", "GPL-2.0-or-later"),
    ("glibc", "LGPL-2.1-or-later"),
    ("gcc", "GPL-3.0-or-later WITH GCC-exception-3.1"),
];

/// The fields of a package's control file that matter.
#[derive(Debug, PartialEq, Eq)]
struct Control {
    name: String,
    version: String,
    architecture: String,
    source: String,
    source_version: String,
    /// Packages whose code is linked into this one's files (Debian Policy, 7.8).
    built_using: String,
}

impl Control {
    /// Out of six lines, in this order: package, version, architecture, source,
    /// the source's version, built using.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut next = || Some(lines.next()?.trim().to_owned());
        Some(Control {
            name: next()?,
            version: next()?,
            architecture: next()?,
            source: next()?,
            source_version: next()?,
            built_using: next()?,
        })
    }

    fn component(self, sha256: Option<String>, texts: Vec<LicenceText>) -> Component {
        // GCC's source package has its version in the name.
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let source = self.source.trim_end_matches(digits).trim_end_matches('-');
        let known = LICENCES.iter().find(|(known, _)| [source, &self.source].contains(known));
        let Control { name, version, architecture, source, source_version, built_using } = self;
        let built_using = Some(built_using).filter(|text| !text.is_empty());
        Component {
            licence: known.map_or(NO_ASSERTION, |(_, licence)| licence).into(),
            supplier: "Organization: Debian".into(),
            download: format!("https://snapshot.debian.org/package/{source}/{source_version}/"),
            purl: Some(format!(
                "pkg:deb/debian/{name}@{}?arch={architecture}",
                version.replace(':', "%3A").replace('+', "%2B")
            )),
            sha256,
            obtain: format!(
                "`apt-get source {source}={source_version}` with Debian's `deb-src` lists, or \
                 https://snapshot.debian.org/package/{source}/{source_version}/"
            ),
            remark: built_using.map(|text| format!("built using {text}")),
            texts,
            name,
            version,
        }
    }
}

/// A guest's package: its archive, and where that is unpacked.
pub(crate) fn of_guest(
    package: &Package,
    unpacked: &Path,
    components: &mut Components,
) -> Result<ComponentId, SbomError> {
    // Asked for by a format, because fields that are missing print nothing.
    let control = query(
        Command::new("dpkg-deb")
            .args(["--show", &format!("--showformat={FORMAT}")])
            .arg(&package.path),
        &package.name,
    )?;
    let copyright = unpacked.join("usr/share/doc").join(&package.name).join("copyright");
    let texts = copyright_texts(&copyright)?;
    Ok(components.add("debian", control.component(Some(package.digest.clone()), texts)))
}

/// Fields in the order of [`Control::parse`].
const FORMAT: &str = "${Package}\\n${Version}\\n${Architecture}\\n${source:Package}\\n\
                      ${source:Version}\\n${Built-Using}\\n";

/// The installed package that a file of this machine belongs to, if it belongs
/// to any.
pub(crate) fn owner(
    path: &Path,
    components: &mut Components,
) -> Result<Option<ComponentId>, SbomError> {
    let output = output(Command::new("dpkg-query").arg("--search").arg(path));
    let Some(name) = output.ok().filter(|output| output.status.success()).and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        Some(text.split([':', ',']).next()?.to_owned())
    }) else {
        return Ok(None);
    };
    let control = query(
        Command::new("dpkg-query").args(["--show", &format!("--showformat={FORMAT}")]).arg(&name),
        &name,
    )?;
    let copyright = PathBuf::from("/usr/share/doc").join(&name).join("copyright");
    let texts = copyright_texts(&copyright)?;
    Ok(Some(components.add("debian", control.component(None, texts))))
}

fn query(command: &mut Command, package: &str) -> Result<Control, SbomError> {
    let unknown = |reason: String| SbomError::Package { package: package.to_owned(), reason };
    let output = output(command.env("LC_ALL", "C")).map_err(|e| unknown(e.to_string()))?;
    if !output.status.success() {
        return Err(unknown(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Control::parse(&text).ok_or_else(|| unknown(format!("it said {text:?}")))
}

/// A package's copyright file, and the texts that it refers to.
fn copyright_texts(copyright: &Path) -> Result<Vec<LicenceText>, SbomError> {
    let own = texts::file(copyright)?;
    let mut all: Vec<LicenceText> = Vec::new();
    for name in referred(&own.text) {
        let path = Path::new(COMMON).join(name);
        // A name may be the end of a sentence, or of a later Debian.
        if path.is_file() {
            all.push(texts::file(&path)?);
        }
    }
    all.insert(0, own);
    Ok(all)
}

/// Names of the common licences that a text refers to, each once.
fn referred(text: &str) -> Vec<&str> {
    let prefix = "/usr/share/common-licenses/";
    let mut names: Vec<&str> = text
        .split(prefix)
        .skip(1)
        .map(|rest| {
            let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            rest[..end].trim_end_matches('.')
        })
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_licences_are_found_in_prose() {
        let text = "see /usr/share/common-licenses/GPL-2. Or `/usr/share/common-licenses/LGPL-2.1'\n\
                    and /usr/share/common-licenses/GPL-2; /usr/share/common-licenses/";
        assert_eq!(referred(text), ["GPL-2", "LGPL-2.1"]);
    }

    #[test]
    fn a_package_is_licensed_as_its_source_and_an_unknown_one_claims_nothing() {
        let control = |source: &str| {
            let text = format!("p\n1:2+b1\namd64\n{source}\n1:2\nglibc (= 2.36)\n");
            Control::parse(&text).unwrap().component(None, Vec::new())
        };
        let known = control("busybox");
        assert_eq!(known.licence, "GPL-2.0-only");
        assert_eq!(known.purl.unwrap(), "pkg:deb/debian/p@1%3A2%2Bb1?arch=amd64");
        assert_eq!(known.remark.unwrap(), "built using glibc (= 2.36)");
        assert!(control("gcc-12").licence.ends_with("GCC-exception-3.1"));
        assert_eq!(control("other").licence, NO_ASSERTION);
        assert_eq!(Control::parse("p\n1\n"), None);
    }
}
