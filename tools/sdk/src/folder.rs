//! The folder of an SDK: where it is, which release, and its tool.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    SdkError, Selection, Version,
    files::{Kind, read},
};

/// The environment variable that names the folder, for us as for the tool.
pub const VARIABLE: &str = "MICROKIT_SDK";

/// The file VERSION has one line.
const VERSION_LIMIT: u64 = 256;

/// Most entries of a folder that are looked at: a release has some 35 boards.
const ENTRIES: usize = 1000;

/// Holding it means: the folder is there, of a release that fits, and its tool
/// is a program that this machine can run. It says nothing about any board.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sdk {
    root: PathBuf,
    version: Version,
    tool: PathBuf,
}

impl Sdk {
    /// The folder that the environment names; an empty name is none.
    pub fn from_environment() -> Option<PathBuf> {
        env::var_os(VARIABLE).filter(|name: &OsString| !name.is_empty()).map(PathBuf::from)
    }

    /// Opens one.
    ///
    /// # Errors
    /// It is not there, no SDK, of another release, or its tool cannot be run.
    pub fn open(path: &Path) -> Result<Sdk, SdkError> {
        let here = || path.to_owned();
        let root = path.canonicalize().map_err(|_| SdkError::NotThere { path: here() })?;
        if !root.is_dir() {
            let found = Kind::of(&root).map_or("no regular file".into(), Kind::describe);
            let found = if found == Kind::Other.describe() { "a file".into() } else { found };
            return Err(SdkError::NotFolder { path: here(), found });
        }
        let no_sdk = |why: &str| SdkError::NotSdk { path: here(), why: why.into() };
        if fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_none()) {
            return Err(no_sdk("it is empty"));
        }
        let version = root.join("VERSION");
        if !version.exists() {
            return Err(no_sdk("it has no file VERSION"));
        }
        let text = read(&version, VERSION_LIMIT)?;
        let version: Version = String::from_utf8_lossy(&text)
            .parse()
            .map_err(|_| no_sdk("its file VERSION has no release such as 2.3.0"))?;
        if !version.fits() {
            return Err(SdkError::Release { path: here(), found: version });
        }
        let tool = tool(root.join("bin/microkit"))?;
        if !root.join("board").is_dir() {
            return Err(no_sdk("it has no folder board"));
        }
        Ok(Sdk { root, version, tool })
    }

    /// One board in one configuration.
    ///
    /// # Errors
    /// As [`Selection`] says.
    pub fn select(
        &self,
        board: &str,
        configuration: &str,
        kernel: Option<&Path>,
    ) -> Result<Selection, SdkError> {
        Selection::of(self, board, configuration, kernel)
    }

    /// The folder; absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its release.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Its tool.
    pub fn tool(&self) -> &Path {
        &self.tool
    }
}

/// Holds the tool to being a program that this machine runs.
fn tool(path: PathBuf) -> Result<PathBuf, SdkError> {
    let refuse = |why: String, cure: &str| {
        Err(SdkError::Tool { path: path.clone(), why, cure: cure.into() })
    };
    let again = "unpack the SDK again; one built from source needs build_sdk.py to run to its end";
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refuse("it is not there".into(), again);
        }
        Err(error) => return refuse(error.to_string(), again),
    };
    if !metadata.is_file() {
        return refuse("it is no file".into(), again);
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        let cure = format!("chmod +x {}", path.display());
        return refuse("nobody may execute it".into(), &cure);
    }
    match Kind::of(&path) {
        // A script may stand before the tool.
        Some(Kind::KERNEL | Kind::Script) => Ok(path),
        Some(other) => refuse(
            format!("it is {}, and this machine is Linux on x86-64", other.describe()),
            "take the release for linux-x86-64",
        ),
        None => refuse("it cannot be read".into(), again),
    }
}

/// Names of the folders in a folder, sorted.
pub(crate) fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten().take(ENTRIES);
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().escape_default().to_string())
        .collect();
    names.sort();
    names
}

/// Whether this can be the name of a board or configuration: it goes into paths.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= 64 && text.chars().all(plain) && !text.starts_with('-')
}
