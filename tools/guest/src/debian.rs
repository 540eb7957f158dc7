//! Debian packages: fetched by apt, which checks them against its signed
//! index, and unpacked by dpkg-deb.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    error::{GuestError, Result},
    store,
};

/// A package that is here.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as in the file's name.
    pub version: String,
    /// The archive.
    pub path: PathBuf,
    /// Its SHA-256.
    pub digest: String,
}

/// Runs a program of the package `package` to its end.
fn run(program: &'static str, package: &'static str, command: &mut Command) -> Result<Output> {
    bulkhead_host::output(command.env("LC_ALL", "C")).map_err(|source| GuestError::Missing {
        program,
        package,
        source,
    })
}

/// The last lines of what a program printed to standard error.
pub fn tail(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// The package that a metapackage depends on.
fn dependency(metapackage: &str) -> Result<String> {
    let output = run(
        "apt-cache",
        "apt",
        Command::new("apt-cache").args(["depends", "--important", metapackage]),
    )?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|l| l.trim().strip_prefix("Depends:"))
        .map(|name| name.trim().to_owned())
        .ok_or_else(|| GuestError::Package {
            package: metapackage.into(),
            reason: "apt knows no such package".into(),
        })
}

/// Fetches a package into `folder`, or finds it there, so that a later build
/// needs no network and no package lists. Of a metapackage it is the first
/// dependency that is fetched.
///
/// What is found is held against the digest that was noted when apt had checked
/// it; if it has changed since, it is fetched again.
pub fn fetch(folder: &Path, name: &str, is_metapackage: bool) -> Result<Package> {
    fs::create_dir_all(folder).map_err(GuestError::io("create", folder))?;
    let note = folder.join(format!("{name}.fetched"));
    if let Some(package) = fetched(folder, &note) {
        return Ok(package);
    }
    let real = if is_metapackage { dependency(name)? } else { name.to_owned() };
    let download = folder.join(format!("{name}.part"));
    store::remove(&download)?;
    fs::create_dir_all(&download).map_err(GuestError::io("create", &download))?;
    let output = run(
        "apt-get",
        "apt",
        // The sandbox user of apt cannot write to a folder of root's; what is
        // fetched is checked all the same.
        Command::new("apt-get")
            .args(["-q", "-o", "APT::Sandbox::User=root", "download", &real])
            .current_dir(&download),
    )?;
    let file = fs::read_dir(&download)
        .map_err(GuestError::io("read", &download))?
        .flatten()
        .find(|f| f.path().extension().is_some_and(|e| e == "deb"));
    let (true, Some(file)) = (output.status.success(), file) else {
        store::remove(&download)?;
        return Err(GuestError::Package { package: real, reason: tail(&output) });
    };
    let path = folder.join(file.file_name());
    fs::rename(file.path(), &path).map_err(GuestError::io("move", &path))?;
    store::remove(&download)?;
    let package = package(path)?;
    let text = format!("{} {}\n", file.file_name().to_string_lossy(), package.digest);
    bulkhead_host::replace(&note, text.as_bytes())?;
    Ok(package)
}

/// The package of which a note says name and digest, if it is what the note
/// says.
fn fetched(folder: &Path, note: &Path) -> Option<Package> {
    let text = fs::read_to_string(note).ok()?;
    let (file, digest) = text.trim().split_once(' ')?;
    package(folder.join(file)).ok().filter(|package| package.digest == digest)
}

/// Reads name and version off a package's file: `NAME_VERSION_ARCH.deb`.
fn package(path: PathBuf) -> Result<Package> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = stem.split('_');
    let (name, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Ok(Package {
        name: name.into(),
        version: version.replace("%3a", ":"),
        digest: store::file_digest(&path)?,
        path,
    })
}

impl Package {
    /// Unpacks the files into `folder`, in place of what is there.
    pub fn unpack(&self, folder: &Path) -> Result<()> {
        let mut unpacking = folder.as_os_str().to_owned();
        unpacking.push(".unpacking");
        let unpacking = PathBuf::from(unpacking);
        store::remove(&unpacking)?;
        fs::create_dir_all(&unpacking).map_err(GuestError::io("create", &unpacking))?;
        let output = run(
            "dpkg-deb",
            "dpkg",
            Command::new("dpkg-deb").arg("--extract").arg(&self.path).arg(&unpacking),
        )?;
        if !output.status.success() {
            store::remove(&unpacking)?;
            return Err(GuestError::Failed {
                what: format!("unpacking {}", self.path.display()),
                status: output.status.to_string(),
                output: tail(&output),
                help: "mostly the disk is full: free some space and run the command again",
            });
        }
        store::remove(folder)?;
        fs::rename(&unpacking, folder).map_err(GuestError::io("create", folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_name_and_version_are_read_off_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busybox-static_1%3a1.35.0-4_amd64.deb");
        fs::write(&path, b"x").unwrap();
        let package = package(path).unwrap();
        assert_eq!((&*package.name, &*package.version), ("busybox-static", "1:1.35.0-4"));
    }

    #[test]
    fn a_package_that_changed_since_it_was_checked_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, note) = (folder.path().join("a_1_amd64.deb"), folder.path().join("a.fetched"));
        fs::write(&path, b"checked").unwrap();
        let digest = store::file_digest(&path).unwrap();
        fs::write(&note, format!("a_1_amd64.deb {digest}\n")).unwrap();
        assert_eq!(fetched(folder.path(), &note).unwrap().digest, digest);
        fs::write(&path, b"damaged").unwrap();
        assert!(fetched(folder.path(), &note).is_none());
        fs::write(&note, "a_1_amd64.deb").unwrap();
        assert!(fetched(folder.path(), &note).is_none(), "a note without a digest proves nothing");
    }
}
