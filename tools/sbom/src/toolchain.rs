//! What compilers link into programs by themselves: `core` and the run-time
//! functions into all, the standard library and gcc's libraries into guests'
//! programs.

use std::{path::PathBuf, process::Command};

use crate::{
    SbomError,
    component::{Component, ComponentId, Components, LicenceText},
    texts,
};

/// Folders with the library's licences: the Rust project's toolchains have the
/// first, below their root; Debian's the other.
const TEXTS: [&str; 2] = ["share/doc/rust", "/usr/share/doc/libstd-rust-dev"];

/// The licence texts that the library's crates are under, as the Rust project
/// names them in `share/doc/rust/licenses/`.
const LIBRARY: [&str; 4] = ["Apache-2.0.txt", "LLVM-exception.txt", "MIT.txt", "Unicode-3.0.txt"];

/// A part of the library.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// `core` with `compiler_builtins`, for freestanding programs.
    Core,
    /// `std` with everything below it.
    Std,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Core => "rust-core",
            Part::Std => "rust-std",
        }
    }

    /// The licences in `library/*/Cargo.toml` of the Rust repository;
    /// `compiler_builtins` has the long one.
    fn licence(self) -> &'static str {
        match self {
            Part::Core | Part::Std => {
                "(MIT OR Apache-2.0) AND (MIT AND Apache-2.0 WITH LLVM-exception AND \
                 (MIT OR Apache-2.0))"
            }
        }
    }
}

/// The toolchain in use; asked for once.
pub(crate) struct Toolchain {
    release: String,
    commit: String,
    texts: Vec<LicenceText>,
}

impl Toolchain {
    pub fn installed() -> Result<Self, SbomError> {
        let version = rustc(&["-vV"])?;
        let field = |name: &str| {
            let line = version.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned()).ok_or_else(|| SbomError::Toolchain {
                reason: format!("no `{name}` in {version:?}"),
            })
        };
        let root = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
        Ok(Toolchain {
            release: field("release:")?,
            commit: field("commit-hash:")?,
            texts: library_texts(&root)?,
        })
    }

    /// A part of it as a component.
    pub fn component(&self, part: Part, components: &mut Components) -> ComponentId {
        let Toolchain { release, commit, texts } = self;
        let remark = (texts.is_empty()).then(|| {
            "the toolchain's licence texts are not installed; they are with its source".to_owned()
        });
        components.add(
            "toolchain",
            Component {
                name: part.name().into(),
                version: release.clone(),
                licence: part.licence().into(),
                supplier: "Organization: The Rust Project".into(),
                download: format!("https://static.rust-lang.org/dist/rustc-{release}-src.tar.xz"),
                purl: None,
                sha256: None,
                obtain: format!(
                    "https://static.rust-lang.org/dist/rustc-{release}-src.tar.xz, folder \
                     library/, or commit {commit} of https://github.com/rust-lang/rust"
                ),
                remark,
                texts: texts.clone(),
            },
        )
    }
}

fn library_texts(root: &std::path::Path) -> Result<Vec<LicenceText>, SbomError> {
    for folder in TEXTS {
        let folder = root.join(folder);
        let licences = folder.join("licenses");
        let mut found = Vec::new();
        for path in LIBRARY.iter().map(|name| licences.join(name)) {
            if path.is_file() {
                found.push(texts::file(&path)?);
            }
        }
        if found.is_empty() && folder.is_dir() {
            found = texts::in_folder(&folder)?;
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn rustc(arguments: &[&str]) -> Result<String, SbomError> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    ask(Command::new(program).args(arguments))
}

/// The library of this name that gcc links.
pub(crate) fn library(name: &str) -> Result<PathBuf, SbomError> {
    let answer = ask(Command::new("gcc").arg(format!("-print-file-name={name}")))?;
    let path = PathBuf::from(answer.trim());
    path.canonicalize().map_err(SbomError::file("find", &path))
}

fn ask(command: &mut Command) -> Result<String, SbomError> {
    let failed = |reason: String| SbomError::Toolchain { reason };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
