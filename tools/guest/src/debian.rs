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
    command.env("LC_ALL", "C").output().map_err(|source| GuestError::Missing {
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

/// Fetches packages into `folder` unless they are there, or finds them there
/// when there is no network. `wanted` names packages; the first of `meta`'s
/// dependency is looked up.
pub fn fetch(folder: &Path, name: &str, is_metapackage: bool) -> Result<Package> {
    fs::create_dir_all(folder).map_err(GuestError::io("creating", folder))?;
    // What was fetched for this name before, so that a later build needs no
    // network and no package lists.
    let note = folder.join(format!("{name}.fetched"));
    if let Ok(file) = fs::read_to_string(&note) {
        let path = folder.join(file.trim());
        if path.is_file() {
            return package(path);
        }
    }
    let real = if is_metapackage { dependency(name)? } else { name.to_owned() };
    let download = folder.join(format!("{name}.part"));
    let _ = fs::remove_dir_all(&download);
    fs::create_dir_all(&download).map_err(GuestError::io("creating", &download))?;
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
        .map_err(GuestError::io("reading", &download))?
        .flatten()
        .find(|f| f.path().extension().is_some_and(|e| e == "deb"));
    let (true, Some(file)) = (output.status.success(), file) else {
        return Err(GuestError::Package { package: real, reason: tail(&output) });
    };
    let path = folder.join(file.file_name());
    fs::rename(file.path(), &path).map_err(GuestError::io("moving", &path))?;
    fs::write(&note, file.file_name().as_encoded_bytes())
        .map_err(GuestError::io("writing", &note))?;
    let _ = fs::remove_dir_all(&download);
    package(path)
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
    /// Unpacks the files into `folder`, which is emptied first.
    pub fn unpack(&self, folder: &Path) -> Result<()> {
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(GuestError::io("emptying", folder)(e));
            }
            _ => {}
        }
        fs::create_dir_all(folder).map_err(GuestError::io("creating", folder))?;
        let output = run(
            "dpkg-deb",
            "dpkg",
            Command::new("dpkg-deb").arg("--extract").arg(&self.path).arg(folder),
        )?;
        if output.status.success() {
            Ok(())
        } else {
            // A damaged archive would be found again and again.
            let _ = fs::remove_file(&self.path);
            Err(GuestError::Failed {
                what: format!("unpacking {}", self.path.display()),
                status: output.status.to_string(),
                output: tail(&output),
            })
        }
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
}
